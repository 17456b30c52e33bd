"""Lists as the API takes and gives them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from tasks.models import COLOR, NAME_MAX_LENGTH, validate_name
from tasks.read_only import ReadOnlyListMembers
from tasks.schemas import Flag, kept_rule
from todoproject.http.field_types import Output, Storable, Strict

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_MAX_LENGTH),
    Storable,
    kept_rule(validate_name),
    Field(json_schema_extra={"pattern": r"\S"}),
]
Color = Annotated[str, StringConstraints(pattern=COLOR)]

_EXAMPLE: dict[str, Any] = {"name": "Groceries", "color": "#3366cc"}
_STATE = {"is_archived": False, "archived_at": None, "deleted_at": None, "version": 1}
_TIMES = dict.fromkeys(("created_at", "updated_at"), "2026-11-22T08:00:00.000000Z")
_STORED: dict[str, Any] = {
    "id": "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e05",
    **_EXAMPLE,
    "position": "a0",
    **_STATE,
    **_TIMES,
}


class ListCreate(Strict):
    """A new list. Only the name is required; it need not be the only one of that name."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    name: Name
    color: Color | None = None
    is_archived: bool = False


def _replacement_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults of what is compared: generated clients send defaults."""
    for name in ReadOnlyListMembers.model_fields:
        schema["properties"][name].pop("default", None)
    schema["example"] = _EXAMPLE


class ListReplacement(ListCreate, ReadOnlyListMembers):
    """A whole list. What is left out takes its default.

    What only the server writes may come back as it was given, and is compared.
    """

    model_config = ConfigDict(json_schema_extra=_replacement_schema)


def _patch_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults: what a patch leaves out stays as it is, and generated clients must not fill it in."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["example"] = {"is_archived": True}


class ListPatch(ReadOnlyListMembers):
    """A JSON merge patch (RFC 7396): absent means unchanged, null means cleared. A name cannot be cleared.

    What only the server writes may come back as it was given, and is compared.
    """

    model_config = ConfigDict(json_schema_extra=_patch_schema)

    name: Name = ""
    color: Color | None = None
    is_archived: bool = False


class TaskList(Output):
    """A list of tasks. `position` is its place among the others, compared byte by byte. Times are RFC 3339 in UTC."""

    model_config = ConfigDict(json_schema_extra={"example": _STORED})

    id: UUID
    name: str
    color: str | None
    position: str
    is_archived: bool
    archived_at: str | None = Field(json_schema_extra={"format": "date-time"})
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    deleted_at: str | None = Field(json_schema_extra={"format": "date-time"})
    version: int = Field(ge=1)


class TaskListPage(Output):
    """A page of lists, by position; `next_cursor` is null on the last one."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_STORED], "next_cursor": None}})

    items: list[TaskList]
    next_cursor: str | None


class ListsQuery(Strict):
    """Which lists to show, and how many of them at a time."""

    limit: Annotated[int, Field(strict=False, ge=1, le=200)] = 50
    cursor: Annotated[str, StringConstraints(max_length=4096), Storable] | None = Field(
        None, description="`next_cursor` of the page before, with the same filters."
    )
    is_archived: Flag | None = None
    deleted: Flag = Field(False, description="`true` shows the deleted lists, and only those.")


class ListDeletion(Strict):
    """What becomes of the tasks in a list that is deleted."""

    tasks: Literal["move", "delete"] | None = Field(
        None,
        description="`move` puts them into the inbox, `delete` deletes them, and restoring the list brings those back."
        " Without it, a list that holds tasks is not deleted (409).",
    )
