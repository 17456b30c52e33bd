"""What has changed since a cursor: the rows themselves, each as it is now, in the order of their last changes.

No log is read. A cursor is a position in the owner's numbers and a fence: their `purged_no` when it was made. What was
purged beyond both has left no trace behind it, so the client has to begin anew.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from accounts.models import Scope
from tasks.change_schemas import ChangesQuery
from tasks.queries import cursors
from tasks.queries.cursors import InvalidCursor, Position
from tasks.queries.documents import TASKS
from tasks.queries.lists import LISTS
from tasks.queries.resource import Resource
from todoproject.database.client import sql
from todoproject.database.client.replica import replica
from todoproject.database.client.sql import Text, UnplannedParameter
from todoproject.database.client.statement import Credentials, Rows, Statement

KINDS: dict[str, Resource] = {"task": TASKS, "list": LISTS}
NOW = "now"  # no cursor of ours: those are longer
MADE_FOR = ("changes",)
# In a cursor: behind it there was more when it was made.
_MORE = "more"
POSITION = UnplannedParameter("position", "bigint")


class SyncExpired(Exception):
    """Something was purged that the client may not have seen go."""


class Thing(NamedTuple):
    """What has changed: a task or a list, its last number, and its document; `null` of one that is deleted."""

    kind: bytes
    number: bytes
    id: bytes
    document: bytes


class Changes(NamedTuple):
    """A page of what has changed, and the cursor of what comes then."""

    things: Sequence[Thing]
    next_cursor: str
    has_more: bool


def _changed(kind: str, resource: Resource, limit: int, text: Text | None) -> str:
    """Return a SELECT of the rows of a kind behind a position; a document is made only of what is shown."""
    rows = sql.select(resource.own().filter(change_no__gt=POSITION).order_by("change_no"))
    found, extra = f"{rows} LIMIT {limit:d}", ("change_no", "id", "deleted_at")
    if text is None:
        documents = sql.as_json(found, resource.model, resource.fields, extra)
    else:
        documents = sql.as_text(found, text, extra)
    return f"""
        (SELECT '{kind}' AS kind, change_no, id, CASE WHEN deleted_at IS NULL THEN document END AS document
           FROM ({documents}) AS changed (document, change_no, id, deleted_at) ORDER BY change_no)
    """  # noqa: S608 -- composed of our own statements


@lru_cache(maxsize=512)
def page(limit: int, *more: str, task: Text | None = None) -> Statement:
    """Merge the kinds, and `more` of the same columns; the owner's numbers come with each row, and alone without one.

    The limit is written into it, as in `pages`. `task` is what is written of each; None is our own document.
    """
    texts = {"task": task}
    of_kinds = [_changed(kind, resource, limit, texts.get(kind)) for kind, resource in KINDS.items()]
    kinds = " UNION ALL ".join([*of_kinds, *more])
    text = f"""
        SELECT numbers.change_no, numbers.purged_no, page.kind, page.change_no, page.id, page.document
          FROM own_numbers() AS numbers
          LEFT JOIN (SELECT * FROM ({kinds}) AS changed ORDER BY change_no LIMIT {limit:d}) AS page ON true
         ORDER BY page.change_no
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


@lru_cache
def numbers() -> Statement:
    """Return the statement for the owner's last number and `purged_no`."""
    return Statement.fenced("SELECT change_no, purged_no FROM own_numbers()", scope=Scope.TASKS_READ, repeatable=True)


async def changes_page(credentials: Credentials, query: ChangesQuery) -> bytes:
    """Return a page of what has changed, as JSON. Raises InvalidCursor, SyncExpired."""
    found = await changes(credentials, query)
    items = b",".join([item(*thing) for thing in found.things])
    more = b"true" if found.has_more else b"false"
    return b'{"items":[%b],"next_cursor":"%b","has_more":%b}' % (items, found.next_cursor.encode(), more)


async def changes(credentials: Credentials, query: ChangesQuery, task: Text | None = None) -> Changes:
    """Return a page of what has changed; `task` is written of each task, and of None our own document.

    Raises InvalidCursor, SyncExpired.
    """
    if query.cursor == NOW:
        rows = await replica.execute(numbers(), {}, credentials)
        return _changes([], rows, rows.text(0, 0))
    last = None if query.cursor is None else cursors.read(query.cursor, MADE_FOR)
    if last is not None and _MORE not in last.resolved:
        # Most polls find nothing, which the owner's numbers tell for a quarter of what a look at the rows costs.
        rows = await replica.execute(numbers(), {}, credentials)
        refuse_expired(last, rows)
        if last.keys[0] == rows.text(0, 0):
            return _nothing(query.cursor, last, rows)
    position = 0 if last is None else int(last.keys[0])
    rows = await replica.execute(page(query.limit + 1, task=task), {"position": position}, credentials)
    if last is not None:
        refuse_expired(last, rows)
    found = 0 if rows.value(0, 2) is None else len(rows)
    things = [_thing(rows, row) for row in range(min(found, query.limit))]
    has_more = found > query.limit
    # At the end all numbers so far are behind us, those too that nothing bears any more.
    reached = rows.text(query.limit - 1, 3) if has_more else rows.text(0, 0)
    return _changes(things, rows, reached, has_more=has_more)


def refuse_expired(last: Position, rows: Rows) -> None:
    """Raise where the cursor is another's, or older than what is kept, or from before a backup was restored."""
    if last.user_id != rows.user_id:
        raise InvalidCursor
    position, fence = map(int, last.keys)
    if int(rows.text(0, 1)) > max(position, fence) or position > int(rows.text(0, 0)):
        raise SyncExpired


def _thing(rows: Rows, row: int) -> Thing:
    return Thing(*(rows.value(row, column) or b"null" for column in range(2, 6)))


def item(kind: bytes, number: bytes, identity: bytes, document: bytes) -> bytes:
    """Return a thing that has changed, as JSON; one that is deleted has `null` for its document."""
    deleted = b"true" if document == b"null" else b"false"
    return b'{"kind":"%b","change_no":%b,"id":"%b","deleted":%b,"%b":%b}' % (
        *(kind, number, identity, deleted),
        *(kind, document),
    )


def _nothing(cursor: str | None, last: Position, rows: Rows) -> Changes:
    """Return a page without items. The cursor that was sent says it all, unless it is of an old key or an old fence."""
    if cursor is None or last.keys[1] != rows.text(0, 1) or settings.SECRET_KEY_FALLBACKS:
        return _changes([], rows, last.keys[0])
    return Changes([], cursor, has_more=False)


def _changes(things: list[Thing], rows: Rows, position: str, *, has_more: bool = False) -> Changes:
    """Return a page with a cursor whose fence is what the same statement has read."""
    behind = Position(str(rows.user_id), [position, rows.text(0, 1)], {_MORE: "true"} if has_more else {})
    return Changes(things, cursors.write(behind, MADE_FOR), has_more)
