"""What all statements about tasks share: whose rows are meant, what is returned of them, and how it may fail."""

from collections.abc import Mapping
from typing import Any

import orjson
from psycopg import sql

from tasks.models import Priority, Task, TaskQuerySet
from tasks.queries.resource import Changed, Deleted, NotFound, Resource
from tasks.queries.resource import Row as TaskRow
from tasks.schemas import TASK_MEMBERS
from todoproject.database.client.sql import CurrentUser

__all__ = ["FIELDS", "TASKS", "TaskChanged", "TaskDeleted", "TaskNotFound", "TaskRow", "in_columns", "own"]

FIELDS = TASK_MEMBERS


class TaskNotFound(NotFound):
    """There is no such task, or it is somebody else's: nobody can tell which."""


class TaskChanged(Changed):
    """The task is not, or no longer, what the client's precondition says; `row` is what it is."""

    noun = "task"


class TaskDeleted(Deleted):
    """The id belongs to a deleted task."""


# How members that are documents reach their columns: in a new row, and in one that is there, where recurrence is merged
# and marked as named (migrations/0031).
_REMINDERS = {"reminders": sql.SQL("%(reminders)s::jsonb")}
_NEW = {"recurrence": sql.SQL("jsonb_strip_nulls(%(recurrence)s::jsonb)"), **_REMINDERS}
_MERGED = "jsonb_strip_nulls(coalesce(recurrence, '{}') || %(recurrence)s::jsonb) || '{\"named\": true}'::jsonb"
_CHANGED = {"recurrence": sql.SQL(_MERGED), **_REMINDERS}
# A list that is named beside a parent must be the parent's. Where it is another, the nil UUID is written: the trigger
# looks at what changes only, and would take the list that the task is in already for one that nobody has named.
_SAME_LIST = sql.SQL(
    "CASE WHEN %(parent_id)s::uuid IS NULL OR %(list_id)s::uuid IS NOT DISTINCT FROM"
    " (SELECT above.list_id FROM tasks AS above"
    " WHERE above.user_id = (SELECT current_user_id()) AND above.id = %(parent_id)s)"
    " THEN %(list_id)s::uuid ELSE '00000000-0000-0000-0000-000000000000'::uuid END"
)
TASKS = Resource(
    Task,
    FIELDS,
    TaskNotFound,
    TaskChanged,
    TaskDeleted,
    as_new=_NEW,
    as_changed=_CHANGED,
    as_named={frozenset({"list_id", "parent_id"}): {"list_id": _SAME_LIST}},
)


def own() -> TaskQuerySet:
    """Return the tasks of the user whom the request binds."""
    return Task.objects.filter(user=CurrentUser())


def in_columns(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members as the columns hold them: a priority is a word outside, a number inside."""
    columns = dict(members)
    if "priority" in columns:
        columns["priority"] = Priority[columns["priority"].upper()].value
    if columns.get("recurrence") is not None:
        columns["recurrence"] = orjson.dumps(columns["recurrence"].document()).decode()
    if "reminders" in columns:
        reminders = columns["reminders"]
        columns["reminders"] = orjson.dumps([each.document() for each in reminders]).decode() if reminders else "[]"
    return columns
