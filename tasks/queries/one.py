"""One task: read, created, changed, deleted, restored, each in one statement that also settles the precondition.

`if_match` is what a client says it has seen: the task's version must be one of these, or nothing is written and
TaskChanged tells what the task is now. None asks for no more than that the task exists.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from accounts.tokens import Credentials
from tasks.models import Task, TaskQuerySet
from tasks.queries.rows import FIELDS, TaskChanged, TaskDeleted, TaskNotFound, TaskRow, in_columns, own, parameters
from tasks.schemas import TaskCreate, TaskPatch
from todoproject.database import statements
from todoproject.database.pool import Rows, Statement, pool
from todoproject.database.statements import Parameter

Versions = Sequence[int]


def _live() -> TaskQuerySet:
    return own().live().filter(id=Parameter("id"))


def _live_or_deleted() -> TaskQuerySet:
    return own().filter(id=Parameter("id"))


# --- Read -----------------------------------------------------------------------------------------


@lru_cache
def _get(scope: Scope) -> Statement:
    text = statements.as_json(statements.select(_live()), Task, FIELDS, ["version"])
    return Statement.fenced(text, scope=scope, repeatable=True)


async def get(credentials: Credentials, task_id: UUID, scope: Scope = Scope.TASKS_READ) -> TaskRow:
    """Return the user's task. Raises TaskNotFound."""
    rows = await pool.run(_get(scope), parameters(credentials, id=task_id))
    if not rows:
        raise TaskNotFound
    return TaskRow(rows.bytes(0, 0), rows.text(0, 1))


# --- Write ----------------------------------------------------------------------------------------


def _update(
    target: TaskQuerySet, values: Mapping[str, sql.Composable], conditional: bool, *, repeatable: bool = False
) -> Statement:
    if conditional:  # never repeatable: a second try would meet the version that the first one has made
        return _write(_update_if_match(target, values), done="is_done")
    return _write(f"WITH result AS ({statements.update(target, values, FIELDS)})", repeatable=repeatable)


def _update_if_match(target: TaskQuerySet, values: Mapping[str, sql.Composable]) -> str:
    """Lock the row, write it if its version is right, and give it as it is now, written or not.

    The lock comes first: without it a writer that has waited for another one would give the row from before.
    """
    members = statements.columns(Task, FIELDS)
    return f"""
        WITH current AS MATERIALIZED ({statements.select(target.values(*FIELDS))} FOR UPDATE),
             matching AS MATERIALIZED (SELECT FROM current WHERE version = ANY (%(if_match)s)),
             written AS ({statements.update(target, values, FIELDS, condition="EXISTS (SELECT FROM matching)")}),
             result AS (SELECT {members}, true AS is_done FROM written
                        UNION ALL
                        SELECT {members}, false FROM current WHERE NOT EXISTS (SELECT FROM matching))
    """  # noqa: S608 -- composed of our own statements


def _write(result: str, *, done: str = "true", repeatable: bool = False) -> Statement:
    """Return what `result` holds; `done` tells whether it is this statement that made the row what it is."""
    members = statements.columns(Task, FIELDS)
    rows = f"SELECT {members}, {done} AS is_done FROM result"  # noqa: S608 -- composed of our own statements
    text = f"{result} {statements.as_json(rows, Task, FIELDS, ['version', 'is_done'])}"
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=repeatable)


def _row(rows: Rows) -> TaskRow:
    if not rows:
        raise TaskNotFound
    row = TaskRow(rows.bytes(0, 0), rows.text(0, 1))
    if rows.text(0, 2) == "f":
        raise TaskChanged(row)
    return row


async def _run(
    statement: Statement, credentials: Credentials, task_id: UUID, if_match: Versions | None, **values: object
) -> TaskRow:
    condition = {} if if_match is None else {"if_match": list(if_match)}
    return _row(await pool.run(statement, parameters(credentials, id=task_id, **condition, **values)))


@lru_cache
def _create() -> Statement:
    values = statements.placeholders(("key", "id", *TaskCreate.model_fields)) | {"user": statements.CURRENT_USER}
    return _write(f"WITH result AS ({statements.insert(Task, values, FIELDS)})")


async def create(credentials: Credentials, task: TaskCreate) -> tuple[UUID, TaskRow]:
    """Store a new task of the user and return its id and itself."""
    task_id = uuid7()
    values = parameters(credentials, key=task_id, id=task_id, **in_columns(vars(task)))
    return task_id, _row(await pool.run(_create(), values))


@lru_cache
def _create_as() -> Statement:
    """Create the task unless the owner has the id already; give what is there, created or not.

    Looking first takes the locks in the order of every other write, the task's before its owner's, so that no two can
    wait for each other. A task that is being created at this moment is not seen: its insertion is waited for, then
    updated to what it is, so that it can be given. The key tells whose insertion it was.
    """
    members = statements.columns(Task, FIELDS)
    values = statements.placeholders(("key", "id", *TaskCreate.model_fields)) | {"user": statements.CURRENT_USER}
    write = statements.insert(
        Task,
        values,
        [*FIELDS, "key"],
        condition="NOT EXISTS (SELECT FROM existing)",
        conflict="ON CONFLICT (id, user_id) DO UPDATE SET title = tasks.title",
    )
    result = f"""
        WITH existing AS MATERIALIZED ({statements.select(_live_or_deleted().values(*FIELDS))} FOR UPDATE),
             written AS ({write}),
             result AS (SELECT {members}, key = %(key)s AS is_done FROM written
                        UNION ALL
                        SELECT {members}, false FROM existing)
    """  # noqa: S608 -- composed of our own statements
    return _write(result, done="is_done")


async def create_as(credentials: Credentials, task_id: UUID, task: TaskCreate) -> TaskRow:
    """Store a new task under an id that the client has made. Raises TaskChanged, TaskDeleted where it is in use."""
    values = parameters(credentials, key=uuid7(), id=task_id, **in_columns(vars(task)))
    try:
        return _row(await pool.run(_create_as(), values))
    except TaskChanged as error:
        if b'"deleted_at":null' not in error.row.json:  # in a member's text the quotes would be escaped
            raise TaskDeleted from None
        raise


@lru_cache(maxsize=128)  # one shape for each set of changed members, with and without a condition: 2⁷ at most
def _change(changed: frozenset[str], conditional: bool) -> Statement:
    return _update(_live(), statements.placeholders(sorted(changed)), conditional)


async def replace(
    credentials: Credentials, task_id: UUID, task: TaskCreate, if_match: Versions | None = None
) -> TaskRow:
    """Give the task these members and no others. Raises TaskNotFound, TaskChanged."""
    statement = _change(frozenset(TaskCreate.model_fields), if_match is not None)
    return await _run(statement, credentials, task_id, if_match, **in_columns(vars(task)))


async def patch(credentials: Credentials, task_id: UUID, task: TaskPatch, if_match: Versions | None = None) -> TaskRow:
    """Change the members that the patch names; an empty patch changes nothing. Raises TaskNotFound, TaskChanged."""
    changes = {name: getattr(task, name) for name in task.model_fields_set}
    if changes:
        statement = _change(frozenset(changes), if_match is not None)
        return await _run(statement, credentials, task_id, if_match, **in_columns(changes))
    row = await get(credentials, task_id, Scope.TASKS_WRITE)
    if if_match is not None and int(row.version) not in if_match:
        raise TaskChanged(row)
    return row


# --- State changes: the trigger leaves a task alone that already is in the wanted state ------------


@lru_cache
def _set_completed(completed: bool, conditional: bool) -> Statement:
    return _update(_live(), {"is_completed": sql.Literal(completed)}, conditional, repeatable=True)


async def complete(credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> TaskRow:
    """Complete the task, if it is not yet. Raises TaskNotFound, TaskChanged."""
    return await _run(_set_completed(True, if_match is not None), credentials, task_id, if_match)


async def reopen(credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> TaskRow:
    """Open the task again, if it is completed. Raises TaskNotFound, TaskChanged."""
    return await _run(_set_completed(False, if_match is not None), credentials, task_id, if_match)


@lru_cache
def _delete(conditional: bool) -> Statement:
    return _update(_live(), {"deleted_at": sql.SQL("statement_timestamp()")}, conditional)


async def delete(credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> None:
    """Put the task away; a purge removes it later. Raises TaskNotFound, TaskChanged."""
    await _run(_delete(if_match is not None), credentials, task_id, if_match)


@lru_cache
def _restore(conditional: bool) -> Statement:
    return _update(_live_or_deleted(), {"deleted_at": sql.NULL}, conditional, repeatable=True)


async def restore(credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> TaskRow:
    """Take the task back from the trash, if it is there. Raises TaskNotFound, TaskChanged."""
    return await _run(_restore(if_match is not None), credentials, task_id, if_match)
