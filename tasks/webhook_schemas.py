"""Webhooks as the API takes and gives them."""

from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from tasks import webhook_urls
from tasks.change_schemas import INT64
from tasks.models import URL_MAX_LENGTH
from tasks.read_only import ReadOnlyWebhookMembers
from todoproject.http.field_types import Output, Storable, Strict

EventType = Literal[
    "task.*",
    "task.created",
    "task.deleted",
    "task.restored",
    "task.occurrence_completed",
    "task.completed",
    "task.reopened",
    "task.moved",
    "task.updated",
    "task.reminder",
    "list.*",
    "list.created",
    "list.deleted",
    "list.restored",
    "list.moved",
    "list.updated",
]

_EXAMPLE: dict[str, Any] = {"url": "https://hooks.example.com/todo", "events": ["task.completed", "list.*"]}
_MOMENT = "2026-11-22T08:00:00.000000Z"
_STORED: dict[str, Any] = {
    "id": "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e05",
    **_EXAMPLE,
    "is_enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "version": 1,
}
_DELIVERY: dict[str, Any] = {
    "id": "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e06",
    "message_id": "b0f4e6a2-5d0b-5c0e-8a4e-0f5d9f5e7a11",
    "type": "task.completed",
    "change_no": 17,
    "state": "delivered",
    "tries": 1,
    "status": 200,
    "error": None,
    "duration_ms": 87,
    "created_at": _MOMENT,
    "tried_at": _MOMENT,
    "next_try_at": None,
}


def _permitted(url: str) -> str:
    try:
        webhook_urls.split(url)
    except webhook_urls.UrlRefused as refused:
        raise PydanticCustomError("webhook_url", "{why}", {"why": str(refused)}) from None
    return url


def _distinct(events: list[str]) -> list[str]:
    if len({*events}) < len(events):
        raise PydanticCustomError("distinct", "An event stands in the list once.")
    return events


Url = Annotated[
    str,
    StringConstraints(min_length=len("http://a"), max_length=URL_MAX_LENGTH),
    Storable,
    AfterValidator(_permitted),
    Field(examples=[_EXAMPLE["url"]], json_schema_extra={"format": "uri"}),
]
Events = Annotated[
    list[EventType],
    Field(min_length=1, max_length=len(get_args(EventType)), examples=[_EXAMPLE["events"]]),
    AfterValidator(_distinct),
]


class WebhookCreate(Strict):
    """A new webhook: where to send, and which events. `task.*` is all of a kind."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    url: Url
    events: Events


def _patch_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults, as of lists: what a patch leaves out stays as it is."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["example"] = {"events": ["task.*"]}


class WebhookPatch(ReadOnlyWebhookMembers):
    """A JSON merge patch (RFC 7396): absent means unchanged. Nothing of it can be cleared.

    What only the server writes may come back as it was given, and is compared.
    """

    model_config = ConfigDict(json_schema_extra=_patch_schema)

    url: Url = ""
    events: Events = []
    is_enabled: bool = True


class Webhook(Output):
    """A webhook, without its secret."""

    model_config = ConfigDict(json_schema_extra={"example": _STORED})

    id: UUID
    url: str
    events: list[str]
    is_enabled: bool
    disabled_at: str | None = Field(json_schema_extra={"format": "date-time"})
    disabled_reason: str | None = Field(
        description="`owner`, `gone` (a 410), `failing` (for three days), `password_reset`, `logout`, `staff`; there"
        " may be more."
    )
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    version: int = Field(ge=1)


class NewWebhook(Webhook):
    """A webhook with its secret, which is shown this once."""

    model_config = ConfigDict(json_schema_extra={"example": _STORED | {"secret": "whsec_…"}})

    secret: str


class WebhookList(Output):
    """The webhooks of an account, newest first; there are too few for pages."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_STORED]}})

    items: list[Webhook]


_Number = Annotated[int, Field(ge=1, le=2**63 - 1, json_schema_extra=INT64)]


class Replay(Strict):
    """Which events to send once more: by their change numbers, both included."""

    model_config = ConfigDict(json_schema_extra={"example": {"from": 1, "to": 100}})

    from_: _Number = Field(alias="from")
    to: _Number

    @model_validator(mode="after")
    def _is_range(self) -> "Replay":
        if self.to < self.from_:
            raise PydanticCustomError("range", "`to` is not before `from`.")
        return self


class Replayed(Output):
    """How many events are sent once more."""

    model_config = ConfigDict(json_schema_extra={"example": {"events": 3}})

    events: int = Field(ge=0)


class WebhookDelivery(Output):
    """What became of an event at a webhook."""

    model_config = ConfigDict(json_schema_extra={"example": _DELIVERY})

    id: UUID
    message_id: UUID = Field(description="What is sent as `webhook-id`: the same at each try.")
    type: str
    change_no: int | None = Field(description="Null of a test.", json_schema_extra=INT64)
    state: str = Field(
        description="`delivered`; `retrying`: later events wait for it; `queued` or `set_aside`: it is tried by itself;"
        " `failed`: given up. There may be more."
    )
    tries: int = Field(ge=0)
    status: int | None = Field(description="Of the last answer.")
    error: str | None = Field(
        description="Why there was none: `timeout`, `private` (the address is none of the public network), `name`,"
        " `connection`, `tls`, `malformed`, `url`, `secret`, `disabled`, `changed`, `purged`,"
        " `internal`; there may be more."
    )
    duration_ms: int | None
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    tried_at: str | None = Field(json_schema_extra={"format": "date-time"})
    next_try_at: str | None = Field(json_schema_extra={"format": "date-time"})


class WebhookDeliveryPage(Output):
    """Deliveries, newest first; `next_cursor` is null on the last page."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_DELIVERY], "next_cursor": None}})

    items: list[WebhookDelivery]
    next_cursor: str | None


class DeliveriesQuery(Strict):
    """How many deliveries to show at a time."""

    limit: Annotated[int, Field(strict=False, ge=1, le=200)] = 50
    cursor: Annotated[str, StringConstraints(max_length=4096), Storable] | None = Field(
        None, description="`next_cursor` of the page before."
    )
