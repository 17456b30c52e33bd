"""Lists: filtered, sorted, a page at a time.

A page is found by where the last one ended (keyset pagination), not by counting rows: what is inserted or deleted
meanwhile makes no row appear twice or never. Every order is total: the id cuts ties, and no sort column is null.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import BooleanField, F, Func, OrderBy, QuerySet, Value
from django.db.models.functions import Coalesce

from accounts.models import Scope
from tasks.list_query import TaskListQuery
from tasks.models import Task
from tasks.queries import cursors, filters
from tasks.queries.cursors import InvalidCursor, Position
from tasks.queries.documents import FIELDS, own
from todoproject.database.client import sql
from todoproject.database.client.replica import replica
from todoproject.database.client.sql import Text
from todoproject.database.client.statement import Credentials, Rows, Statement

# The others are sorted by the column of the same name. Of one owner no update is older than one with a lower number.
_SORT_COLUMNS = {"due": "sort_due", "title": "sort_title", "updated_at": "change_no"}
_LIMIT = "LIMIT %(limit)s"
_NOWHERE = UUID(int=0)  # nobody's id: the inbox comes before all lists, and the top before what is under a task
# A position is a place among siblings, so it means nothing but within a list and a parent.
_PLACES = {"sort_list": "list_id", "sort_parent": "parent_id"}


class _Key(NamedTuple):
    """A column that a list is sorted by."""

    column: str
    descending: bool

    @property
    def sql(self) -> str:
        column = f'"{Task._meta.db_table}"."{_PLACES.get(self.column, self.column)}"'
        return f"coalesce({column}, '{_NOWHERE}'::uuid)" if self.column in _PLACES else column

    @property
    def order(self) -> OrderBy:
        return F(self.column).desc() if self.descending else F(self.column).asc()

    @property
    def sign(self) -> str:
        return "<" if self.descending else ">"


def _keys(query: TaskListQuery) -> tuple[_Key, ...]:
    """Return the columns of an order; the id cuts ties, in the direction of the key before it.

    A list or parent that the tasks are filtered by is the same for all of them: then an index has their order.
    """
    keys: list[_Key] = []
    for word in query.sort.split(","):
        name = word.removeprefix("-")
        if name == "position":
            keys += [_Key(key, word != name) for key, member in _PLACES.items() if getattr(query, member) is None]
        keys.append(_Key(_SORT_COLUMNS.get(name, name), word != name))
    return (*keys, _Key("id", keys[-1].descending))


def _after(keys: Sequence[_Key]) -> Func:
    """Return the rows behind the cursor.

    In one direction that is one comparison of rows, which an index answers even among equal keys. In several it is a
    comparison for each key, among those that are equal in all before; the first then bounds what the index reads.
    """
    names = [f"%%(last_{number})s" for number in range(len(keys))]
    if len({key.descending for key in keys}) == 1:
        template = f"(%(expressions)s) {keys[0].sign} ({', '.join(names)})"
        return Func(*(F(key.column) for key in keys), template=template, output_field=BooleanField())
    columns = [key.sql for key in keys]
    equal = [f"{column} = {name}" for column, name in zip(columns, names, strict=True)]
    cases = [
        " AND ".join([*equal[:number], f"{columns[number]} {key.sign} {names[number]}"])
        for number, key in enumerate(keys)
    ]
    template = f"({columns[0]} {keys[0].sign}= {names[0]} AND (({') OR ('.join(cases)})))"
    return Func(template=template, output_field=BooleanField())


class _Shape(NamedTuple):
    """What the statement of a list depends on; the rest are parameters."""

    conditions: frozenset[str]
    keys: tuple[_Key, ...]
    is_search: bool
    is_continued: bool
    has_total: bool
    text: Text | None  # of each task; None is our own document


@lru_cache(maxsize=512)
def _list(shape: _Shape, limit: int) -> Statement:
    """Write the limit into the statement, for the planner to know.

    Of one that is a parameter it expects that a tenth of the rows will do, and rather reads all of an owner's tasks in
    order than the few that match.
    """
    return Statement.fenced(_text(shape).replace(_LIMIT, f"LIMIT {limit:d}"), scope=Scope.TASKS_READ, repeatable=True)


@lru_cache(maxsize=512)  # shapes that clients ask for, out of some thousand possible ones
def _text(shape: _Shape) -> str:
    keys = shape.keys
    places = {key.column: Coalesce(_PLACES[key.column], Value(_NOWHERE)) for key in keys if key.column in _PLACES}
    rows = own().annotate(**places).filter(*(filters.CONDITIONS[condition] for condition in sorted(shape.conditions)))
    page = rows.filter(_after(keys)) if shape.is_continued else rows
    columns = [key.column for key in keys]
    found = f"{_select(page.order_by(*(key.order for key in keys)), shape)} {_LIMIT}"
    text = sql.as_json(found, Task, FIELDS, columns) if shape.text is None else sql.as_text(found, shape.text, columns)
    if resolving := filters.resolving(shape.conditions):
        text = f"SELECT page.*, {', '.join(resolving.values())} FROM ({text}) AS page"  # noqa: S608 -- as below
    if shape.has_total:
        text = _with_total(text, _select(rows.values("key"), shape), keys)
    if shape.is_search:
        text = f"WITH found AS (SELECT * FROM search_tasks(searchable(%(q)s))) {text}"  # noqa: S608 -- composed of our own statements
    return text


def _select(rows: "QuerySet[Task, Any]", shape: _Shape) -> str:
    """Compile a queryset; in a search, over what a function has found (migrations/0003 says why)."""
    text = sql.select(rows)
    return text.replace('FROM "tasks"', 'FROM found AS "tasks"', 1) if shape.is_search else text


def _with_total(page: str, rows: str, keys: Sequence[_Key]) -> str:
    """Add a column with the number of all rows; an empty page is then one row of nulls and the total."""
    columns = ", ".join(key.column for key in keys)
    order = ", ".join(f"page.{key.column} {'DESC' if key.descending else 'ASC'}" for key in keys)
    return f"""
        SELECT page.*, counted.total FROM (SELECT count(*) AS total FROM ({rows}) AS rows) AS counted
          LEFT JOIN ({page}) AS page (task, {columns}) ON true
         ORDER BY {order}
    """  # noqa: S608 -- composed of our own statements


class Page(NamedTuple):
    """A page of tasks: what was written of each, the cursor of the next page, and how many there are if asked for."""

    tasks: Sequence[bytes]
    next_cursor: str | None
    total: bytes | None


async def list_page(credentials: Credentials, query: TaskListQuery) -> bytes:
    """Return a page of the user's tasks as JSON. Raises InvalidCursor."""
    page = await find(credentials, query)
    cursor = b"null" if page.next_cursor is None else b'"%b"' % page.next_cursor.encode()
    total = b"" if page.total is None else b',"total":%b' % page.total
    return b'{"items":[%b],"next_cursor":%b%b}' % (b",".join(page.tasks), cursor, total)


async def find(credentials: Credentials, query: TaskListQuery, text: Text | None = None) -> Page:
    """Return a page of the user's tasks, `text` of each: of None our own document. Raises InvalidCursor."""
    made_for = _made_for(query)
    last = None if query.cursor is None else cursors.read(query.cursor, made_for)
    values = filters.values(query, last.resolved if last else {})
    if last is not None:
        values |= {f"last_{number}": value for number, value in enumerate(last.keys)}
    conditions = filters.conditions(query, is_continued=last is not None)
    has_total = query.include == "total"
    shape = _Shape(conditions, _keys(query), query.q is not None, last is not None, has_total, text)
    rows = await replica.execute(_list(shape, query.limit + 1), values, credentials)
    if last is not None and last.user_id != rows.user_id:
        raise InvalidCursor
    resolved = {} if last is not None else filters.resolving(conditions)
    return _page(rows, query, made_for, [*resolved], last.resolved if last else {})


def _made_for(query: TaskListQuery) -> list[object]:
    """Return what a cursor is good for: the columns of its order, by name, and the filters as the client wrote them."""
    paging = {"limit", "cursor", "sort", "include"}
    given = {name: value for name, value in vars(query).items() if value is not None and name not in paging}
    return [[tuple(key) for key in _keys(query)], sorted((name, str(value)) for name, value in given.items())]


def _page(
    rows: Rows, query: TaskListQuery, made_for: Sequence[object], resolving: Sequence[str], resolved: dict[str, str]
) -> Page:
    """Read the page. A row is the task, its keys, what moments are resolved to, and the total if that is asked for."""
    keys = len(_keys(query))
    found = 0 if len(rows) == 0 or rows.value(0, 0) is None else len(rows)
    tasks = [rows.bytes(row, 0) for row in range(min(found, query.limit))]
    cursor = None
    if found > query.limit:
        end = query.limit - 1
        resolved = resolved | {name: rows.text(end, 1 + keys + at) for at, name in enumerate(resolving)}
        position = Position(str(rows.user_id), [rows.text(end, 1 + key) for key in range(keys)], resolved)
        cursor = cursors.write(position, made_for)
    return Page(tasks, cursor, rows.bytes(0, 1 + keys + len(resolving)) if query.include == "total" else None)
