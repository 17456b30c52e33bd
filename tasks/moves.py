"""Where a task or a list shall stand, as the API takes it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from todoproject.http.field_types import Strict

Neighbour = Annotated[UUID, Field(strict=False)]
UNSET = UUID(int=0)  # of which there is nothing: null is no neighbour
_PLACES = ("before", "after", "first")


def _without_defaults(schema: dict[str, Any]) -> None:
    """Take out the defaults: what is left out stays, and generated clients send defaults."""
    for member in schema["properties"].values():
        member.pop("default", None)


def _list_schema(schema: dict[str, Any]) -> None:
    _without_defaults(schema)
    schema |= {"oneOf": [{"required": [name]} for name in _PLACES], "example": {"first": True}}


def _task_schema(schema: dict[str, Any]) -> None:
    _without_defaults(schema)
    schema |= {
        "minProperties": 1,
        "not": {"anyOf": [{"required": list(pair)} for pair in (_PLACES[:2], _PLACES[1:], _PLACES[::2])]},
        "example": {"parent_id": None, "first": True},
    }


class _Move(Strict):
    before: Neighbour = UNSET
    after: Neighbour = UNSET
    first: Literal[True] = True

    @property
    def sides(self) -> list[str]:
        """The places that are named."""
        return [name for name in _PLACES if name in self.model_fields_set]

    @property
    def place(self) -> tuple[str, UUID | None]:
        """The side of the neighbour, and the neighbour."""
        side = next(iter(self.sides), "last")
        return side, getattr(self, side) if side in ("before", "after") else None


class ListMove(_Move):
    """Where a list shall stand: right before or after another one, or first."""

    model_config = ConfigDict(json_schema_extra=_list_schema)

    @model_validator(mode="after")
    def _one_place(self) -> "ListMove":
        if len(self.sides) != 1:
            raise PydanticCustomError("one_place", "Give one of before, after and first.")
        return self


class TaskMove(_Move):
    """Where a task shall stand: in which list, under which task, and where among the others there."""

    model_config = ConfigDict(json_schema_extra=_task_schema)

    list_id: Neighbour | None = None
    parent_id: Neighbour | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "TaskMove":
        if len(self.sides) > 1 or not self.model_fields_set:
            raise PydanticCustomError("one_place", "Give a list, a parent, or one of before, after and first.")
        return self
