"""What a write of one task is before it is sent: its statement, its values, and how its answer is read.

A write is carried out alone (`one`) or among others (`batch`). `if_match` is as in `resource`.
"""

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from tasks.label_schemas import LabelChange
from tasks.moves import TaskMove
from tasks.queries import series
from tasks.queries.documents import TASKS, in_columns, own
from tasks.queries.resource import Conditions, Plan, Versions, conditions
from tasks.schemas import KEPT, TaskCreate, TaskPatch, TaskReplacement
from todoproject.database.client import sql as statements
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import Statement
from todoproject.http import read_only

_MEMBERS = tuple(TaskCreate.model_fields)


# --- Create ---------------------------------------------------------------------------------------


@lru_cache
def _create() -> Statement:
    return TASKS.insert(_MEMBERS)


def creation(task: TaskCreate) -> Plan:
    """Store a new task."""
    task_id = uuid7()
    values = {"key": task_id, "id": task_id, **in_columns(vars(task))}
    return Plan(TASKS, _create(), values, looks=series.must_look_at_new(task))


@lru_cache
def _create_as() -> Statement:
    return TASKS.insert_as(_MEMBERS)


def creation_as(task_id: UUID, task: TaskCreate) -> Plan:
    """Store a new task under an id that the client has made."""
    if sent := read_only.sent_to_create(task, task_id):
        return Plan(TASKS, _look(), {"id": task_id}, creates=True, sent=sent)
    values = {"key": uuid7(), "id": task_id, **in_columns(_members(task))}
    return Plan(TASKS, _create_as(), values, creates=True, looks=series.must_look_at_new(task))


@lru_cache
def _create_of_import() -> Statement:
    return TASKS.insert((*_MEMBERS, "created_at"))


def creation_of_import(task_id: UUID | None, task: TaskCreate, created_at: datetime | None) -> Plan:
    """Store a new task, under an id that is new, as old as it is elsewhere, but no newer than now."""
    values = {"key": uuid7(), "id": task_id or uuid7(), **in_columns(_members(task)), "created_at": created_at}
    return Plan(TASKS, _create_of_import(), values, looks=series.must_look_at_new(task))


@lru_cache
def _look() -> Statement:
    return TASKS.look()


def _members(task: TaskCreate) -> dict[str, object]:
    return {name: getattr(task, name) for name in _MEMBERS}


# --- Change ---------------------------------------------------------------------------------------


@lru_cache(maxsize=512)  # one shape for each set of changed members and of conditions that clients really send
def _change(changed: frozenset[str], conditions: Conditions) -> Statement:
    return TASKS.update(TASKS.live(), TASKS.changes(changed), conditions)


@lru_cache(maxsize=128)
def _leave(conditions: Conditions) -> Statement:
    return TASKS.leave(conditions)


def replacement(task_id: UUID, task: TaskReplacement, if_match: Versions | None) -> Plan:
    """Give the task these members; of those that are younger than the contract, the ones that are left out stay."""
    sent = read_only.sent(task)
    left_out = KEPT - task.model_fields_set
    values = {name: value for name, value in _members(task).items() if name not in left_out}
    statement = _change(frozenset(values), conditions(if_match, sent))
    return _looked_at(TASKS.plan(statement, task_id, if_match, sent, **in_columns(values)), task)


def change(task_id: UUID, task: TaskPatch, if_match: Versions | None) -> Plan:
    """Change the members that the patch names; an empty patch changes nothing."""
    sent = read_only.sent(task)
    expected = conditions(if_match, sent)
    changes = {name: getattr(task, name) for name in task.model_fields_set - sent.keys()}
    if not changes:
        return TASKS.plan(_leave(expected), task_id, if_match, sent)
    plan = TASKS.plan(_change(frozenset(changes), expected), task_id, if_match, sent, **in_columns(changes))
    return _looked_at(plan, task)


def _looked_at(plan: Plan, task: TaskReplacement | TaskPatch) -> Plan:
    return replace(plan, looks=True) if series.must_look(task.recurrence) else plan


@lru_cache(maxsize=512)
def _upsert(changed: frozenset[str], new: tuple[str, ...] | None, conditions: Conditions) -> Statement:
    return TASKS.upsert(own().filter(external_id=Parameter("external_id")), changed, new, conditions)


def upsert(
    external_id: str, task: TaskReplacement | TaskPatch, if_match: Versions | None, *, creates: bool = True
) -> Plan:
    """Change the task that is called so elsewhere, or create it: by a patch the members that it names, else all."""
    sent, expected = read_only.sent(task), conditions(if_match, read_only.sent(task))
    if isinstance(task, TaskPatch):
        new = {name: getattr(task, name) for name in task.model_fields_set - sent.keys()}
        changed = new
    else:
        new, left_out = _members(task), KEPT - task.model_fields_set
        changed = {name: value for name, value in new.items() if name not in left_out}
    can_create = creates and "title" in new and not sent
    members = tuple(sorted({*new, "external_id"})) if can_create else None
    statement = _upsert(frozenset(changed) - {"external_id"}, members, expected)
    values = {**in_columns(new), "external_id": external_id, "key": uuid7()}
    plan = _looked_at(TASKS.plan(statement, values["key"], if_match, sent, **values), task)
    return replace(plan, upserts=True, creates=creates)


@lru_cache
def _move(named: frozenset[str], is_beside: bool, conditions: Conditions) -> Statement:
    """Set what is named; a list alone means its top, a neighbour alone means where that is.

    Where the parent changes, a trigger sets the list.
    """
    places = {"list_id": "list_id", "parent_id": "parent_id"}
    if named:
        places |= {"parent_id": "NULL"} if "parent_id" not in named else {}
        places |= {name: f"%({name})s" for name in named}
    elif is_beside:
        places = {name: _OF_NEIGHBOUR.format(name) for name in places}
    place = f"place_task(%(id)s, {places['list_id']}, {places['parent_id']}, %(side)s, %(neighbour)s)"
    values = {"position": sql.SQL(place)}
    if named or is_beside:
        values["parent_id"] = sql.SQL(places["parent_id"])
    if "list_id" in named or (is_beside and not named):
        values["list_id"] = sql.SQL(places["list_id"])
    return TASKS.update(TASKS.live(), values | TASKS.beside(named), conditions)


_OF_NEIGHBOUR = (
    "(SELECT beside.{} FROM tasks AS beside"
    " WHERE beside.user_id = (SELECT current_user_id()) AND beside.id = %(neighbour)s AND beside.deleted_at IS NULL)"
)


def move(task_id: UUID, to: TaskMove, if_match: Versions | None) -> Plan:
    """Put the task, and what belongs under it, somewhere else."""
    side, neighbour = to.place
    named = to.model_fields_set & {"list_id", "parent_id"}
    values = {name: getattr(to, name) for name in named}
    statement = _move(frozenset(named), neighbour is not None, conditions(if_match))
    return TASKS.plan(statement, task_id, if_match, side=side, neighbour=neighbour, **values)


@lru_cache
def _change_labels(conditions: Conditions) -> Statement:
    labels = sql.SQL("change_labels(labels, %(remove)s::text[], %(add)s::text[])")
    return TASKS.update(TASKS.live(), {"labels": labels}, conditions)


def change_of_labels(task_id: UUID, labels: LabelChange, if_match: Versions | None) -> Plan:
    """Take labels off the task and add others, whatever else it has."""
    return TASKS.plan(_change_labels(conditions(if_match)), task_id, if_match, add=labels.add, remove=labels.remove)


# --- State changes: the trigger leaves a task alone that already is in the wanted state ------------


@lru_cache
def _reopen(conditions: Conditions) -> Statement:
    return TASKS.update(TASKS.live(), {"is_completed": sql.Literal(False)}, conditions, repeatable=True)


def reopening(task_id: UUID, if_match: Versions | None) -> Plan:
    """Open the task again, if it is completed."""
    return TASKS.plan(_reopen(conditions(if_match)), task_id, if_match)


@lru_cache
def _delete(conditions: Conditions) -> Statement:
    values = {"deleted_at": sql.SQL("statement_timestamp()")}
    if conditions:
        return TASKS.update(TASKS.live(), values, conditions)
    # The answer has no body, so there is no JSON to be built.
    deleted = statements.update(TASKS.live(), values, ["version"])
    text = f"WITH result AS ({deleted}) SELECT 'null', version, true FROM result"  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, writes=True, counts=True)


def deletion(task_id: UUID, if_match: Versions | None) -> Plan:
    """Put the task away; a purge removes it later."""
    return TASKS.plan(_delete(conditions(if_match)), task_id, if_match)


@lru_cache
def _restore(conditions: Conditions) -> Statement:
    return TASKS.update(TASKS.live_or_deleted(), {"deleted_at": sql.NULL}, conditions, repeatable=True)


def restoration(task_id: UUID, if_match: Versions | None) -> Plan:
    """Take the task back from the trash, if it is there."""
    return TASKS.plan(_restore(conditions(if_match)), task_id, if_match)
