"""What the tools take. The members are those of our own API, but that a list may be called by its name."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from tasks.list_query import AnyDay, Moment, Sort
from tasks.recurrence_schemas import OccurrenceText, RuleText
from tasks.schemas import Description, DueDay, DueInstant, Label, Labels, PriorityWord, Title
from todoproject.http.field_types import Storable, Strict

ListName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Storable,
    Field(description="A list, by its name or id; `inbox` is what is in no list."),
]
TaskId = Annotated[UUID, Field(strict=False, description="The id of a task, as find_tasks tells it.")]
_DUE_ON = "Due on this day, all day: 2026-12-01. Not together with due_at."
_DUE_AT = "Due at this instant, with an offset: 2026-12-01T09:00:00+01:00."
_TRY = "true: tell what would happen, and do nothing."
Try = Annotated[bool, Field(description=_TRY)]


class Find(Strict):
    """Which tasks."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=200), Storable] | None = Field(
        None, description='Words in title, description or labels; "a phrase", -excluded.'
    )
    list_: ListName | None = Field(None, alias="list")
    label: Annotated[list[Label], Field(max_length=20)] | None = Field(None, description="All of these labels.")
    priority: Annotated[list[PriorityWord], Field(max_length=5)] | None = Field(None, description="Any of these.")
    due_before: Moment | None = Field(None, description="A day (2026-12-01, today, tomorrow, +7d) or an instant.")
    due_after: Moment | None = Field(None, description="As due_before.")
    due_on: AnyDay | None = Field(None, description="A day: 2026-12-01, today, tomorrow, +7d.")
    overdue: bool | None = None
    is_completed: bool | None = Field(False, description="false: open tasks; true: completed ones; null: both.")
    parent_id: TaskId | None = Field(None, description="Subtasks of this task.")
    sort: Sort = Field("-created_at", description="Such as `due`, `-updated_at` or `priority,due`.")
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, StringConstraints(max_length=4096), Storable] | None = Field(
        None, description="next_cursor of the page before, with everything else the same."
    )


class Agenda(Strict):
    """How far to look ahead."""

    days: Annotated[int, Field(ge=1, le=31, description="Today and the days after it, so many in all.")] = 7


class Add(Strict):
    """A new task."""

    title: Title
    description: Description | None = Field(None, description="Markdown or plain text.")
    list_: ListName | None = Field(None, alias="list")
    parent_id: TaskId | None = Field(None, description="The task that it is a subtask of, in the same list.")
    labels: Labels | None = None
    priority: PriorityWord | None = None
    due_on: DueDay | None = Field(None, description=_DUE_ON)
    due_at: DueInstant | None = Field(None, description=_DUE_AT)
    repeats: RuleText | None = Field(
        None, description="An RRULE (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO. Needs a due."
    )
    dry_run: Try = False


class Change(Strict):
    """What changes of a task. What is left out stays, null clears."""

    task_id: TaskId
    title: Title = Field("", description="A title cannot be cleared.")
    description: Description | None = None
    labels: Labels | None = Field(None, description="All labels that it then has.")
    priority: PriorityWord | None = None
    due_on: DueDay | None = Field(None, description=f"{_DUE_ON} Set the other one to null.")
    due_at: DueInstant | None = Field(None, description=f"{_DUE_AT} Set the other one to null.")
    repeats: RuleText | None = Field(None, description="An RRULE (RFC 5545); null ends the series.")
    is_completed: Literal[False] = Field(False, description="false opens it again. complete_task completes.")
    dry_run: Try = False


class Complete(Strict):
    """Which task is done."""

    task_id: TaskId
    occurrence: OccurrenceText | None = Field(
        None,
        description="Of a task that repeats: its `occurrence`, as find_tasks tells it. A repeat then does no harm.",
    )
    dry_run: Try = False


class Move(Strict):
    """Where a task is to stand. Without before, after and first it is the last there."""

    task_id: TaskId
    list_: ListName | None = Field(
        None, alias="list", description="To the top level of this list, by name or id; or `inbox`."
    )
    parent_id: TaskId | None = Field(None, description="Under this task; null: to the top level.")
    before: TaskId | None = Field(None, description="Right before this task.")
    after: TaskId | None = Field(None, description="Right after this task.")
    first: Literal[True] | None = None
    dry_run: Try = False


class Undo(Strict):
    """Which change."""

    change_no: Annotated[int, Field(ge=1, le=2**63 - 1, description="As the tool that made the change told it.")]
    dry_run: Try = False
