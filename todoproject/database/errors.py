"""What can go wrong between a request and PostgreSQL, by name, and the one place that reads SQLSTATEs.

`todoproject/http/errors.py` maps each of these to a status once. Codes: PostgreSQL, appendix A; TD… are raised by our
own functions (accounts/migrations).
"""

import psycopg


class DatabaseError(Exception):
    """Anything the database layer raises."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, is shutting down, is full, or did not answer in time."""


class Undone(DatabaseUnavailable):
    """The server has undone the transaction and it may be run again: a deadlock, a race lost, a plan out of date."""


class NotCommitted(DatabaseUnavailable):
    """The server has rolled back what it was asked to commit: nothing has been done."""


class ConnectionLost(DatabaseUnavailable):
    """The connection broke before anything was committed: nothing has been done."""


class NoAnswer(DatabaseUnavailable):
    """The server has not answered a statement in time; it was asked to cancel it."""


class ReadOnly(DatabaseUnavailable):
    """The database takes no writes at the moment; reads go on."""


class OutcomeUnknown(DatabaseUnavailable):
    """The connection broke, or no answer came, while a write was under way: it may have been committed or not."""


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
    """A rule kept by the database refused the write; `constraint` is its name in PostgreSQL.

    `subject` is what a trigger of ours has said of it: the id of what stands in the way.
    """

    def __init__(self, constraint: str, subject: str | None = None) -> None:
        super().__init__(constraint)
        self.constraint = constraint
        self.subject = subject


class NotUnique(ConstraintViolated):
    """A unique constraint refused the write."""


# Connection, rollback, resources, operator intervention, system, configuration file.
_UNAVAILABLE_CLASSES = ("08", "40", "53", "57", "58", "F0")
# A lock or an object that is not free in time, a transaction that has lasted too long.
_UNAVAILABLE = ("55P03", "55006", "25P03", "25P04")
# A deadlock, a race lost, a snapshot that is too old: another try may well do.
_UNDONE = ("40001", "40P01", "72000")
_UNKNOWN = "40003"  # what stands before the database cannot tell whether it has committed
_NOT_READY = ("3F000", "42P01", "42883", "42703")  # no such schema, table, function, column
# A pooler has given us another server session than the one that has prepared the statement, or that has it already.
NO_SUCH_STATEMENT = ("26000", "42P05")
CACHED_PLAN = "cached plan must not change result type"  # a migration has changed a table under it
_READ_ONLY = "25006"  # a replica, a primary that is being demoted, or one whose operator or provider stops writes
_FATAL = ("FATAL", "PANIC")


def translate(error: psycopg.Error) -> Exception:
    """Return our name for a psycopg error, or the error itself where it can only be a defect of ours.

    A defect is what this code must not have sent (classes 0x, 2x, 3x, 42, 44, 54), or a server that is broken (XX).
    """
    if connection_lost(error):
        return ConnectionLost(one_line(error))
    state = error.sqlstate
    if state is None:
        return error
    if state == "28000":
        return InvalidToken()
    if state == "TD403":
        return ScopeMissing(error.diag.message_hint or "", (error.diag.message_detail or "").split())
    if state == "TD409":
        return InFlight()
    if state == "23505":
        return NotUnique(error.diag.constraint_name or "", error.diag.message_detail)
    if state.startswith("23"):
        return ConstraintViolated(error.diag.constraint_name or error.diag.column_name or "", error.diag.message_detail)
    if was_undone(error) or is_stale(error):
        return Undone(one_line(error))
    if state in _NOT_READY:
        return DatabaseNotReady(str(error))
    if state == _READ_ONLY:
        return ReadOnly(one_line(error))
    if state == _UNKNOWN:
        return OutcomeUnknown(one_line(error))
    if state.startswith(_UNAVAILABLE_CLASSES) or state in _UNAVAILABLE:
        return DatabaseUnavailable(one_line(error))
    return error


def connection_lost(error: psycopg.Error) -> bool:
    """Tell whether an error of a statement means that its connection is gone. A broken socket carries no SQLSTATE."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(("08", "57P")) or error.diag.severity_nonlocalized in _FATAL


def was_undone(error: psycopg.Error) -> bool:
    """Tell whether the server has rolled back in favour of another transaction: a deadlock, a conflict."""
    return error.sqlstate in _UNDONE


def is_stale(error: psycopg.Error) -> bool:
    """Tell whether only the prepared form of a statement has failed: nothing was done, and it may be sent again."""
    return error.sqlstate in NO_SUCH_STATEMENT or CACHED_PLAN in str(error)


def one_line(error: Exception) -> str:
    """Return an error's message for the log."""
    return " ".join(str(error).split())


def is_not_ready(error: BaseException | None) -> bool:
    """Tell whether an error of PostgreSQL says that the schema is absent or older than this code."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _NOT_READY


# A connect error carries no SQLSTATE, whatever the server said: its text is all there is. What is not listed needs a
# person: a wrong password, Neon's endpoint that is not found or disabled, a quota that is used up.
_PASSING = (
    # PostgreSQL that starts, stops, recovers or is full (57P01, 57P03, 53300)
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
    "terminating connection due to administrator command",
    "remaining connection slots are reserved",
    "too many clients already",
    "too many connections for ",
    # Neon's proxy, whose compute is asleep or wakes slowly
    "couldn't connect to compute node",
    "control plane request failed",
    "too many connections attempts",
    # PgBouncer, whose server is away, or whose own limit is reached
    "server login has been failing",
    "server_login_retry",
    "pgbouncer cannot connect to server",
    "no more connections allowed",
    "query_wait_timeout",
    # The way there
    "server closed the connection unexpectedly",
    "connection refused",
    "timeout expired",
    "timed out",
    "connection reset by peer",
    "broken pipe",
    "unexpected eof",
    "eof detected",
    "ssl connection has been closed unexpectedly",
    "network is unreachable",
    "no route to host",
    "host is down",
    "temporary failure in name resolution",
    "no such file or directory",  # the socket of a local server that is about to start
)


def worth_another_try(reason: str) -> bool:
    """Tell whether a failure to connect may pass by itself: a server that starts, wakes or is full for a moment."""
    text = reason.lower()
    return any(phrase in text for phrase in _PASSING)
