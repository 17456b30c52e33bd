"""Changes as the API gives them: what has changed, each thing as it is now."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from tasks.list_schemas import TaskList
from tasks.schemas import STORED, Task
from todoproject.http.field_types import Output, Storable, Strict

_CURSOR = "WyIwMTlhYWFiMi00YzAwLTdjM2UtOWQ1Mi03YTNmNmQxYjhlMDUiXQ:4kq0"
_ITEM: dict[str, Any] = {"kind": "task", "change_no": 17, "id": STORED["id"], "deleted": False, "task": STORED}
_PAGE: dict[str, Any] = {"items": [_ITEM], "next_cursor": _CURSOR, "has_more": False}


# Else some generators of clients take 32 bits, and a reset (manage.py resetsync) goes beyond.
INT64: dict[str, Any] = {"format": "int64"}


class ChangesQuery(Strict):
    """From where on to show what has changed, and how much of it at a time."""

    limit: Annotated[int, Field(strict=False, ge=1, le=500)] = 100
    cursor: Annotated[str, StringConstraints(max_length=4096), Storable] | None = Field(
        None,
        description="`next_cursor` of the answer before. Without it, from the beginning. `now`: no items, and a cursor"
        " for what comes from here on.",
    )


class ChangedThing(Output):
    """A task or a list that has changed, as it is now. Skip kinds that you do not know: there will be more."""

    model_config = ConfigDict(json_schema_extra={"example": _ITEM})

    kind: str = Field(description="`task` or `list`; there will be more.")
    change_no: int = Field(
        ge=1, description="The number of its last change; numbers have gaps.", json_schema_extra=INT64
    )
    id: UUID
    deleted: bool = Field(description="It is in the trash: drop it. Should it be restored, it comes again.")
    task: Task | None = Field(None, description="Only there for tasks; null if it is deleted.")
    list: TaskList | None = Field(None, description="Only there for lists; null if it is deleted.")


class ChangesPage(Output):
    """What has changed, in the order of the changes, each thing once. Keep `next_cursor`: it is never null."""

    model_config = ConfigDict(json_schema_extra={"example": _PAGE})

    items: list[ChangedThing]
    next_cursor: str
    has_more: bool
