"""A client of the task API: `Client` (blocking) and `AsyncClient`, and `LocalCopy` to work offline.

What is in it: what the API has, under its own names. Commands are in `todo_client.cli`.
"""

from todo_client.aio import AsyncClient
from todo_client.client import Client
from todo_client.connection import VERSION
from todo_client.copy import Edit, LocalCopy, SyncReport
from todo_client.errors import (
    Changed,
    Conflict,
    ConnectionFailed,
    FieldError,
    Invalid,
    NotFound,
    NotUndoable,
    ProblemError,
    RateLimited,
    ScopeMissing,
    StreamEnded,
    SyncExpired,
    TodoError,
    Unauthenticated,
    Unavailable,
    UndoConflict,
    UnexpectedAnswer,
)
from todo_client.exchange import Retries
from todo_client.models import (
    Change,
    ChangesPage,
    HistoryEntry,
    Label,
    Page,
    Priority,
    Recurrence,
    Reminder,
    Result,
    Session,
    Statistics,
    Task,
    TaskList,
    Token,
    User,
)
from todo_client.stream import Event

__all__ = [
    "AsyncClient",
    "Change",
    "Changed",
    "ChangesPage",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Edit",
    "Event",
    "FieldError",
    "HistoryEntry",
    "Invalid",
    "Label",
    "LocalCopy",
    "NotFound",
    "NotUndoable",
    "Page",
    "Priority",
    "ProblemError",
    "RateLimited",
    "Recurrence",
    "Reminder",
    "Result",
    "Retries",
    "ScopeMissing",
    "Session",
    "Statistics",
    "StreamEnded",
    "SyncExpired",
    "SyncReport",
    "Task",
    "TaskList",
    "TodoError",
    "Token",
    "Unauthenticated",
    "Unavailable",
    "UndoConflict",
    "UnexpectedAnswer",
    "User",
    "__version__",
]

__version__ = VERSION
