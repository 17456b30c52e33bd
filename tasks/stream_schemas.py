"""Live streams as the API takes and gives them."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from todoproject.http.field_types import Output, Storable, Strict

CURSOR_LENGTH = 4096
_TICKET: dict[str, Any] = {"ticket": "the ticket", "expires_at": "2026-11-22T08:01:00.000000Z"}
_ID = "id: WyIwMTlhYWFiMi00YzAwLTdjM2UtOWQ1Mi03YTNmNmQxYjhlMDUiXQ:4kq0"
EXAMPLE = f'{_ID}\n\nretry: 2000\n\nevent: task\n{_ID}\ndata: {{"kind":"task","change_no":17}}\n\n'


class StreamQuery(Strict):
    """From where on to tell, and a ticket in place of a token."""

    cursor: Annotated[str, StringConstraints(max_length=CURSOR_LENGTH), Storable] | None = Field(
        None,
        description="The last `id` of a stream before, or a `next_cursor` of `GET /v1/changes`. Without it, and without"
        " `Last-Event-ID`: from now on.",
    )
    ticket: Annotated[str, Storable] | None = Field(
        None, description="From `POST /v1/auth/stream-ticket`, for a browser's `EventSource`, which sends no header."
    )


class StreamTicket(Output):
    """What opens one stream, once, within a minute. It is shown this once."""

    model_config = ConfigDict(json_schema_extra={"example": _TICKET})

    ticket: str
    expires_at: str = Field(json_schema_extra={"format": "date-time"})
