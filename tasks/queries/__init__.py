"""What can be done with tasks, each as one round trip behind the fence.

Handlers pass credentials, never a user: whose rows are meant is decided by the database, from the token.
"""

from tasks.queries.batch import BatchFailed, OperationUnreadable, run_batch
from tasks.queries.cursors import InvalidCursor
from tasks.queries.documents import TaskChanged, TaskDeleted, TaskNotFound, TaskRow
from tasks.queries.one import complete, create, create_as, delete, get, patch, reopen, replace, restore
from tasks.queries.pages import list_page
from tasks.queries.statistics import statistics

__all__ = [
    "BatchFailed",
    "InvalidCursor",
    "OperationUnreadable",
    "TaskChanged",
    "TaskDeleted",
    "TaskNotFound",
    "TaskRow",
    "complete",
    "create",
    "create_as",
    "delete",
    "get",
    "list_page",
    "patch",
    "reopen",
    "replace",
    "restore",
    "run_batch",
    "statistics",
]
