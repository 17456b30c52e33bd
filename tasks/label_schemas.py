"""Labels as the API takes and gives them."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tasks.schemas import Label, Labels
from todoproject.http.field_types import Output, Strict
from todoproject.http.read_only import AS_GIVEN


class LabelChange(Strict):
    """Labels that a task shall have, and labels that it shall not have."""

    model_config = ConfigDict(json_schema_extra={"example": {"add": ["errand"], "remove": ["someday"]}})

    add: Labels = []
    remove: Labels = []

    @model_validator(mode="after")
    def _something(self) -> "LabelChange":
        if not self.add and not self.remove:
            raise PydanticCustomError("missing", "Give labels to add, or to remove.")
        return self


def _rename_schema(schema: dict[str, Any]) -> None:
    schema["properties"]["open_tasks"].pop("default", None)
    schema["example"] = {"name": "Errands"}


class LabelName(Strict):
    """A label's new name."""

    model_config = ConfigDict(json_schema_extra=_rename_schema)

    name: Label
    open_tasks: Annotated[int, Field(ge=0)] = Field(None, description=AS_GIVEN)  # type: ignore[assignment]

    @property
    def counted(self) -> int | None:
        """How many open tasks have the label as far as the client knows; None where it does not say."""
        return self.open_tasks if "open_tasks" in self.model_fields_set else None


class RenamedLabel(Output):
    """What a label is called now."""

    name: str


class LabelCount(Output):
    """A label in the spelling that is used most, and how many open tasks have it."""

    name: str
    open_tasks: int = Field(ge=0)


class LabelCounts(Output):
    """All labels, by name."""

    items: list[LabelCount]


class NamedLabel(Strict):
    """Which label is meant."""

    name: Label = Field(description="The label, whatever its case. As a path's segment where nothing is in the way.")
