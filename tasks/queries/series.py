"""Series: completing and skipping an occurrence, what comes next, and whether a rule goes on at all.

What comes next is computed here, not by the database, so this is the exception to one round trip: the first unit
completes an ordinary task or gives the series as it is; the second writes what was computed, if the series' version is
the same still. Between the two no transaction is held.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import orjson
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts.models import Scope
from tasks import recurrence
from tasks.models import Task
from tasks.queries.documents import FIELDS, TASKS, TaskNotFound, TaskRow, own
from tasks.queries.resource import Conditions, Versions, conditions, sql_of
from tasks.recurrence import Series, rules
from tasks.recurrence_schemas import Recurrence, RecurrencePatch
from tasks.schemas import TaskCreate
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.database.errors import DatabaseUnavailable
from todoproject.http.field_types import parse_instant

_TRIES = 3  # a series that somebody else changes each time between the two units
_MILLISECONDS = len("2026-11-22T08:00:00.000")  # many clients hold no more of a time


class OccurrencePassed(Exception):
    """The series has moved on from the occurrence, and has left no copy that would say it was done."""


class OccurrenceAhead(Exception):
    """The series has not come to the occurrence yet."""


class OccurrenceRequired(Exception):
    """Nothing says which occurrence is meant, so that a repeat would complete the next one."""


class NotRecurring(Exception):
    """The task has no occurrences to be skipped."""


@dataclass(frozen=True, slots=True)
class Look:
    """A task that was not completed, because it is a series: as it is, its state, and the copy that was asked for."""

    row: TaskRow
    task: Mapping[str, Any]
    state: Mapping[str, Any] | None
    now: datetime
    copy: bytes | None


class Met(Exception):
    """The task is a series: what comes next has to be computed."""

    def __init__(self, look: Look) -> None:
        super().__init__(look.row.version)
        self.look = look


@lru_cache
def _look(completes: bool, asks: bool, conditions: Conditions) -> Statement:
    """Complete the task unless it recurs; give it as it is, and the copy of an occurrence where one `asks`."""
    names, matching = statements.columns(Task, FIELDS), sql_of(conditions) or "true"
    state = "CASE WHEN EXISTS (SELECT FROM matching) THEN 's' ELSE 'f' END"
    parts = {
        "current": f"MATERIALIZED ({statements.select(TASKS.live().values(*FIELDS, 'series'))})",
        "matching": f"MATERIALIZED (SELECT FROM current WHERE {matching})",
        "result": f"(SELECT {names}, series, {state} AS is_done FROM current)",  # noqa: S608 -- composed of our own statements
    }
    if completes:
        plain = TASKS.live().filter(recurrence__isnull=True)
        values = {"is_completed": sql.Literal(True), "completed_at": sql.SQL(_COMPLETED_AT)}
        written = statements.update(plain, values, FIELDS, condition="EXISTS (SELECT FROM matching)")
        rest = f"SELECT {names}, series, {state} FROM current WHERE NOT EXISTS (SELECT FROM written)"  # noqa: S608 -- as above
        done = f"SELECT {names}, NULL::jsonb AS series, 't' AS is_done FROM written"  # noqa: S608 -- as above
        del parts["result"]
        parts |= {"written": f"({written})", "result": f"({done} UNION ALL {rest})"}
    head = ", ".join(f"{name} AS {part}" for name, part in parts.items())
    rows = f"SELECT {names}, is_done, series::text AS series, {_NOW} AS now, {_copy(asks)} AS copy FROM result"  # noqa: S608 -- as above
    extra = ["version", "is_done", "series", "now", "copy"]
    text = f"WITH {head} {statements.as_json(rows, Task, FIELDS, extra)}"
    repeatable = "if_match" not in conditions
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=repeatable, writes=True, counts=True)


# Where no time is given the trigger takes the write's.
_COMPLETED_AT = (
    "CASE WHEN is_completed THEN completed_at"
    " WHEN %(completed_at)s::timestamptz < clock_timestamp() THEN %(completed_at)s::timestamptz END"
)
_NOW = """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def _copy(asks: bool) -> str:
    if not asks:
        return "NULL"
    copies = (
        own()
        .live()
        .filter(recurrence_of=Parameter("id"), occurrence__gte=Parameter("first"), occurrence__lt=Parameter("last"))
    )
    return f"({statements.as_json(statements.select(copies.values(*FIELDS)), Task, FIELDS)} LIMIT 1)"


@lru_cache
def _move() -> Statement:
    names = statements.columns(Task, FIELDS)
    moved = "move_series(current_user_id(), %(id)s, %(version)s, %(following)s::jsonb, %(done_at)s, %(copy)s)"
    return TASKS.write(f"WITH result AS (SELECT {names} FROM {moved})")  # noqa: S608 -- as above


@dataclass(frozen=True, slots=True)
class Advance:
    """Completing a task, or skipping an occurrence, ready to be sent.

    `if_match` as in `resource`; `is_conditional` says that there is such a precondition, also if any version meets it.
    """

    task_id: UUID
    verb: Literal["complete", "skip"]
    occurrence: str | None
    completed_at: datetime | None = None
    if_match: Versions | None = None
    is_conditional: bool = False
    looks = False

    @property
    def statement(self) -> Statement:
        """The statement of the first unit."""
        asks = self.occurrence is not None
        return _look(self.verb == "complete" and not asks, asks, conditions(self.if_match))

    @property
    def values(self) -> dict[str, object]:
        """The values of the first unit."""
        values: dict[str, object] = {"id": self.task_id, "completed_at": self.completed_at}
        if self.if_match is not None:
            values["if_match"] = list(self.if_match)
        if self.occurrence is not None:  # to the millisecond
            values |= {"first": self.occurrence[:_MILLISECONDS], "last": f"{self.occurrence[:_MILLISECONDS]}~"}
        return values

    def read(self, rows: Rows) -> TaskRow:
        """Return the task where it is done with. Raises TaskNotFound, TaskChanged, Met."""
        if not rows:
            raise TaskNotFound
        row = TaskRow(rows.bytes(0, 0), rows.text(0, 1), affected=rows.affected, change_no=rows.change_no)
        match rows.text(0, 2):
            case "t":
                return _answer(row, None)
            case "f":
                raise TASKS.changed(row)
        state, now = rows.value(0, 3), parse_instant(rows.text(0, 4))
        raise Met(Look(row, orjson.loads(row.json), orjson.loads(state) if state else None, now, rows.value(0, 5)))

    def settle(self, look: Look) -> TaskRow | None:
        """Return the answer where nothing is to be written; None where the series moves on.

        Raises OccurrenceRequired, OccurrencePassed, OccurrenceAhead, NotRecurring.
        """
        if look.state is None and self.verb == "skip":
            raise NotRecurring
        if self.occurrence is None and not self.is_conditional:
            raise OccurrenceRequired
        asked, present = (text and text[:_MILLISECONDS] for text in (self.occurrence, look.task["occurrence"]))
        if look.state is not None and asked in (None, present):
            return _answer(look.row, None) if look.task["is_completed"] else None
        if look.copy is not None and self.verb == "complete":
            return _answer(look.row, look.copy)
        if look.state is not None and str(asked) > str(present):
            raise OccurrenceAhead
        if look.copy is None and self.verb == "skip":
            return _answer(look.row, None)
        raise OccurrencePassed

    def following(self, look: Look) -> dict[str, object]:
        """Return the values of the second unit: what the task becomes."""
        done_at = look.now if self.completed_at is None else min(self.completed_at, look.now)
        following = recurrence.moved_on(look.task, look.state or {}, done_at)
        return {
            "id": self.task_id,
            "version": int(look.row.version),
            "following": None if following is None else orjson.dumps(following).decode(),
            "done_at": done_at,
            "copy": uuid7() if self.verb == "complete" else None,
        }


async def carry_out(work: Work, credentials: Credentials, advance: Advance) -> TaskRow:
    """Complete the task, or move its series on; return it, with the copy that was left behind.

    Raises TaskNotFound, TaskChanged, what `settle` does, and DatabaseUnavailable where the series never stands still.
    """
    for _ in range(_TRIES):
        try:
            return advance.read(await work.execute(advance.statement, advance.values, credentials))
        except Met as met:
            look = met.look
        if (settled := advance.settle(look)) is not None:
            return settled
        values = advance.following(look)
        await asyncio.sleep(0)  # others have their turn after each rule
        if rows := await work.execute(_move(), values, credentials):
            return _moved(rows)
    raise DatabaseUnavailable(f"the series has changed {_TRIES} times meanwhile")


def _moved(rows: Rows) -> TaskRow:
    row = TaskRow(rows.bytes(0, 0), rows.text(0, 1), affected=rows.affected, change_no=rows.change_no)
    return _answer(row, rows.bytes(1, 0) if len(rows) > 1 else None)


def _answer(row: TaskRow, copy: bytes | None) -> TaskRow:
    """Add the member `completed` to the task."""
    json = b'%b,"completed":%b}' % (row.json[:-1], copy or b"null")
    return TaskRow(json, row.version, affected=row.affected, change_no=row.change_no)


# --- What comes next ------------------------------------------------------------------------------


@lru_cache
def _series() -> Statement:
    task = statements.as_json(statements.select(TASKS.live().values(*FIELDS, "series")), Task, FIELDS, ["series"])
    return Statement.fenced(task, scope=Scope.TASKS_READ, repeatable=True)


async def occurrences(work: Work, credentials: Credentials, task_id: UUID, limit: int) -> list[str]:
    """Return the task's next occurrences, the present one first; none of one that does not recur.

    Raises TaskNotFound.
    """
    rows = await work.execute(_series(), {"id": task_id}, credentials)
    if not rows:
        raise TaskNotFound
    state, task = rows.value(0, 1), orjson.loads(rows.bytes(0, 0))
    if state is None or task["is_completed"]:
        return []
    return recurrence.upcoming(task, orjson.loads(state), limit)


# --- Whether it goes on ---------------------------------------------------------------------------


def must_look_at_new(task: TaskCreate) -> bool:
    """Tell whether a new series may go on nowhere, for all that can be told without the database."""
    if task.recurrence is None or not must_look(task.recurrence):
        return False
    due = task.due_on or task.due_at
    if due is None or (task.due_at and task.recurrence.timezone is None):
        return True
    try:
        Series.of(task.recurrence.rule, task.recurrence.timezone or "UTC", due).check()
    except rules.RuleRefused:
        return True  # it will be told by who looks
    return False


def must_look(change: Recurrence | RecurrencePatch | None) -> bool:
    """Tell whether a series that is begun anew may go on nowhere: most rules go on whatever day they begin on."""
    if change is None or not change.model_fields_set & {"rule", "from_"}:
        return False
    return "rule" not in change.model_fields_set or not recurrence.suits_any_due(rules.parse(change.rule))


async def refuse_unfit(work: Work, credentials: Credentials, row: TaskRow) -> None:
    """Look at the series that a write has made. Raises RuleRefused, which undoes it."""
    task = orjson.loads(row.json)
    rows = await work.execute(_series_to_write(), {"id": task["id"]}, credentials)
    if rows and (state := rows.value(0, 0)) is not None:
        Series.stored(task["recurrence"], orjson.loads(state)["anchor"]).check()


@lru_cache
def _series_to_write() -> Statement:
    series = statements.select(TASKS.live_or_deleted().values("series"))
    return Statement.fenced(f"SELECT series::text FROM ({series}) AS task", scope=Scope.TASKS_WRITE, repeatable=True)  # noqa: S608 -- composed of our own statements
