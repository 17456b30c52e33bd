"""Tasks as the API takes and gives them."""

import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core import exceptions
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tasks.models import (
    DESCRIPTION_MAX_LENGTH,
    EXTERNAL_ID_MAX_LENGTH,
    FIRST_DATE,
    FIRST_INSTANT,
    LABEL_MAX_LENGTH,
    LAST_DATE,
    LAST_INSTANT,
    MOST_LABELS,
    TITLE_MAX_LENGTH,
    validate_description,
    validate_label,
    validate_segment,
    validate_title,
)
from tasks.read_only import ReadOnlyTaskMembers
from tasks.recurrence_schemas import (
    OCCURRENCE_FORMS,
    Recurrence,
    RecurrenceDocument,
    RecurrencePatch,
    ReminderDocument,
    Reminders,
)
from todoproject.http.field_types import (
    Day,
    Instant,
    Output,
    Storable,
    Strict,
)

PriorityWord = Literal["none", "low", "medium", "high", "urgent"]
# Members that are younger than the contract. Where a PUT leaves one out it stays: a client that has never heard of it
# would wipe it.
KEPT = frozenset({"list_id", "parent_id", "labels", "starts_on", "external_id", "recurrence", "reminders"})


def kept_rule(rule: Callable[[str], None]) -> AfterValidator:
    """Return a rule of the model as one of the schema: same code, same sentence."""

    def check(value: str) -> str:
        try:
            rule(value)
        except exceptions.ValidationError as error:
            raise PydanticCustomError(error.code or "invalid", str(error.message)) from None
        return value

    return AfterValidator(check)


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_MAX_LENGTH),
    Storable,
    kept_rule(validate_title),
    Field(json_schema_extra={"pattern": r"\S"}),
]
Description = Annotated[
    str, StringConstraints(max_length=DESCRIPTION_MAX_LENGTH), Storable, kept_rule(validate_description)
]
DueDay = Annotated[Day, Field(ge=FIRST_DATE, le=LAST_DATE)]
DueInstant = Annotated[Instant, Field(ge=FIRST_INSTANT, le=LAST_INSTANT)]


# The nil and the max UUID (RFC 9562, sections 5.9 and 5.10) are what a client has that lost an id.
_NO_IDS = (UUID(int=0), UUID(int=2**128 - 1))


def _is_an_id(task_id: UUID) -> UUID:
    if task_id in _NO_IDS:
        raise PydanticCustomError("id", "The nil and the max UUID are nobody's id.")
    return task_id


NewTaskId = Annotated[UUID, AfterValidator(_is_an_id), Field(json_schema_extra={"not": {"enum": [*map(str, _NO_IDS)]}})]


# What every task of the document's examples is like.
EXAMPLE = {"title": "Buy milk", "description": "Two litres", "priority": "high", "due_on": "2026-12-01"}
_ELSEWHERE: dict[str, Any] = {"labels": ["errand"], "starts_on": None, "external_id": None}
_NEW: dict[str, Any] = {"is_completed": False, "completed_at": None, "list_id": None, "parent_id": None}
_NEW |= {"position": "a0", **_ELSEWHERE, "due_at": None}
_NEW |= {"recurrence": None, "occurrence": None, "recurrence_of": None, "reminders": []}
_NEW |= {"deleted_at": None, "version": 1}
_TIMES = dict.fromkeys(("created_at", "updated_at"), "2026-11-22T08:00:00.000000Z")
STORED: dict[str, Any] = {"id": "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e04", **EXAMPLE, **_NEW, **_TIMES}


# The rule below in JSON Schema: one of the two is null or absent.
_one_due_schema: dict[str, Any] = {"anyOf": [{"properties": {name: {"type": "null"}}} for name in ("due_on", "due_at")]}


ListId = Annotated[UUID, Field(strict=False, description="The list that it is in; null is the inbox.")]
ParentId = Annotated[UUID, Field(strict=False, description="The task that it belongs under, in the same list.")]
Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LABEL_MAX_LENGTH),
    Storable,
    kept_rule(validate_label),
    Field(json_schema_extra={"pattern": r"\S"}),
]


def _distinct(labels: list[str]) -> list[str]:
    if len({unicodedata.normalize("NFKC", label).lower() for label in labels}) < len(labels):
        raise PydanticCustomError("distinct", "A label stands on a task once, whatever its case.")
    return labels


Labels = Annotated[list[Label], Field(max_length=MOST_LABELS), AfterValidator(_distinct)]
ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=EXTERNAL_ID_MAX_LENGTH),
    Storable,
    kept_rule(validate_segment),
]


class _OneDue(Strict):
    list_id: ListId | None = None
    parent_id: ParentId | None = None
    labels: Labels | None = []
    starts_on: DueDay | None = Field(None, description="Not before this day.")
    external_id: ExternalId | None = Field(None, description="What it is called where it comes from; yours alone.")
    due_on: DueDay | None = None
    due_at: DueInstant | None = None
    reminders: Reminders | None = []

    @model_validator(mode="after")
    def _one_due(self) -> "_OneDue":
        if self.due_on is not None and self.due_at is not None:
            raise PydanticCustomError("one_due", "Give due_on (a day) or due_at (an instant), not both.")
        return self

    @field_validator("description", "is_completed", "priority", "labels", "reminders", check_fields=False)
    @classmethod
    def _cleared(cls, value: object, field: ValidationInfo) -> object:
        """Return what a member is when it is cleared: what it is in a new task that does not name it."""
        return TaskCreate.model_fields[str(field.field_name)].default if value is None else value


class TaskCreate(_OneDue):
    """A new task. Only the title is required."""

    model_config = ConfigDict(json_schema_extra=_one_due_schema | {"example": EXAMPLE})

    title: Title = Field(examples=["Buy milk"])
    description: Description | None = ""
    is_completed: bool | None = False
    priority: PriorityWord | None = "none"
    recurrence: Recurrence | None = Field(None, description="How it recurs; needs a due, its first occurrence.")


def _replacement_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults of what stays where it is left out: generated clients send defaults."""
    for name in KEPT:
        schema["properties"][name].pop("default", None)
    schema |= _one_due_schema | {"example": EXAMPLE}


def _patch_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults: what a patch leaves out stays as it is, and generated clients must not fill it in."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema |= _one_due_schema | {"example": {"priority": "low", "due_on": None}}


class TaskReplacement(TaskCreate, ReadOnlyTaskMembers):
    """A whole task. What is left out takes its default; `list_id`, `parent_id`, `labels`, `starts_on`, `external_id`,
    `recurrence` and `reminders` stay.

    What only the server writes may come back as it was given, and is compared.
    """

    model_config = ConfigDict(json_schema_extra=_replacement_schema)


class TaskPatch(_OneDue, ReadOnlyTaskMembers):
    """A JSON merge patch (RFC 7396): absent means unchanged, null means cleared. A title cannot be cleared."""

    model_config = ConfigDict(json_schema_extra=_patch_schema)

    title: Title = Field(default="", examples=["Buy oat milk"])
    description: Description | None = ""
    is_completed: bool | None = False
    priority: PriorityWord | None = "none"
    recurrence: RecurrencePatch | None = Field(None, description="Merged member by member; null ends the series.")


class CompletedCopy(Output):
    """A completed occurrence of a series: a task like others."""

    model_config = ConfigDict(json_schema_extra={"example": STORED})

    id: UUID
    title: str
    description: str
    is_completed: bool
    completed_at: str | None = Field(json_schema_extra={"format": "date-time"})
    priority: PriorityWord
    list_id: UUID | None
    parent_id: UUID | None
    position: str = Field(description="Its place among its siblings, compared byte by byte.")
    labels: list[str]
    starts_on: str | None = Field(json_schema_extra={"format": "date"})
    external_id: str | None
    due_on: str | None = Field(json_schema_extra={"format": "date"})
    due_at: str | None = Field(json_schema_extra={"format": "date-time"})
    recurrence: RecurrenceDocument | None
    occurrence: str | None = Field(
        description="Which occurrence of its series this is: the day or instant that the rule gave.",
        json_schema_extra={"anyOf": [*OCCURRENCE_FORMS, {"type": "null"}]},
    )
    recurrence_of: UUID | None = Field(description="The series that this is a completed copy from.")
    reminders: list[ReminderDocument]
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})
    deleted_at: str | None = Field(json_schema_extra={"format": "date-time"})
    version: int = Field(ge=1)


# What of a task is in its row.
TASK_MEMBERS = tuple(CompletedCopy.model_fields)


class Task(CompletedCopy):
    """A task. Times are RFC 3339 in UTC."""

    completed: CompletedCopy | None = Field(
        None, description="In answers of completing and skipping only: the copy that the series has left behind."
    )


class Occurrences(Output):
    """The next occurrences of a task, computed: days, or instants."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": ["2026-11-23", "2026-11-26"]}})

    items: list[str]


class TaskPage(Output):
    """A page of tasks; `next_cursor` is null on the last one. `total` is there only if it is asked for."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [STORED], "next_cursor": None}})

    items: list[Task]
    next_cursor: str | None
    total: int | None = Field(None, ge=0, description="How many tasks there are on all pages; only with include=total.")


Flag = Annotated[bool, Field(strict=False)]


class OccurrencesQuery(Strict):
    """How many occurrences to list."""

    limit: Annotated[int, Field(strict=False, ge=1, le=100)] = 10
