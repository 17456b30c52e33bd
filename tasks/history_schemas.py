"""The history as the API gives it: each change, who made it, and what it changed."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from tasks.change_schemas import INT64, ChangedThing
from tasks.schemas import STORED
from todoproject.http.field_types import Output, Storable, Strict

_ENTRY: dict[str, Any] = {
    "change_no": 17,
    "action": 17,
    "at": "2026-11-22T08:00:00.000000Z",
    "event": "updated",
    "kind": "task",
    "id": STORED["id"],
    "actor": {"kind": "token", "name": "login"},
    "request_id": "01991f3e-7c00-7000-8000-00000000beef",
    "changes": {"priority": {"from": "none", "to": "high"}},
}


class HistoryQuery(Strict):
    """How much of a history to show at a time."""

    limit: Annotated[int, Field(strict=False, ge=1, le=200)] = 50
    cursor: Annotated[str, StringConstraints(max_length=4096), Storable] | None = Field(
        None, description="`next_cursor` of the page before."
    )


class Actor(Output):
    """Who made a change: a token, a member of staff, or the system itself."""

    kind: str = Field(description="`token`, `staff` or `system`.")
    name: str | None = Field(description="What the token is called, while it is kept; null for staff.")


class ChangedMember(Output):
    """What a member was, and what it became."""

    model_config = ConfigDict(json_schema_extra={"example": {"from": "none", "to": "high"}})

    from_: Any = Field(alias="from")
    to: Any


class HistoryEntry(Output):
    """A change of a task or a list."""

    model_config = ConfigDict(json_schema_extra={"example": _ENTRY})

    change_no: int = Field(ge=1, json_schema_extra=INT64)
    action: int = Field(
        ge=1,
        description="The first number of the request that made it: what is undone together.",
        json_schema_extra=INT64,
    )
    at: str = Field(json_schema_extra={"format": "date-time"})
    event: str = Field(
        description="`created` `deleted` `restored` `occurrence_completed` `completed` `reopened` `moved` `updated`"
        " `reminder` (one has fired, and nothing has changed); there will be more."
    )
    kind: str = Field(description="`task` or `list`; there will be more.")
    id: UUID
    actor: Actor
    request_id: str | None
    changes: dict[str, ChangedMember] = Field(description="By member. Empty where the task or list is purged.")


class HistoryPage(Output):
    """Changes, newest first; `next_cursor` is null on the last page."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_ENTRY], "next_cursor": None}})

    items: list[HistoryEntry]
    next_cursor: str | None


class Undone(Output):
    """What was changed by undoing, each thing as it is now."""

    items: list[ChangedThing]
