"""What open streams are told: what has changed since a number, and which reminders have fired.

Rows as they are now, as the feed shows them, and in the same order. Reminders change nothing, so they are read beside.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from tasks.models import Task
from tasks.queries import cursors, feed
from tasks.queries.cursors import Position
from tasks.queries.documents import FIELDS, TASKS
from todoproject.database.client import sql
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Rows, Statement

PAGE = 100  # events that are read at a time: what a slow reader makes us hold


class Event(NamedTuple):
    """An event, and the cursor behind it."""

    kind: str
    data: bytes
    cursor: bytes


class Page(NamedTuple):
    """What has happened since a position, and the position behind it."""

    events: list[Event]
    position: Position
    has_more: bool


def _fired() -> str:
    """Return a SELECT of the reminders that have fired behind a position, each with its task as it is now."""
    rows = sql.select(TASKS.own().filter(deleted_at=None))
    tasks = sql.as_json(rows, Task, FIELDS, ["id"])
    return f"""
        (SELECT 'reminder' AS kind, held.change_no, held.task_id,
                concat('{{"reminder":', held.reminder, ',"task":', coalesce(task.document, 'null'), '}}')
           FROM reminders AS held
           LEFT JOIN LATERAL (
               SELECT document FROM ({tasks}) AS each (document, id) WHERE id = held.task_id) AS task ON true
          WHERE held.user_id = (SELECT current_user_id()) AND held.change_no > {feed.POSITION.text}
          ORDER BY held.change_no LIMIT {PAGE + 1})
    """  # noqa: S608 -- composed of our own statements


@lru_cache
def _page() -> Statement:
    return feed.page(PAGE + 1, _fired())


# Sent for all open streams of a process at once, by the owner of the tables: it shows no content. Where nothing happens
# it answers nothing. Texts, because psycopg takes a hundred times as long to write arrays of thousands.
_NEWS = Statement.unfenced(
    """
    SELECT asked.digest, owner.change_no
      FROM unnest(string_to_array(%(digests)s, ','), string_to_array(%(numbers)s, ',')::bigint[])
           AS asked (digest, change_no)
      LEFT JOIN access_tokens AS token ON token.digest = decode(asked.digest, 'hex') AND token.revoked_at IS NULL
       AND (token.expires_at IS NULL OR token.expires_at > statement_timestamp())
      LEFT JOIN users AS owner ON owner.id = token.user_id AND owner.is_active
     WHERE owner.change_no IS DISTINCT FROM asked.change_no
    """,
    repeatable=True,
)


async def now(credentials: Credentials) -> Position:
    """Return the position behind all that has happened. Raises what a refused token raises."""
    rows = await pool.execute(feed.numbers(), {}, credentials)
    return Position(str(rows.user_id), [rows.text(0, 0), rows.text(0, 1)], {})


async def page(credentials: Credentials, position: Position) -> Page:
    """Return what has happened behind a position. Raises InvalidCursor, SyncExpired."""
    rows = await pool.execute(_page(), {"position": int(position.keys[0])}, credentials)
    feed.refuse_expired(position, rows)
    found = 0 if rows.value(0, 2) is None else len(rows)
    has_more = found > PAGE
    reached = rows.text(PAGE - 1, 3) if has_more else rows.text(0, 0)
    events = [_event(rows, row) for row in range(min(found, PAGE))]
    return Page(events, Position(str(rows.user_id), [reached, rows.text(0, 1)], {}), has_more)


async def news(seen: Mapping[bytes, int]) -> dict[bytes, int | None]:
    """Return the tokens, by digest, whose owner's last number is not the one that was seen, and that number.

    It is None for a token that is not good any more.
    """
    asked = {"digests": ",".join(map(bytes.hex, seen)), "numbers": ",".join(map(str, seen.values()))}
    rows = await pool.execute(_NEWS, asked)
    numbers = [rows.value(row, 1) for row in range(len(rows))]
    return {bytes.fromhex(rows.text(row, 0)): number and int(number) for row, number in enumerate(numbers)}


def position(cursor: str, present: Position) -> Position:
    """Return where a client has come to. Raises InvalidCursor where its cursor is another owner's, or none of ours."""
    found = cursors.read(cursor, feed.MADE_FOR)
    if found.user_id != present.user_id:
        raise cursors.InvalidCursor
    return found


def cursor(position: Position) -> bytes:
    """Return the cursor of a position, which `GET /v1/changes` takes, too."""
    return cursors.write(position, feed.MADE_FOR).encode()


def _event(rows: Rows, row: int) -> Event:
    kind, number, identity, document = (rows.value(row, column) or b"null" for column in range(2, 6))
    if kind == b"reminder":
        data = b'{"change_no":%b,"id":"%b",%b' % (number, identity, document[1:])
    else:
        data = feed.item(kind, number, identity, document)
    position = Position(str(rows.user_id), [number.decode(), rows.text(0, 1)], {})
    return Event(kind.decode(), data, cursor(position))
