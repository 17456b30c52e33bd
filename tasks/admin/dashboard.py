"""The first page of the admin: how it is going, as far as one may see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from accounts import audit
from tasks.admin import statistics
from tasks.admin.statistics import Days, Figures
from todoproject.admin import charts
from todoproject.observability import metrics

MOST_ROUTES = 6
_ROUTE_COLUMNS = ("Route", "Calls", "95 % within", "Database, mean")


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, and where it leads."""

    title: str
    value: str
    note: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under the names of their columns."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One number a day."""

    title: str
    days: Days

    @property
    def drawing(self) -> SafeString:
        return charts.bars(self.title, self.days.first, self.days.counts)


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the index page's context what this person may see; `UNFOLD["DASHBOARD_CALLBACK"]`."""
    try:
        found = statistics.kept.get()
    except DatabaseError:
        return {**context, "no_figures": True}  # the statement timeout: the pages behind work all the same
    may = request.user.has_perm
    tiles: list[Tile] = []
    if may("accounts.view_user"):
        tiles.append(_users(found))
    if may("tasks.view_task"):
        tiles += _tasks(found)
    if may("accounts.view_accesstoken"):
        tiles.append(_tokens(found))
    if may("tasks.view_webhook"):
        tiles.append(_webhooks(found))
    if may("accounts.view_auditevent"):
        tiles.append(_failed_logins(found))
    tiles.append(_database(found))
    return {
        **context,
        "title": "Overview",
        "as_of": found.as_of,
        "tiles": tiles,
        "plots": _plots(found) if may("tasks.view_task") else [],
        "tables": _slowest_routes(),
    }


def _plots(found: Figures) -> list[Plot]:
    return [Plot("Tasks created", found.created), Plot("Tasks completed", found.completed)]


def _users(found: Figures) -> Tile:
    address = reverse("admin:accounts_user_changelist")
    return Tile("Users", f"{found.users:,}", f"{found.new_users:,} new in {statistics.DAYS} days", address)


def _tasks(found: Figures) -> list[Tile]:
    address = reverse("admin:tasks_task_changelist")
    open_note = f"{found.open:,} of them open"
    overdue_note = f"{found.overdue:,} open tasks, due before today (UTC)"
    return [
        Tile("Tasks", f"{found.tasks:,}", open_note, address),
        Tile("Overdue", f"{found.overdue_percent:.0f} %", overdue_note, f"{address}?state=overdue"),
        _reminders(found),
    ]


def _reminders(found: Figures) -> Tile:
    """Tell when one fires next; where one has not fired in time, nobody is there to see to it."""
    if found.next_reminder is None:
        return Tile("Next reminder", "–", "none is set")
    when = f"{date_format(found.next_reminder, 'DATETIME_FORMAT')} UTC"
    if found.overdue_reminders:
        note = f"late since {when}: is the background process running?"
        return Tile("Reminders overdue", f"{found.overdue_reminders:,}", note)
    return Tile("Next reminder", timeuntil(found.next_reminder, found.as_of), when)


def _tokens(found: Figures) -> Tile:
    address = reverse("admin:accounts_accesstoken_changelist")
    return Tile("Active tokens", f"{found.live_tokens:,}", "not expired, not revoked", address)


def _webhooks(found: Figures) -> Tile:
    """Tell how many fail, and since when an event waits for one: also where nobody is there to deliver it."""
    address = reverse("admin:tasks_webhook_changelist", query={"is_enabled__exact": 1})
    note = "nothing waits"
    if found.oldest_undelivered is not None:
        note = f"an event waits since {date_format(found.oldest_undelivered, 'DATETIME_FORMAT')} UTC"
    return Tile("Webhooks failing", f"{found.failing_webhooks:,} of {found.webhooks:,}", note, address)


def _failed_logins(found: Figures) -> Tile:
    address = reverse("admin:accounts_auditevent_changelist", query={"action": audit.SIGN_IN_FAILED})
    return Tile("Failed logins", f"{found.failed_logins:,}", "in the last 24 hours", address)


def _slowest_routes() -> list[Table]:
    """Return the operations with the slowest answers since the start, over all workers."""
    rows = [
        (f"{one.method} {one.route}", f"{one.calls:,}", f"{one.p95_ms:.0f} ms", f"{one.database_ms:.1f} ms")
        for one in metrics.routes()[:MOST_ROUTES]
    ]
    return [Table("Slowest routes", "since the server’s start", _ROUTE_COLUMNS, rows, "No requests yet.")]


def _database(found: Figures) -> Tile:
    purged = "never purged" if found.purged_at is None else f"purged {timesince(found.purged_at, found.as_of)} ago"
    note = f"tasks with indexes {filesizeformat(found.task_bytes)}; {purged}"
    return Tile("Database", filesizeformat(found.database_bytes), note)
