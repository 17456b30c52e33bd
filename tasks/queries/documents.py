"""What all statements about tasks share: whose rows are meant, what is returned of them, and how it may fail."""

from collections.abc import Mapping
from typing import Any

from tasks.models import Priority, Task, TaskQuerySet
from tasks.queries.resource import Changed, Deleted, NotFound, Resource
from tasks.queries.resource import Row as TaskRow
from tasks.schemas import Task as TaskDocument
from todoproject.database.client.sql import CurrentUser

__all__ = ["FIELDS", "TASKS", "TaskChanged", "TaskDeleted", "TaskNotFound", "TaskRow", "in_columns", "own"]

FIELDS = tuple(TaskDocument.model_fields)


class TaskNotFound(NotFound):
    """There is no such task, or it is somebody else's: nobody can tell which."""


class TaskChanged(Changed):
    """The task is not, or no longer, what the client's precondition says; `row` is what it is."""

    noun = "task"


class TaskDeleted(Deleted):
    """The id belongs to a deleted task."""


TASKS = Resource(Task, FIELDS, TaskNotFound, TaskChanged, TaskDeleted)


def own() -> TaskQuerySet:
    """Return the tasks of the user whom the request binds."""
    return Task.objects.filter(user=CurrentUser())


def in_columns(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members as the columns hold them: a priority is a word outside, a number inside."""
    if "priority" in members:
        return {**members, "priority": Priority[members["priority"].upper()].value}
    return dict(members)
