"""What has changed, newest first: of everything, or of one thing.

The log holds what was there before each change. What came after it is what the change after that one was given, or what
is there now: so a thing's state is walked back, change by change, from the present one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from accounts.models import Scope
from tasks.history_schemas import HistoryQuery
from tasks.models import Priority
from tasks.queries import cursors
from tasks.queries.cursors import InvalidCursor, Position
from tasks.queries.feed import KINDS
from todoproject.database.client.replica import replica
from todoproject.database.client.statement import Credentials, Rows, Statement

_NO_MEMBERS = frozenset({"id", "created_at", "updated_at", "version"})  # that have no history, or are one
_TIMES = frozenset({"completed_at", "archived_at", "due_at", "deleted_at"})
_END = 2**63 - 1

# Never shown: that siblings were spaced anew, which changes nothing that anybody sees.
_SHOWN = "event <> 'respaced'"
_ENTRY = """
    page.change_no, page.action, to_char(page.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), page.event,
    page.kind, page.entity_id, page.actor_kind,
    CASE page.actor_kind WHEN 'token' THEN own_token_name(page.actor_id) END, page.request_id, page.before, page.state
"""
_STATES = " UNION ALL ".join(
    f"SELECT '{kind}', id, change_no, to_jsonb(thing) FROM {resource.model._meta.db_table} AS thing"  # noqa: S608 -- ours
    f" WHERE user_id = (SELECT current_user_id()) AND {{{kind}}}"
    for kind, resource in KINDS.items()
)


class _Thing(NamedTuple):
    kind: str
    id: UUID


@lru_cache
def _of_all() -> Statement:
    """Find a page, then walk each thing on it back from now as far as the page goes."""
    states = _STATES.format(
        **{kind: f"id IN (SELECT entity_id FROM things WHERE kind = '{kind}')" for kind in KINDS}  # noqa: S608 -- ours
    )
    text = f"""
        WITH RECURSIVE page AS MATERIALIZED (
            SELECT * FROM changes
             WHERE user_id = (SELECT current_user_id()) AND change_no < %(before)s AND {_SHOWN}
             ORDER BY change_no DESC LIMIT %(limit)s),
        things AS MATERIALIZED (SELECT kind, entity_id, min(change_no) AS oldest FROM page GROUP BY kind, entity_id),
        present (kind, id, change_no, state) AS ({states}),
        walk (kind, id, change_no, oldest, state) AS (
            SELECT present.kind, id, change_no, oldest, state
              FROM present JOIN things ON things.kind = present.kind AND entity_id = id
            UNION ALL
            SELECT walk.kind, walk.id, changes.previous, oldest, state || coalesce(changes.before, '{{}}')
              FROM walk JOIN changes ON user_id = (SELECT current_user_id()) AND changes.change_no = walk.change_no
             WHERE changes.previous >= oldest)
        SELECT {_ENTRY} FROM (
            SELECT page.*, walk.state FROM page
              LEFT JOIN walk ON walk.kind = page.kind AND walk.id = page.entity_id
                            AND walk.change_no = page.change_no) AS page
         ORDER BY page.change_no DESC
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


@lru_cache
def _of_one(kind: str) -> Statement:
    """Walk back from now until the page is full; a thing without a log is one row of nulls."""
    states = _STATES.format(**{each: "id = %(id)s" if each == kind else "false" for each in KINDS})
    text = f"""
        WITH RECURSIVE walk (kind, id, change_no, state, shown) AS (
            SELECT present.*, 0 FROM ({states}) AS present (kind, id, change_no, state)
            UNION ALL
            SELECT walk.kind, walk.id, changes.previous, state || coalesce(changes.before, '{{}}'),
                   shown + CASE WHEN walk.change_no < %(before)s AND {_SHOWN} THEN 1 ELSE 0 END
              FROM walk JOIN changes ON user_id = (SELECT current_user_id()) AND changes.change_no = walk.change_no
             WHERE changes.previous IS NOT NULL AND shown < %(limit)s)
        SELECT {_ENTRY} FROM (SELECT FROM ({states}) AS thing) AS thing
          LEFT JOIN (SELECT changes.*, walk.state FROM walk
                       JOIN changes ON user_id = (SELECT current_user_id()) AND changes.change_no = walk.change_no
                      WHERE changes.change_no < %(before)s AND {_SHOWN}) AS page ON true
         ORDER BY page.change_no DESC LIMIT %(limit)s
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def of_all(credentials: Credentials, query: HistoryQuery) -> bytes:
    """Return a page of the history of everything, as JSON. Raises InvalidCursor."""
    return await _page(credentials, query, _of_all(), {}, ("history",))


async def of_one(credentials: Credentials, kind: str, identity: UUID, query: HistoryQuery) -> bytes:
    """Return a page of the history of a thing, also of a deleted one. Raises InvalidCursor and its kind's NotFound."""
    return await _page(credentials, query, _of_one(kind), {"id": identity}, ("history", kind, str(identity)))


async def _page(
    credentials: Credentials,
    query: HistoryQuery,
    statement: Statement,
    of: Mapping[str, object],
    made_for: tuple[str, ...],
) -> bytes:
    last = None if query.cursor is None else cursors.read(query.cursor, made_for)
    before = _END if last is None else int(last.keys[0])
    rows = await replica.execute(statement, {"before": before, "limit": query.limit + 1, **of}, credentials)
    if last is not None and last.user_id != rows.user_id:
        raise InvalidCursor
    if not rows and of:
        raise KINDS[made_for[1]].not_found
    found = 0 if len(rows) == 0 or rows.value(0, 0) is None else len(rows)
    cursor = None
    if found > query.limit:
        cursor = cursors.write(Position(str(rows.user_id), [rows.text(query.limit - 1, 0)], {}), made_for)
    items = [entry(rows, row) for row in range(min(found, query.limit))]
    return orjson.dumps({"items": items, "next_cursor": cursor})


def entry(rows: Rows, row: int) -> dict[str, Any]:
    """Return a change as the API gives it."""
    values = [rows.value(row, column) for column in range(11)]
    number, action, at, event, kind, identity, actor, name, request_id = (
        None if value is None else value.decode() for value in values[:9]
    )
    before, state = (None if value is None else orjson.loads(value) for value in values[9:])
    return {
        "change_no": int(number or 0),
        "action": int(action or 0),
        "at": at,
        "event": event,
        "kind": kind,
        "id": identity,
        "actor": {"kind": actor, "name": name},
        "request_id": request_id or None,
        "changes": _changes(str(kind), event == "created", before, state),
    }


def _changes(
    kind: str, is_new: bool, before: dict[str, Any] | None, state: dict[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return what each member was and became; nothing where the thing is purged."""
    if state is None or (before is None and not is_new):
        return {}
    members = [member for member in KINDS[kind].fields if member not in _NO_MEMBERS]
    if is_new:
        return {name: {"from": None, "to": _value(name, state[name])} for name in members if state[name] is not None}
    changed = before or {}
    return {
        name: {"from": _value(name, changed[name]), "to": _value(name, state[name])}
        for name in members
        if name in changed
    }


def _value(member: str, value: Any) -> Any:
    """Return a column's value as the API writes its member."""
    if member == "priority":
        return Priority(value).name.lower()
    return _instant(value) if member in _TIMES else value


def _instant(value: str | None) -> str | None:
    if value is None:
        return None
    return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
