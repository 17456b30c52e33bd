"""What is behind a calendar's address (accounts/queries/calendars): its tasks, in one round trip.

The entity tag is made from the owner's last number, whatever that was about: who has it already is not even read tasks.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from django.db.models import BooleanField, F, Q, QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import Scope
from tasks.models import Task
from tasks.queries.documents import own
from tasks.queries.resource import NotFound
from todoproject.database.client import sql
from todoproject.database.client.replica import replica
from todoproject.database.client.statement import Credentials, Statement

# Completed tasks stay for so long that every app has seen that they are.
COMPLETED_DAYS = 30
# The next due first. An app that shows more than that shows nothing; a purge of the trash is no matter of anybody's.
MOST_OPEN, MOST_COMPLETED = 5000, 1000
FIELDS = (
    *("id", "title", "description", "is_completed", "completed_at", "priority", "parent_id", "labels", "starts_on"),
    *("due_on", "due_at", "recurrence", "series", "occurrence", "reminders", "created_at", "updated_at", "version"),
)


class CalendarNotFound(NotFound):
    """The calendar's list is purged or in the trash."""


class Feed(NamedTuple):
    """A calendar. `tasks` are JSON objects of FIELDS; None where the client has them already, by its tag."""

    tag: str
    kind: str
    name: str
    timezone: str
    tasks: Sequence[bytes] | None


def _rows(rows: "QuerySet[Task]", most: int) -> str:
    behind = RawSQL("address.list_id IS NULL OR list_id = address.list_id", (), BooleanField())
    shown = RawSQL("address.kind = 'todos' OR due_on IS NOT NULL OR due_at IS NOT NULL", (), BooleanField())
    return f"({sql.select(rows.filter(behind, shown).values(*FIELDS))} LIMIT {most})"


@lru_cache
def _feed() -> Statement:
    since = RawSQL(f"statement_timestamp() - interval '{COMPLETED_DAYS} days'", ())  # noqa: S611 -- ours
    live = own().filter(Q(deleted_at=None))
    open_ = _rows(live.filter(is_completed=False).order_by(F("sort_due"), F("id")), MOST_OPEN)
    completed = _rows(live.filter(completed_at__gt=since).order_by(F("completed_at").desc()), MOST_COMPLETED)
    documents = sql.as_json(f"{open_} UNION ALL {completed}", Task, FIELDS)
    there = (
        "EXISTS (SELECT FROM lists WHERE user_id = (SELECT current_user_id()) AND id = list_id AND deleted_at IS NULL)"
    )
    text = f"""
        WITH address AS MATERIALIZED (
            SELECT *, encode(sha256(convert_to(concat_ws(' ', change_no, timezone, %(edition)s::text,
                      (statement_timestamp() AT TIME ZONE 'UTC')::date), 'UTF8')), 'hex') AS tag,
                   list_id IS NULL OR {there} AS is_there
              FROM current_address())
        SELECT address.tag, address.kind, address.name, address.timezone, address.is_there, task.document
          FROM address
          LEFT JOIN LATERAL ({documents}) AS task (document)
            ON address.is_there AND address.tag <> ALL (%(known)s::text[])
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def feed(credentials: Credentials, known: Sequence[str], edition: str) -> Feed:
    """Return the calendar whose secret these credentials are.

    `known`: tags that the client has. `edition`: of what the tasks are made into. Raises CalendarNotFound.
    """
    rows = await replica.execute(_feed(), {"known": [*known], "edition": edition}, credentials)
    if not rows or rows.text(0, 4) != "t":
        raise CalendarNotFound
    tag, kind, name, timezone = (rows.text(0, column) for column in range(4))
    if tag in known:
        return Feed(tag, kind, name, timezone, None)
    tasks = [] if rows.value(0, 5) is None else [rows.bytes(row, 5) for row in range(len(rows))]
    return Feed(tag, kind, name, timezone, tasks)
