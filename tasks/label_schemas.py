"""Labels as the API takes and gives them."""

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tasks.schemas import Label, Labels
from todoproject.http.field_types import Output, Strict


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


class LabelName(Strict):
    """A label's new name."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Errands"}})

    name: Label


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
