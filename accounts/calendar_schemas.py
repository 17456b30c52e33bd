"""Calendars as the API takes and gives them."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from todoproject import text
from todoproject.http.field_types import Output, Storable, Strict, open_words

COMPONENTS = ("todo", "event")
_NAME = StringConstraints(strip_whitespace=True, min_length=1, max_length=100)
_AS = "What tasks are shown as: `todo` (VTODO), or `event` (VEVENT) for apps that show no tasks."
_EXAMPLE: dict[str, Any] = {"all": True, "name": "Tasks", "as": "todo"}


def _one_line(name: str) -> str:
    if not text.is_one_line(name):
        raise PydanticCustomError("one_line", "A name is one line, without control characters.")
    return name


class CalendarCreate(Strict):
    """A calendar to be made: of one list, or of all tasks."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": _EXAMPLE,
            "oneOf": [
                {"required": ["list_id"], "not": {"required": ["all"]}},
                {"required": ["all"], "not": {"required": ["list_id"]}},
            ],
        }
    )

    list_id: Annotated[UUID, Field(strict=False)] | None = Field(None, json_schema_extra={"type": "string"})
    all: Literal[True] | None = Field(None, description="The tasks of the whole account, instead of one list's.")
    name: Annotated[str, _NAME, Storable, AfterValidator(_one_line)] = Field(
        "Tasks", description="What apps call it.", examples=["Tasks"]
    )
    as_: Literal["todo", "event"] = Field("todo", alias="as", description=_AS)

    @model_validator(mode="after")
    def _says_of_what(self) -> Self:
        if (self.list_id is None) == (self.all is None):
            raise PydanticCustomError("one_source", "Give list_id, or all: true, and not both.")
        return self


class Calendar(Output):
    """A calendar, without its address."""

    id: UUID
    name: str
    list_id: UUID | None = Field(description="Null: all tasks.")
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    last_used_at: str | None = Field(json_schema_extra={"format": "date-time"})
    all: bool
    as_: str = Field(alias="as", json_schema_extra=open_words(COMPONENTS), description=_AS)


class NewCalendar(Calendar):
    """A new calendar. Whoever knows its address reads the tasks: it is shown this once."""

    url: str = Field(
        json_schema_extra={"format": "uri"}, examples=["https://todo.example.com/calendar/todo_0123456789.ics"]
    )


class CalendarList(Output):
    """The calendars of an account, newest first."""

    items: list[Calendar]
