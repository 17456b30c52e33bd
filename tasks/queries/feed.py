"""What has changed since a cursor: the rows themselves, each as it is now, in the order of their last changes.

No log is read. A cursor is a position in the owner's numbers and a fence: their `purged_no` when it was made. What was
purged beyond both has left no trace behind it, so the client has to begin anew.
"""

from functools import lru_cache

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
from todoproject.database.client.sql import UnplannedParameter
from todoproject.database.client.statement import Credentials, Rows, Statement

KINDS: dict[str, Resource] = {"task": TASKS, "list": LISTS}
NOW = "now"  # no cursor of ours: those are longer
MADE_FOR = ("changes",)
# In a cursor: behind it there was more when it was made.
_MORE = "more"
POSITION = UnplannedParameter("position", "bigint")


class SyncExpired(Exception):
    """Something was purged that the client may not have seen go."""


def _changed(kind: str, resource: Resource, limit: int) -> str:
    """Return a SELECT of the rows of a kind behind a position; a document is made only of what is shown."""
    rows = sql.select(resource.own().filter(change_no__gt=POSITION).order_by("change_no"))
    documents = sql.as_json(
        f"{rows} LIMIT {limit:d}", resource.model, resource.fields, ["change_no", "id", "deleted_at"]
    )
    return f"""
        (SELECT '{kind}' AS kind, change_no, id, CASE WHEN deleted_at IS NULL THEN document END AS document
           FROM ({documents}) AS changed (document, change_no, id, deleted_at) ORDER BY change_no)
    """  # noqa: S608 -- composed of our own statements


@lru_cache(maxsize=512)
def page(limit: int, *more: str) -> Statement:
    """Merge the kinds, and `more` of the same columns; the owner's numbers come with each row, and alone without one.

    The limit is written into it, as in `pages`.
    """
    kinds = " UNION ALL ".join([*(_changed(kind, resource, limit) for kind, resource in KINDS.items()), *more])
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
    if query.cursor == NOW:
        rows = await replica.execute(numbers(), {}, credentials)
        return _body([], rows, rows.text(0, 0))
    last = None if query.cursor is None else cursors.read(query.cursor, MADE_FOR)
    if last is not None and _MORE not in last.resolved:
        # Most polls find nothing, which the owner's numbers tell for a quarter of what a look at the rows costs.
        rows = await replica.execute(numbers(), {}, credentials)
        refuse_expired(last, rows)
        if last.keys[0] == rows.text(0, 0):
            return _nothing(query.cursor, last, rows)
    position = 0 if last is None else int(last.keys[0])
    rows = await replica.execute(page(query.limit + 1), {"position": position}, credentials)
    if last is not None:
        refuse_expired(last, rows)
    found = 0 if rows.value(0, 2) is None else len(rows)
    items = [_item(rows, row) for row in range(min(found, query.limit))]
    has_more = found > query.limit
    # At the end all numbers so far are behind us, those too that nothing bears any more.
    reached = rows.text(query.limit - 1, 3) if has_more else rows.text(0, 0)
    return _body(items, rows, reached, has_more=has_more)


def refuse_expired(last: Position, rows: Rows) -> None:
    """Raise where the cursor is another's, or older than what is kept, or from before a backup was restored."""
    if last.user_id != rows.user_id:
        raise InvalidCursor
    position, fence = map(int, last.keys)
    if int(rows.text(0, 1)) > max(position, fence) or position > int(rows.text(0, 0)):
        raise SyncExpired


def _item(rows: Rows, row: int) -> bytes:
    kind, number, identity, document = (rows.value(row, column) or b"null" for column in range(2, 6))
    return item(kind, number, identity, document)


def item(kind: bytes, number: bytes, identity: bytes, document: bytes) -> bytes:
    """Return a thing that has changed, as JSON; one that is deleted has `null` for its document."""
    deleted = b"true" if document == b"null" else b"false"
    return b'{"kind":"%b","change_no":%b,"id":"%b","deleted":%b,"%b":%b}' % (
        *(kind, number, identity, deleted),
        *(kind, document),
    )


def _nothing(cursor: str | None, last: Position, rows: Rows) -> bytes:
    """Return a page without items. The cursor that was sent says it all, unless it is of an old key or an old fence."""
    if cursor is None or last.keys[1] != rows.text(0, 1) or settings.SECRET_KEY_FALLBACKS:
        return _body([], rows, last.keys[0])
    return b'{"items":[],"next_cursor":"%b","has_more":false}' % cursor.encode()


def _body(items: list[bytes], rows: Rows, position: str, *, has_more: bool = False) -> bytes:
    """Return a page as JSON, with a cursor whose fence is what the same statement has read."""
    behind = Position(str(rows.user_id), [position, rows.text(0, 1)], {_MORE: "true"} if has_more else {})
    more = b"true" if has_more else b"false"
    cursor = cursors.write(behind, MADE_FOR).encode()
    return b'{"items":[%b],"next_cursor":"%b","has_more":%b}' % (b",".join(items), cursor, more)
