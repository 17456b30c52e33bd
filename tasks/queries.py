"""What can be done with tasks, each as one round trip behind the fence.

Handlers pass credentials, never a user: whose rows are meant is decided by the database, from the token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.core import signing
from django.db.models import Q
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from accounts.tokens import Credentials
from tasks.models import Priority, Task, TaskQuerySet
from tasks.schemas import Task as TaskDocument
from tasks.schemas import TaskCreate, TaskListQuery, TaskPatch
from todoproject.database import statements
from todoproject.database.pool import pool
from todoproject.database.statements import CurrentUser, Parameter
from todoproject.database.unit import Rows, Statement

FIELDS = tuple(TaskDocument.model_fields)


class TaskNotFound(Exception):
    """There is no such task, or it is somebody else's: nobody can tell which."""


class InvalidCursor(Exception):
    """The cursor was not made by this list, for this user, with these filters."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as PostgreSQL wrote it: its JSON, and its version for the ETag."""

    json: bytes
    version: str


def _own() -> TaskQuerySet:
    return Task.objects.filter(user=CurrentUser())


def _one() -> TaskQuerySet:
    return _own().live().filter(id=Parameter("id"))


def _read(rows: str, *extra: str) -> Statement:
    text = statements.as_json(rows, Task, FIELDS, extra)
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


def _write(write: str, *, repeatable: bool = False) -> Statement:
    text = statements.written_as_json(write, Task, FIELDS, ["version"])
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=repeatable)


def _row(rows: Rows) -> TaskRow:
    if not rows:
        raise TaskNotFound
    return TaskRow(rows.bytes(0, 0), rows.text(0, 1))


def _parameters(credentials: Credentials, **values: object) -> dict[str, object]:
    return {"token_digest": credentials.digest, **values}


# --- One task -------------------------------------------------------------------------------------


@lru_cache
def _get() -> Statement:
    return _read(statements.select(_one()), "version")


async def get(credentials: Credentials, task_id: UUID) -> TaskRow:
    """Return the user's task. Raises TaskNotFound."""
    return _row(await pool.run(_get(), _parameters(credentials, id=task_id)))


@lru_cache
def _create() -> Statement:
    values = statements.placeholders(("id", *TaskCreate.model_fields)) | {"user": statements.CURRENT_USER}
    return _write(statements.insert(Task, values, FIELDS))


async def create(credentials: Credentials, task: TaskCreate) -> tuple[UUID, TaskRow]:
    """Store a new task of the user and return its id and itself."""
    task_id = uuid7()
    parameters = _parameters(credentials, id=task_id, **_columns(vars(task)))
    return task_id, _row(await pool.run(_create(), parameters))


@lru_cache(maxsize=128)  # one shape for each set of changed members: 2⁶ at most
def _patch(changed: frozenset[str]) -> Statement:
    return _write(statements.update(_one(), statements.placeholders(sorted(changed)), FIELDS))


async def patch(credentials: Credentials, task_id: UUID, task: TaskPatch) -> TaskRow:
    """Change the members that the patch names; an empty patch changes nothing. Raises TaskNotFound."""
    changes = {name: getattr(task, name) for name in task.model_fields_set}
    if not changes:
        return _row(await pool.run(_touch(), _parameters(credentials, id=task_id)))
    statement = _patch(frozenset(changes))
    return _row(await pool.run(statement, _parameters(credentials, id=task_id, **_columns(changes))))


@lru_cache
def _touch() -> Statement:
    text = statements.as_json(statements.select(_one()), Task, FIELDS, ["version"])
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=True)


@lru_cache
def _set_completed(completed: bool) -> Statement:
    # The trigger keeps completed_at, and leaves a task alone that already is in the wanted state.
    return _write(statements.update(_one(), {"is_completed": sql.Literal(completed)}, FIELDS), repeatable=True)


async def complete(credentials: Credentials, task_id: UUID) -> TaskRow:
    """Complete the task, if it is not yet. Raises TaskNotFound."""
    return _row(await pool.run(_set_completed(True), _parameters(credentials, id=task_id)))


async def reopen(credentials: Credentials, task_id: UUID) -> TaskRow:
    """Open the task again, if it is completed. Raises TaskNotFound."""
    return _row(await pool.run(_set_completed(False), _parameters(credentials, id=task_id)))


@lru_cache
def _delete() -> Statement:
    return _write(statements.update(_one(), {"deleted_at": sql.SQL("statement_timestamp()")}, FIELDS))


async def delete(credentials: Credentials, task_id: UUID) -> None:
    """Put the task away; a purge removes it later. Raises TaskNotFound."""
    _row(await pool.run(_delete(), _parameters(credentials, id=task_id)))


def _columns(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members as the columns hold them: a priority is a word outside, a number inside."""
    if "priority" in members:
        return {**members, "priority": Priority[members["priority"].upper()].value}
    return dict(members)


# --- Lists ----------------------------------------------------------------------------------------

_CURSOR_SALT = "tasks.cursor"


@lru_cache(maxsize=64)
def _list(filters: frozenset[str], sort: str, is_continued: bool) -> Statement:
    rows = _own().live().filter(**{name: Parameter(name) for name in filters})
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    if is_continued:
        rows = rows.filter(_after(key, descending))
    ordered = rows.order_by(*(f"-{name}" if descending else name for name in (key, "id")))
    return _read(f"{statements.select(ordered)} LIMIT %(limit)s", key, "id")


def _after(key: str, descending: bool) -> Q:
    """Return the rows behind the cursor. The first condition alone bounds the index scan, the second cuts ties."""
    beyond = "lt" if descending else "gt"
    last, last_id = Parameter("last_key"), Parameter("last_id")
    return Q(**{f"{key}__{beyond}e": last}) & (Q(**{f"{key}__{beyond}": last}) | Q(**{f"id__{beyond}": last_id}))


async def list_page(credentials: Credentials, query: TaskListQuery) -> bytes:
    """Return a page of the user's tasks as JSON. Raises InvalidCursor."""
    filters = {name: value for name in ("is_completed", "priority") if (value := getattr(query, name)) is not None}
    shape = [query.sort, *([name, filters[name]] for name in sorted(filters))]
    parameters = _parameters(credentials, limit=query.limit + 1, **_columns(filters))
    position = None
    if query.cursor is not None:
        position = _read_cursor(query.cursor, shape)
        parameters |= {"last_key": position.key, "last_id": position.id}
    rows = await pool.run(_list(frozenset(filters), query.sort, position is not None), parameters)
    if position is not None and position.user_id != rows.user_id:
        raise InvalidCursor
    return _page(rows, query.limit, shape)


def _page(rows: Rows, limit: int, shape: list[Any]) -> bytes:
    items = b",".join([rows.bytes(row, 0) for row in range(min(len(rows), limit))])
    cursor = b"null"
    if len(rows) > limit:
        last = Position(str(rows.user_id), rows.text(limit - 1, 1), rows.text(limit - 1, 2))
        cursor = b'"%b"' % _write_cursor(last, shape).encode()
    return b'{"items":[%b],"next_cursor":%b}' % (items, cursor)


class Position(NamedTuple):
    """Where a page ended: whose list, the value it is sorted by, and the id that tells ties apart."""

    user_id: str
    key: str
    id: str


def _write_cursor(position: Position, shape: list[Any]) -> str:
    return signing.dumps([position, shape], salt=_CURSOR_SALT)


def _read_cursor(cursor: str, shape: list[Any]) -> Position:
    try:
        position, made_for = signing.loads(cursor, salt=_CURSOR_SALT)
    except signing.BadSignature:
        raise InvalidCursor from None
    if made_for != shape:
        raise InvalidCursor
    return Position(*position)
