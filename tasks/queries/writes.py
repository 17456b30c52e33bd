"""What a write of one task is before it is sent: its statement, its values, and how its answer is read.

A write is carried out alone (`one`) or among others (`batch`). Each is one statement that also settles the
precondition. `if_match` is what a client says it has seen: the task's version must be one of these, or nothing is
written and TaskChanged tells what the task is now. None asks for no more than that the task exists.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from tasks import read_only
from tasks.models import Task, TaskQuerySet
from tasks.queries.documents import FIELDS, TaskChanged, TaskDeleted, TaskNotFound, TaskRow, in_columns, own
from tasks.schemas import TaskCreate, TaskPatch, TaskReplacement
from todoproject.database.client import sql as statements
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import Rows, Statement

Versions = Sequence[int]


@dataclass(frozen=True, slots=True)
class Plan:
    """A write of one task, ready to be sent with somebody's credentials."""

    statement: Statement
    values: dict[str, object]
    creates: bool = False
    sent: Mapping[str, object] = field(default_factory=dict)  # read-only members that must be what they are

    @property
    def task_id(self) -> object:
        """The task that is written."""
        return self.values["id"]

    def read(self, rows: Rows) -> TaskRow:
        """Return the task as it is after the write.

        Raises TaskNotFound, TaskChanged, TaskDeleted, ReadOnlyDiffers.
        """
        if not rows:
            if self.creates:
                raise read_only.ReadOnlyDiffers(self.sent)
            raise TaskNotFound
        row = TaskRow(rows.bytes(0, 0), rows.text(0, 1))
        if rows.text(0, 2) == "t":
            return row
        if self.creates and b'"deleted_at":null' not in row.json:  # in a member's text the quotes would be escaped
            raise TaskDeleted
        if not self.creates and self._meets_precondition(row):
            read_only.refuse_differing(self.sent, row.json)
        raise TaskChanged(row)

    def _meets_precondition(self, row: TaskRow) -> bool:
        versions = self.values.get("if_match")
        return not isinstance(versions, list) or int(row.version) in versions


def _plan(
    statement: Statement,
    task_id: UUID,
    if_match: Versions | None,
    sent: Mapping[str, object] | None = None,
    **values: object,
) -> Plan:
    condition = {} if if_match is None else {"if_match": list(if_match)}
    sent = sent or {}
    return Plan(statement, {"id": task_id, **condition, **read_only.parameters(sent), **values}, sent=sent)


Conditions = frozenset[str]  # names of read-only members, and `if_match`


def _conditions(if_match: Versions | None, sent: Iterable[str] = ()) -> Conditions:
    return frozenset(sent) | ({"if_match"} if if_match is not None else set())


def _condition(conditions: Conditions) -> str:
    members = read_only.condition(conditions - {"if_match"})
    version = "version = ANY (%(if_match)s)" if "if_match" in conditions else ""
    return " AND ".join(filter(None, [version, members]))


def live() -> TaskQuerySet:
    """Return the task that the parameter `id` names, unless it is deleted."""
    return own().live().filter(id=Parameter("id"))


def _live_or_deleted() -> TaskQuerySet:
    return own().filter(id=Parameter("id"))


def _update(
    target: TaskQuerySet, values: Mapping[str, sql.Composable], conditions: Conditions, *, repeatable: bool = False
) -> Statement:
    if conditions:  # never repeatable: a second try would meet the version that the first one has made
        return _write(_update_if_match(target, values, _condition(conditions)), done="is_done")
    return _write(f"WITH result AS ({statements.update(target, values, FIELDS)})", repeatable=repeatable)


def _update_if_match(target: TaskQuerySet, values: Mapping[str, sql.Composable], condition: str) -> str:
    """Write the row if it is what the client expects, and give it as it is now, written or not.

    Who writes has locked the owner before: nobody else changes the row between the comparison and the write.
    """
    members = statements.columns(Task, FIELDS)
    return f"""
        WITH current AS MATERIALIZED ({statements.select(target.values(*FIELDS))}),
             matching AS MATERIALIZED (SELECT FROM current WHERE {condition}),
             written AS ({statements.update(target, values, FIELDS, condition="EXISTS (SELECT FROM matching)")}),
             result AS (SELECT {members}, true AS is_done FROM written
                        UNION ALL
                        SELECT {members}, false FROM current WHERE NOT EXISTS (SELECT FROM matching))
    """  # noqa: S608 -- composed of our own statements


def _write(result: str, *, done: str = "true", repeatable: bool = False, writes: bool = True) -> Statement:
    """Return what `result` holds; `done` tells whether it is this statement that made the row what it is."""
    members = statements.columns(Task, FIELDS)
    rows = f"SELECT {members}, {done} AS is_done FROM result"  # noqa: S608 -- composed of our own statements
    text = f"{result} {statements.as_json(rows, Task, FIELDS, ['version', 'is_done'])}"
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=repeatable, writes=writes)


# --- Create ---------------------------------------------------------------------------------------


@lru_cache
def _create() -> Statement:
    values = statements.placeholders(("key", "id", *TaskCreate.model_fields)) | {"user": statements.CURRENT_USER}
    return _write(f"WITH result AS ({statements.insert(Task, values, FIELDS)})")


def creation(task: TaskCreate) -> Plan:
    """Store a new task."""
    task_id = uuid7()
    return Plan(_create(), {"key": task_id, "id": task_id, **in_columns(vars(task))})


@lru_cache
def _create_as() -> Statement:
    """Create the task unless the owner has the id already; give what is there, created or not.

    Nobody else can create it meanwhile: whoever inserts a task has its owner locked, as we have before we look.
    """
    members = statements.columns(Task, FIELDS)
    values = statements.placeholders(("key", "id", *TaskCreate.model_fields)) | {"user": statements.CURRENT_USER}
    write = statements.insert(
        Task,
        values,
        FIELDS,
        condition="NOT EXISTS (SELECT FROM existing)",
    )
    result = f"""
        WITH existing AS MATERIALIZED ({statements.select(_live_or_deleted().values(*FIELDS))}),
             written AS ({write}),
             result AS (SELECT {members}, true AS is_done FROM written
                        UNION ALL
                        SELECT {members}, false FROM existing)
    """  # noqa: S608 -- composed of our own statements
    return _write(result, done="is_done")


@lru_cache
def _look() -> Statement:
    """Give what has the id already, for a creation that is refused in any case: the precondition is told first."""
    rows = statements.select(_live_or_deleted().values(*FIELDS))
    return _write(f"WITH result AS ({rows})", done="false", repeatable=True, writes=False)


def creation_as(task_id: UUID, task: TaskCreate) -> Plan:
    """Store a new task under an id that the client has made."""
    sent = {name: value for name, value in read_only.sent(task).items() if name != "id" or value != task_id}
    if sent:
        return Plan(_look(), {"id": task_id}, creates=True, sent=sent)
    return Plan(_create_as(), {"key": uuid7(), "id": task_id, **_members(task)}, creates=True)


def _members(task: TaskCreate) -> dict[str, object]:
    return in_columns({name: getattr(task, name) for name in TaskCreate.model_fields})


# --- Change ---------------------------------------------------------------------------------------


@lru_cache(maxsize=256)  # one shape for each set of changed members and of conditions that clients really send
def _change(changed: frozenset[str], conditions: Conditions) -> Statement:
    return _update(live(), statements.placeholders(sorted(changed)), conditions)


@lru_cache(maxsize=128)
def _leave(conditions: Conditions) -> Statement:
    task = statements.select(live().values(*FIELDS))
    done = _condition(conditions) or "true"
    return _write(f"WITH result AS ({task})", done=done, repeatable=True, writes=False)


def replacement(task_id: UUID, task: TaskReplacement, if_match: Versions | None) -> Plan:
    """Give the task these members and no others."""
    sent = read_only.sent(task)
    values = _members(task)
    statement = _change(frozenset(values), _conditions(if_match, sent))
    return _plan(statement, task_id, if_match, sent, **values)


def change(task_id: UUID, task: TaskPatch, if_match: Versions | None) -> Plan:
    """Change the members that the patch names; an empty patch changes nothing."""
    sent = read_only.sent(task)
    conditions = _conditions(if_match, sent)
    changes = {name: getattr(task, name) for name in task.model_fields_set - sent.keys()}
    if not changes:
        return _plan(_leave(conditions), task_id, if_match, sent)
    return _plan(_change(frozenset(changes), conditions), task_id, if_match, sent, **in_columns(changes))


# --- State changes: the trigger leaves a task alone that already is in the wanted state ------------


@lru_cache
def _set_completed(completed: bool, conditions: Conditions) -> Statement:
    return _update(live(), {"is_completed": sql.Literal(completed)}, conditions, repeatable=True)


def completion(task_id: UUID, if_match: Versions | None) -> Plan:
    """Complete the task, if it is not yet."""
    return _plan(_set_completed(True, _conditions(if_match)), task_id, if_match)


def reopening(task_id: UUID, if_match: Versions | None) -> Plan:
    """Open the task again, if it is completed."""
    return _plan(_set_completed(False, _conditions(if_match)), task_id, if_match)


@lru_cache
def _delete(conditions: Conditions) -> Statement:
    values = {"deleted_at": sql.SQL("statement_timestamp()")}
    if conditions:
        return _update(live(), values, conditions)
    # The answer has no body, so there is no JSON to be built.
    deleted = statements.update(live(), values, ["version"])
    text = f"WITH result AS ({deleted}) SELECT 'null', version, true FROM result"  # noqa: S608 -- as above
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, writes=True)


def deletion(task_id: UUID, if_match: Versions | None) -> Plan:
    """Put the task away; a purge removes it later."""
    return _plan(_delete(_conditions(if_match)), task_id, if_match)


@lru_cache
def _restore(conditions: Conditions) -> Statement:
    return _update(_live_or_deleted(), {"deleted_at": sql.NULL}, conditions, repeatable=True)


def restoration(task_id: UUID, if_match: Versions | None) -> Plan:
    """Take the task back from the trash, if it is there."""
    return _plan(_restore(_conditions(if_match)), task_id, if_match)
