"""What a write of one task is before it is sent: its statement, its values, and how its answer is read.

A write is carried out alone (`one`) or among others (`batch`). `if_match` is as in `resource`.
"""

from functools import lru_cache
from uuid import UUID

from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from tasks.queries.documents import TASKS, in_columns
from tasks.queries.resource import Plan, Versions
from tasks.schemas import KEPT, TaskCreate, TaskPatch
from todoproject.database.client import sql as statements
from todoproject.database.client.statement import Statement

_MEMBERS = tuple(TaskCreate.model_fields)


# --- Create ---------------------------------------------------------------------------------------


@lru_cache
def _create() -> Statement:
    return TASKS.insert(_MEMBERS)


def creation(task: TaskCreate) -> Plan:
    """Store a new task."""
    task_id = uuid7()
    return Plan(TASKS, _create(), {"key": task_id, "id": task_id, **in_columns(vars(task))})


@lru_cache
def _create_as() -> Statement:
    return TASKS.insert_as(_MEMBERS)


def creation_as(task_id: UUID, task: TaskCreate) -> Plan:
    """Store a new task under an id that the client has made."""
    return Plan(TASKS, _create_as(), {"key": uuid7(), "id": task_id, **in_columns(vars(task))}, creates=True)


# --- Change ---------------------------------------------------------------------------------------


@lru_cache(maxsize=512)  # one shape for each set of changed members that clients send, with and without a condition
def _change(changed: frozenset[str], conditional: bool) -> Statement:
    return TASKS.update(TASKS.live(), statements.placeholders(sorted(changed)), conditional)


@lru_cache
def _leave(conditional: bool) -> Statement:
    return TASKS.leave(conditional)


def replacement(task_id: UUID, task: TaskCreate, if_match: Versions | None) -> Plan:
    """Give the task these members; of those that are younger than the contract, the ones that are left out stay."""
    changed = {name: value for name, value in vars(task).items() if name not in KEPT or name in task.model_fields_set}
    return TASKS.plan(_change(frozenset(changed), if_match is not None), task_id, if_match, **in_columns(changed))


def change(task_id: UUID, task: TaskPatch, if_match: Versions | None) -> Plan:
    """Change the members that the patch names; an empty patch changes nothing."""
    changes = {name: getattr(task, name) for name in task.model_fields_set}
    if not changes:
        return TASKS.plan(_leave(if_match is not None), task_id, if_match)
    return TASKS.plan(_change(frozenset(changes), if_match is not None), task_id, if_match, **in_columns(changes))


# --- State changes: the trigger leaves a task alone that already is in the wanted state ------------


@lru_cache
def _set_completed(completed: bool, conditional: bool) -> Statement:
    return TASKS.update(TASKS.live(), {"is_completed": sql.Literal(completed)}, conditional, repeatable=True)


def completion(task_id: UUID, if_match: Versions | None) -> Plan:
    """Complete the task, if it is not yet."""
    return TASKS.plan(_set_completed(True, if_match is not None), task_id, if_match)


def reopening(task_id: UUID, if_match: Versions | None) -> Plan:
    """Open the task again, if it is completed."""
    return TASKS.plan(_set_completed(False, if_match is not None), task_id, if_match)


@lru_cache
def _delete(conditional: bool) -> Statement:
    values = {"deleted_at": sql.SQL("statement_timestamp()")}
    if conditional:
        return TASKS.update(TASKS.live(), values, conditional)
    # The answer has no body, so there is no JSON to be built.
    deleted = statements.update(TASKS.live(), values, ["version"])
    text = f"WITH result AS ({deleted}) SELECT 'null', version, true FROM result"  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, writes=True)


def deletion(task_id: UUID, if_match: Versions | None) -> Plan:
    """Put the task away; a purge removes it later."""
    return TASKS.plan(_delete(if_match is not None), task_id, if_match)


@lru_cache
def _restore(conditional: bool) -> Statement:
    return TASKS.update(TASKS.live_or_deleted(), {"deleted_at": sql.NULL}, conditional, repeatable=True)


def restoration(task_id: UUID, if_match: Versions | None) -> Plan:
    """Take the task back from the trash, if it is there."""
    return TASKS.plan(_restore(if_match is not None), task_id, if_match)
