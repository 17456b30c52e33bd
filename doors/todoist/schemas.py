"""What Todoist's clients send: the members that mean something here, and those that are refused with their reason.

How a value may look our own schemas say; these only know the names.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from doors.todoist.dues import DueMembers
from tasks.schemas import DueInstant
from todoproject.http.field_types import Storable, Strict, Text


def _refusing(reason: str, *harmless: Any) -> BeforeValidator:
    """Return a rule that refuses whatever asks for something; null and `harmless` values ask for what is the case."""

    def refuse(value: Any) -> None:
        if value is not None and value not in harmless:
            raise PydanticCustomError("not_supported", reason)

    return BeforeValidator(refuse)


NoSection = Annotated[None, _refusing("There are no sections here: use labels, subtasks or lists of their own.")]
NoOrder = Annotated[None, _refusing("An order by number is not taken: move the task by /v1/tasks/{id}/move instead.")]
NoDayOrder = Annotated[None, _refusing("There is no order of a day.", -1)]
NoAssignee = Annotated[None, _refusing("Tasks are their owner's, and nobody else's.")]
NoDeadline = Annotated[None, _refusing("There is no deadline beside the due date.")]
NoDuration = Annotated[None, _refusing("Tasks have no duration.")]
NoReminder = Annotated[None, _refusing("Reminders are set by /v1/tasks, as `reminders`.", False)]
NoParsing = Annotated[None, _refusing("Labels are not read from the text: name them in labels.", False)]
NoCompletion = Annotated[None, _refusing("Every task can be completed here.", False)]
NoCollapsing = Annotated[None, _refusing("Whether something is shown collapsed is not kept here.", False)]
NoDescription = Annotated[None, _refusing("Projects have no description here.", "")]
NoParent = Annotated[None, _refusing("Projects have no subprojects here.")]
NoFavorite = Annotated[None, _refusing("There are no favourites here.", False)]
NoView = Annotated[None, _refusing("A project is shown as a list; no other view is kept.", "list")]
NoColor = Annotated[None, _refusing("Labels have no colour here.", "charcoal")]
NoWorkspace = Annotated[None, _refusing("There are no workspaces here.")]

Priority = Annotated[int, Field(ge=1, le=4)]


class TaskMembers(DueMembers):
    """What creating and changing a task have in common."""

    description: Text | None = None
    labels: list[Text] | None = None
    priority: Priority | None = None
    section_id: NoSection = None
    order: NoOrder = None
    child_order: NoOrder = None
    day_order: NoDayOrder = None
    assignee_id: NoAssignee = None
    responsible_uid: NoAssignee = None
    deadline_date: NoDeadline = None
    deadline_lang: Text | None = None  # says nothing without a deadline
    duration: NoDuration = None
    duration_unit: NoDuration = None
    is_collapsed: NoCollapsing = None
    is_uncompletable: NoCompletion = None


class NewTask(TaskMembers):
    """A new task."""

    content: Text
    project_id: Text | None = None
    parent_id: Text | None = None
    auto_reminder: NoReminder = None
    auto_parse_labels: NoParsing = None


class TaskChange(TaskMembers):
    """What changes of a task."""

    content: Text | None = None


class TaskPlace(Strict):
    """Where a task is moved to: one of these."""

    project_id: Text | None = None
    section_id: NoSection = None
    parent_id: Text | None = None


Cursor = Annotated[str, StringConstraints(max_length=4096), Storable]
Limit = Annotated[int, Field(strict=False, ge=1, le=200)]


class Paging(Strict):
    """A page of something."""

    limit: Limit = 50
    cursor: Cursor | None = None


class TasksQuery(Paging):
    """Which active tasks."""

    project_id: Text | None = None
    section_id: Text | None = None
    parent_id: Text | None = None
    label: Text | None = None
    ids: Annotated[str, StringConstraints(max_length=4000), Storable] | None = None


class FilterQuery(Paging):
    """Which active tasks, in Todoist's language of filters."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=1024), Storable]
    lang: Text | None = None


class CompletedQuery(Paging):
    """Which completed tasks."""

    since: DueInstant
    until: DueInstant
    workspace_id: NoWorkspace = None
    filter_query: Annotated[str, StringConstraints(min_length=1, max_length=1024), Storable] | None = None
    filter_lang: Text | None = None


class CompletedByDueQuery(CompletedQuery):
    """Which completed tasks, by when they were due."""

    project_id: Text | None = None
    section_id: Text | None = None
    parent_id: Text | None = None


class SearchQuery(Paging):
    """Whose name holds something."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=1024), Storable]


class ProjectMembers(Strict):
    """What creating and changing a project have in common."""

    description: NoDescription = None
    color: Text | None = None
    is_favorite: NoFavorite = None
    view_style: NoView = None


class NewProject(ProjectMembers):
    """A new project."""

    name: Text
    parent_id: NoParent = None


class ProjectChange(ProjectMembers):
    """What changes of a project."""

    name: Text | None = None
    child_order: NoOrder = None
    is_collapsed: NoCollapsing = None


class LabelChange(Strict):
    """A label's new name; it has nothing else here."""

    name: Text | None = None
    color: NoColor = None
    item_order: NoOrder = None
    order: NoOrder = None
    is_favorite: NoFavorite = None


class SharedLabelsQuery(Paging):
    """Which names of labels."""

    omit_personal: Annotated[bool, Field(strict=False)] = False


class LabelNamed(Strict):
    """The label that is meant."""

    name: Text


class LabelQuery(Strict):
    """The label that is meant, where the body does not say it."""

    name: Text | None = None


class NewLabelName(Strict):
    """What it shall be called. One SDK says here which label is meant, the other in the query."""

    name: Text | None = None
    new_name: Text


class SectionsQuery(Paging):
    """Which sections: none, whatever is asked."""

    project_id: Text | None = None
    query: Text | None = None
