"""How it is going, in numbers that cost little: each is read from an index, from the catalogue or from a small table.

What they leave out is said where they are shown. docs/admin.md has what they take with 1,000,000 tasks.
"""

import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts import audit
from accounts.models import AccessToken, AuditEvent, User
from tasks.models import BackgroundJob, Reminder, Task, Webhook

DAYS = 30
KEPT_SECONDS = 60  # however many people look: in each process, once a minute
# A dashboard must not be what makes a database slow.
_TIMEOUT = "SET LOCAL statement_timeout = '5s'"


@dataclass(frozen=True, slots=True)
class Days:
    """One number for each day, the last one being today so far."""

    first: date
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the dashboard shows."""

    as_of: datetime
    users: int
    new_users: int
    tasks: int
    open: int
    overdue: int
    created: Days
    completed: Days
    live_tokens: int
    failed_logins: int  # in the last 24 hours
    next_reminder: datetime | None  # that is still to fire, overdue or not
    overdue_reminders: int  # that should have fired a minute ago
    webhooks: int
    failing_webhooks: int
    oldest_undelivered: datetime | None  # of the events that enabled hooks have not got
    purged_at: datetime | None  # the last time that a purge was done to its end
    database_bytes: int
    task_bytes: int

    @property
    def overdue_percent(self) -> float:
        return 100 * self.overdue / self.open if self.open else 0.0


class Kept:
    """The last figures of this process; one thread reads new ones, the others take what there is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._figures: Figures | None = None
        self._until = 0.0

    def get(self) -> Figures:
        if self._figures is None or time.monotonic() >= self._until:
            with self._lock:
                if self._figures is None or time.monotonic() >= self._until:
                    self._figures, self._until = read(), time.monotonic() + KEPT_SECONDS
        return self._figures


kept = Kept()


def read() -> Figures:
    """Read them all anew."""
    now = timezone.now()
    first = now.astimezone(UTC).date() - timedelta(days=DAYS - 1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TIMEOUT)
        open_count, overdue = _open_tasks(now)
        return Figures(
            as_of=now,
            users=_rows(User),
            new_users=sum(_made_by_day(User, first).counts),
            tasks=_rows(Task),
            open=open_count,
            overdue=overdue,
            created=_made_by_day(Task, first),
            completed=_completed_by_day(first),
            live_tokens=_live_tokens(now),
            failed_logins=_failed_logins(now),
            **_reminders(now),
            **_webhooks(),
            purged_at=BackgroundJob.objects.filter(name="purge").values_list("ended_at", flat=True).first(),
            database_bytes=_size("pg_database_size(current_database())"),
            task_bytes=_size("pg_total_relation_size('tasks')"),
        )


def _rows(model: type[models.Model]) -> int:
    """Return how many rows there are; about, where they are many: what the last VACUUM or ANALYZE counted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        about = int(cursor.fetchone()[0])
    return about if about > 100_000 else model._default_manager.count()


def _open_tasks(now: datetime) -> tuple[int, int]:
    # An index-only scan of tasks_open. A day's task counts as overdue once the day is over in UTC, an instant's, too.
    today = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    counts = Task.objects.filter(deleted_at=None, is_completed=False).aggregate(
        open=Count("*"), overdue=Count("sort_due", filter=Q(sort_due__lt=today))
    )
    return counts["open"], counts["overdue"]


def _made_by_day(model: type[models.Model], first: date) -> Days:
    """Count rows by the time in their primary keys, which are UUIDv7: an index-only scan of the last days."""
    bounds = [_key_of(first + timedelta(days=number)) for number in range(DAYS)]
    table, key = connection.ops.quote_name(model._meta.db_table), connection.ops.quote_name(model._meta.pk.attname)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT width_bucket({key}, %s::uuid[]), count(*) FROM {table} WHERE {key} >= %s GROUP BY 1",  # noqa: S608 -- of our models
            [bounds, bounds[0]],
        )
        by_day = dict(cursor.fetchall())
    return Days(first, [by_day.get(number, 0) for number in range(1, DAYS + 1)])


def _key_of(day: date) -> uuid.UUID:
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80)


def _completed_by_day(first: date) -> Days:
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    rows = Task.objects.filter(completed_at__gte=since).annotate(day=TruncDate("completed_at", tzinfo=UTC))
    by_day = dict(rows.values_list("day").annotate(count=Count("*")))
    return Days(first, [by_day.get(first + timedelta(days=number), 0) for number in range(DAYS)])


def _live_tokens(now: datetime) -> int:
    is_live = Q(expires_at=None) | Q(expires_at__gt=now)
    return AccessToken.objects.filter(is_live, revoked_at=None, user__is_active=True).count()


def _failed_logins(now: datetime) -> int:
    since = uuid.UUID(int=int((now - timedelta(days=1)).timestamp() * 1000) << 80)  # a range of audit_events_by_action
    return AuditEvent.objects.filter(action=audit.SIGN_IN_FAILED, id__gte=since).count()


def _reminders(now: datetime) -> dict[str, Any]:
    pending, due = Reminder.objects.filter(settled_at=None), now - timedelta(minutes=1)
    earliest = pending.order_by("fires_at").values_list("fires_at", flat=True).first()
    late = 0 if earliest is None or earliest >= due else pending.filter(fires_at__lt=due).count()
    return {"next_reminder": earliest, "overdue_reminders": late}


_OLDEST_UNDELIVERED = """
SELECT min(first.at)
  FROM webhooks AS hook JOIN users ON users.id = hook.user_id,
       LATERAL (SELECT at FROM changes WHERE changes.user_id = hook.user_id AND changes.change_no > hook.position
                 ORDER BY changes.change_no LIMIT 1) AS first
 WHERE hook.is_enabled AND users.is_active AND users.change_no > hook.position
"""


def _webhooks() -> dict[str, Any]:
    """Count hooks, of which an account has a few at most, and find the first event that waits for one."""
    enabled = Webhook.objects.filter(is_enabled=True)
    counts = enabled.aggregate(webhooks=Count("*"), failing_webhooks=Count("failing_since"))
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_UNDELIVERED)
        return {**counts, "oldest_undelivered": cursor.fetchone()[0]}


def _size(expression: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        return int(cursor.fetchone()[0])
