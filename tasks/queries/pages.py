"""Lists: filtered, sorted, a page at a time.

A page is found by where the last one ended (keyset pagination), not by counting rows: what is inserted or deleted
meanwhile makes no row appear twice or never. Every order is total: the id cuts ties, and no sort column is null.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import BooleanField, F, Func, QuerySet

from accounts.models import Scope
from tasks.models import Task
from tasks.queries import cursors, filters
from tasks.queries.cursors import InvalidCursor, Position
from tasks.queries.documents import FIELDS, own
from tasks.schemas import TaskListQuery
from todoproject.database.client import sql
from todoproject.database.client.replica import replica
from todoproject.database.client.statement import Credentials, Rows, Statement

_SORT_COLUMNS = {"due": "sort_due", "title": "sort_title"}  # the others are sorted by the column of the same name
_LIMIT = "LIMIT %(limit)s"


def _after(key: str, descending: bool) -> Func:
    """Return the rows behind the cursor: one comparison of pairs, which an index answers even among equal keys."""
    template = f"(%(expressions)s) {'<' if descending else '>'} (%%(last_key)s, %%(last_id)s)"
    return Func(F(key), F("id"), template=template, output_field=BooleanField())


class _Shape(NamedTuple):
    """What the statement of a list depends on; the rest are parameters."""

    conditions: frozenset[str]
    sort: str
    is_search: bool
    is_continued: bool
    has_total: bool


@lru_cache(maxsize=512)
def _list(shape: _Shape, limit: int) -> Statement:
    """Write the limit into the statement, for the planner to know.

    Of one that is a parameter it expects that a tenth of the rows will do, and rather reads all of an owner's tasks in
    order than the few that match.
    """
    return Statement.fenced(_text(shape).replace(_LIMIT, f"LIMIT {limit:d}"), scope=Scope.TASKS_READ, repeatable=True)


@lru_cache(maxsize=512)  # shapes that clients ask for, out of some thousand possible ones
def _text(shape: _Shape) -> str:
    name, descending = shape.sort.removeprefix("-"), shape.sort.startswith("-")
    key = _SORT_COLUMNS.get(name, name)
    rows = own().filter(*(filters.CONDITIONS[condition] for condition in sorted(shape.conditions)))
    page = rows.filter(_after(key, descending)) if shape.is_continued else rows
    order = [F(column).desc() if descending else F(column).asc() for column in (key, "id")]
    text = sql.as_json(f"{_select(page.order_by(*order), shape)} {_LIMIT}", Task, FIELDS, [key, "id"])
    if shape.has_total:
        text = _with_total(text, _select(rows.values("key"), shape), key, "DESC" if descending else "ASC")
    if shape.is_search:
        text = f"WITH found AS (SELECT * FROM search_tasks(%(q)s)) {text}"  # noqa: S608 -- composed of our own statements
    return text


def _select(rows: "QuerySet[Task, Any]", shape: _Shape) -> str:
    """Compile a queryset; in a search, over what a function has found (migrations/0003 says why)."""
    text = sql.select(rows)
    return text.replace('FROM "tasks"', 'FROM found AS "tasks"', 1) if shape.is_search else text


def _with_total(page: str, rows: str, key: str, direction: str) -> str:
    """Add a column with the number of all rows; an empty page is then one row of nulls and the total."""
    return f"""
        SELECT page.*, counted.total FROM (SELECT count(*) AS total FROM ({rows}) AS rows) AS counted
          LEFT JOIN ({page}) AS page (task, {key}, id) ON true
         ORDER BY page.{key} {direction}, page.id {direction}
    """  # noqa: S608 -- composed of our own statements


async def list_page(credentials: Credentials, query: TaskListQuery) -> bytes:
    """Return a page of the user's tasks as JSON. Raises InvalidCursor."""
    conditions, values = filters.conditions(query), filters.values(query)
    made_for = [query.sort, sorted(conditions), sorted((name, str(value)) for name, value in values.items())]
    last = None if query.cursor is None else cursors.read(query.cursor, made_for)
    if last is not None:
        values |= {"last_key": last.key, "last_id": last.id}
    shape = _Shape(conditions, query.sort, query.q is not None, last is not None, query.include == "total")
    rows = await replica.execute(_list(shape, query.limit + 1), values, credentials)
    if last is not None and last.user_id != rows.user_id:
        raise InvalidCursor
    return _page(rows, query, made_for)


def _page(rows: Rows, query: TaskListQuery, made_for: Sequence[object]) -> bytes:
    found = 0 if len(rows) == 0 or rows.value(0, 0) is None else len(rows)
    items = b",".join([rows.bytes(row, 0) for row in range(min(found, query.limit))])
    cursor = b"null"
    if found > query.limit:
        end = Position(str(rows.user_id), rows.text(query.limit - 1, 1), rows.text(query.limit - 1, 2))
        cursor = b'"%b"' % cursors.write(end, made_for).encode()
    total = b',"total":%b' % rows.bytes(0, 3) if query.include == "total" else b""
    return b'{"items":[%b],"next_cursor":%b%b}' % (items, cursor, total)
