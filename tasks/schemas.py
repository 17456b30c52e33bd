"""Tasks as the API takes and gives them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from tasks.models import (
    DESCRIPTION_MAX_LENGTH,
    FIRST_DATE,
    FIRST_INSTANT,
    LAST_DATE,
    LAST_INSTANT,
    TITLE_MAX_LENGTH,
)
from todoproject.schemas import Day, Instant, Output, Strict, Text

PriorityWord = Literal["none", "low", "medium", "high", "urgent"]


def _not_blank(title: str) -> str:
    # pydantic has trimmed what Unicode calls white space; this also refuses what is left of only that.
    if not title.strip():
        raise PydanticCustomError("blank", "The title must not be blank.")
    return title


Title = Annotated[
    Text,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_MAX_LENGTH),
    AfterValidator(_not_blank),
]
Description = Annotated[Text, StringConstraints(max_length=DESCRIPTION_MAX_LENGTH)]
DueDay = Annotated[Day, Field(ge=FIRST_DATE, le=LAST_DATE)]
DueInstant = Annotated[Instant, Field(ge=FIRST_INSTANT, le=LAST_INSTANT)]


class _OneDue(Strict):
    due_on: DueDay | None = None
    due_at: DueInstant | None = None

    @model_validator(mode="after")
    def _one_due(self) -> "_OneDue":
        if self.due_on is not None and self.due_at is not None:
            raise PydanticCustomError("one_due", "Give due_on (a day) or due_at (an instant), not both.")
        return self


class TaskCreate(_OneDue):
    """A new task. Only the title is required."""

    title: Title = Field(examples=["Buy milk"])
    description: Description = ""
    is_completed: bool = False
    priority: PriorityWord = "none"


class TaskPatch(_OneDue):
    """A JSON merge patch (RFC 7396): absent means unchanged; null clears `due_on` and `due_at`."""

    title: Title = Field(default="", examples=["Buy oat milk"])
    description: Description = ""
    is_completed: bool = False
    priority: PriorityWord = "none"


class Task(Output):
    """A task. Times are RFC 3339 in UTC."""

    id: UUID
    title: str
    description: str
    is_completed: bool
    completed_at: str | None = Field(json_schema_extra={"format": "date-time"})
    priority: PriorityWord
    due_on: str | None = Field(json_schema_extra={"format": "date"})
    due_at: str | None = Field(json_schema_extra={"format": "date-time"})
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    deleted_at: str | None = Field(json_schema_extra={"format": "date-time"})
    version: int = Field(ge=1)


class TaskPage(Output):
    """A page of tasks; `next_cursor` is null on the last one."""

    items: list[Task]
    next_cursor: str | None


class TaskListQuery(Strict):
    """Which tasks to list, and how many of them at a time."""

    limit: Annotated[int, Field(strict=False, ge=1, le=200)] = 50
    cursor: Annotated[Text, StringConstraints(max_length=1000)] | None = None
    is_completed: Annotated[bool, Field(strict=False)] | None = None
    priority: PriorityWord | None = None
    sort: Literal["created_at", "-created_at"] = "-created_at"
