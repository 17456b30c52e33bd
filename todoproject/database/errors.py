"""What can go wrong between a request and PostgreSQL, by name, and the one place that reads SQLSTATEs.

`todoproject/api.py` maps each of these to a status once. Codes: PostgreSQL, appendix A; TD… are raised by our own
functions (accounts/migrations).
"""

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout


class DatabaseError(Exception):
    """Anything the database layer raises."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, is shutting down, is full, or did not answer in time."""


class DatabaseNotReady(DatabaseError):
    """The database answers, but its schema is absent or older than this code."""


class InvalidToken(DatabaseError):
    """The token is unknown, expired, revoked, or its user is inactive."""


class ScopeMissing(DatabaseError):
    """The token is good but lacks a scope."""

    def __init__(self, required: str, held: list[str]) -> None:
        super().__init__(f"required {required}, held {held}")
        self.required = required
        self.held = held


class InFlight(DatabaseError):
    """Another request with the same idempotency key is being worked on."""


class ConstraintViolated(DatabaseError):
    """A rule kept by the database refused the write; `constraint` is its name in PostgreSQL."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class NotUnique(ConstraintViolated):
    """A unique constraint refused the write."""


# Connection, rollback (a deadlock, a race lost: worth another try), resources, operator intervention, system.
_UNAVAILABLE_CLASSES = ("08", "40", "53", "57", "58")
_NOT_READY = ("3F000", "42P01", "42883", "42703")  # no such schema, table, function, column
_READ_ONLY = "25006"  # a replica, or a primary that is being demoted


def translate(error: psycopg.Error | PoolTimeout | PoolClosed) -> Exception:
    """Return our name for a psycopg error, or the error itself where it can only be a defect of ours."""
    if isinstance(error, PoolTimeout | PoolClosed):
        return DatabaseUnavailable(str(error))
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.OperationalError):
        return DatabaseUnavailable(str(error))  # connect failures and broken sockets carry no SQLSTATE
    if state is None:
        return error
    if state == "28000":
        return InvalidToken()
    if state == "TD403":
        return ScopeMissing(error.diag.message_hint or "", (error.diag.message_detail or "").split())
    if state == "TD409":
        return InFlight()
    if state == "23505":
        return NotUnique(error.diag.constraint_name or "")
    if state.startswith("23"):
        return ConstraintViolated(error.diag.constraint_name or error.diag.column_name or "")
    if state in _NOT_READY:
        return DatabaseNotReady(str(error))
    if state.startswith(_UNAVAILABLE_CLASSES) or state == _READ_ONLY:
        return DatabaseUnavailable(str(error))
    return error


def is_not_ready(error: BaseException | None) -> bool:
    """Tell whether an error of PostgreSQL says that the schema is absent or older than this code."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _NOT_READY


# A connect error carries no SQLSTATE, whatever the server said: its text is all there is.
_PASSING = (
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is not yet accepting connections",
    "couldn't connect to compute node",
    "control plane request failed",
    "too many connections attempts",
    "remaining connection slots are reserved",
    "sorry, too many clients already",
    "server closed the connection unexpectedly",
    "connection refused",
    "connection timeout expired",
    "timeout expired",
    "connection reset by peer",
    "no such file or directory",  # the socket of a local server that is about to start
)


def worth_another_try(reason: str) -> bool:
    """Tell whether a failure to connect may pass by itself: a server that starts, wakes or is full for a moment."""
    text = reason.lower()
    return any(phrase in text for phrase in _PASSING)
