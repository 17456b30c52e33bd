"""What all statements about tasks share: whose rows are meant, what is returned of them, and how it may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.models import Priority, Task, TaskQuerySet
from tasks.schemas import Task as TaskDocument
from todoproject.database.client.sql import CurrentUser

FIELDS = tuple(TaskDocument.model_fields)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as PostgreSQL wrote it: its JSON, and its version for the ETag."""

    json: bytes
    version: str


class TaskNotFound(Exception):
    """There is no such task, or it is somebody else's: nobody can tell which."""


class TaskChanged(Exception):
    """The task is not, or no longer, what the client's precondition says; `row` is what it is."""

    def __init__(self, row: TaskRow) -> None:
        super().__init__(row.version)
        self.row = row


class TaskDeleted(Exception):
    """The id belongs to a deleted task."""


def own() -> TaskQuerySet:
    """Return the tasks of the user whom the request binds."""
    return Task.objects.filter(user=CurrentUser())


def in_columns(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members as the columns hold them: a priority is a word outside, a number inside."""
    if "priority" in members:
        return {**members, "priority": Priority[members["priority"].upper()].value}
    return dict(members)
