"""What can be done with tasks, each as one round trip behind the fence.

Handlers pass credentials, never a user: whose rows are meant is decided by the database, from the token.
"""

from tasks.queries.batch import BatchFailed, OperationUnreadable, run_batch
from tasks.queries.cursors import InvalidCursor
from tasks.queries.documents import TaskChanged, TaskDeleted, TaskNotFound, TaskRow
from tasks.queries.one import (
    change_labels,
    create,
    create_as,
    delete,
    get,
    move,
    patch,
    reopen,
    replace,
    restore,
    upsert,
)
from tasks.queries.pages import list_page
from tasks.queries.series import (
    Advance,
    NotRecurring,
    OccurrenceAhead,
    OccurrencePassed,
    OccurrenceRequired,
    occurrences,
)
from tasks.queries.series import carry_out as advance
from tasks.queries.statistics import statistics

__all__ = [
    "Advance",
    "BatchFailed",
    "InvalidCursor",
    "NotRecurring",
    "OccurrenceAhead",
    "OccurrencePassed",
    "OccurrenceRequired",
    "OperationUnreadable",
    "TaskChanged",
    "TaskDeleted",
    "TaskNotFound",
    "TaskRow",
    "advance",
    "change_labels",
    "create",
    "create_as",
    "delete",
    "get",
    "list_page",
    "move",
    "occurrences",
    "patch",
    "reopen",
    "replace",
    "restore",
    "run_batch",
    "statistics",
    "upsert",
]
