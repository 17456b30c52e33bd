"""The filters of a list: for each the condition on the rows, and the values that it is given.

A day in a filter is the owner's. Where it begins only the database knows, so the first page has each resolved there:
into a day, for what is due on a day, and an instant, for what is due at one. The cursor carries both, and the pages
that follow are given them: what `today` meant stays the same to the end.

The index has both on one axis, `sort_due`, where a day stands for the instant at which it begins in UTC. Each filter
also bounds that axis, as widely as either could want, so that a page reads no more than it needs.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import BooleanField, DateTimeField, Expression, F, Func, Q
from django.db.models.functions import Now

from tasks.list_query import RelativeDay, TaskListQuery
from tasks.models import UNDATED, Priority, TaskList
from todoproject.database.client.sql import CurrentUser, Parameter

_RESOLUTION = timedelta(microseconds=1)


class _SQL(Expression):
    """A scalar as it stands, evaluated once for all rows."""

    def __init__(self, text: str) -> None:
        super().__init__(output_field=DateTimeField())  # never asked for: both sides come from the database
        self.text = text

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return f"(SELECT {self.text})", ()


class _Bound(NamedTuple):
    """Where a filter begins or ends: a day, and an instant, in SQL."""

    day: str
    instant: str

    @property
    def utc(self) -> str:
        """Where the day stands on the axis."""
        return f"({self.day})::timestamp AT TIME ZONE 'UTC'"


# Whose words are they? `day`: a day of the calendar; `relative`: from the owner's today; `instant`; `resolved`: as the
# first page has found it. Each with how many days, or how much of an instant, later than what is given the bound lies.
def _bound(name: str, kind: str, days: int, later: str) -> _Bound:
    given = f"%({name})s"
    if kind == "resolved":
        return _Bound(f"%({name}_{days}_day)s::date", f"%({name}_{days}_instant)s::timestamptz")
    if kind == "instant":
        # What is due on a day counts where that day begins: the first such day that begins at the bound or later.
        instant = f"({given}::timestamptz + interval '{later}')"
        return _Bound(f"day_of({instant} - interval '1 microsecond') + 1", instant)
    day = f"owner_today() + {given}::integer" if kind == "relative" else f"{given}::date"
    return _Bound(f"{day} + {days}", f"day_begins({day} + {days})")


def _from(bound: _Bound) -> Q:
    axis = _SQL(f"least({bound.utc}, {bound.instant})")
    either = Q(due_on__gte=_SQL(bound.day)) | Q(due_at__gte=_SQL(bound.instant))
    return either & Q(sort_due__gte=axis, sort_due__lt=UNDATED)


def _until(bound: _Bound) -> Q:
    axis = _SQL(f"greatest({bound.utc}, {bound.instant})")
    return (Q(due_on__lt=_SQL(bound.day)) | Q(due_at__lt=_SQL(bound.instant))) & Q(sort_due__lt=axis)


def _on(first: _Bound, next_: _Bound) -> Q:
    day = Q(due_on__gte=_SQL(first.day), due_on__lt=_SQL(next_.day))
    instant = Q(due_at__gte=_SQL(first.instant), due_at__lt=_SQL(next_.instant))
    axis = Q(sort_due__gte=_SQL(f"least({first.utc}, {first.instant})"))
    return (day | instant) & axis & Q(sort_due__lt=_SQL(f"greatest({next_.utc}, {next_.instant})"))


_KINDS = ("day", "relative", "instant", "resolved")
# How many days behind the one that is given each bound lies.
_MOMENTS: Mapping[str, tuple[int, ...]] = {"due_before": (0,), "due_after": (1,), "due_on": (0, 1)}
_MEETS: Mapping[str, Callable[..., Q]] = {"due_before": _until, "due_after": _from, "due_on": _on}


def _bounds(name: str, kind: str) -> list[_Bound]:
    later = "1 microsecond" if name == "due_after" else "0"
    return [_bound(name, kind, days, later) for days in _MOMENTS[name]]


def beginning_of_day(days: int) -> Expression:
    """Return when the owner's day so many days from today begins."""
    return _SQL(f"day_begins(owner_today() + {days})")


def _bounds_of_today() -> list[_Bound]:
    days = [f"owner_today() + {days}" for days in (0, 1)]
    return [_Bound(day, f"day_begins({day})") for day in days]


_ANY_PRIORITY = Func(F("priority"), template="%(expressions)s = ANY (%%(priorities)s)", output_field=BooleanField())
_HAS_LABELS = Func(F("labels"), template="has_labels(%(expressions)s, %%(label)s::text[])", output_field=BooleanField())
_TODAY = _SQL("owner_today()")
# An overdue task is open, and its day, where its owner is, or its instant is over. A day that is over there began
# in UTC in any case, so the first condition holds for both and lets the index skip the rest.
_OVERDUE = Q(is_completed=False) & Q(sort_due__lt=Now()) & (Q(due_on=None) | Q(due_on__lt=_TODAY))
_NOT_OVERDUE = Q(is_completed=True) | Q(sort_due__gte=Now()) | Q(due_on__gte=_TODAY)

_ARCHIVED = TaskList.objects.filter(user=CurrentUser(), is_archived=True).values("id")
CONDITIONS: Mapping[str, Q] = {
    "is_completed": Q(is_completed=Parameter("is_completed")),
    "priority": Q(priority=Parameter("priority")),
    "priorities": Q(_ANY_PRIORITY),
    "has due": Q(sort_due__lt=UNDATED),
    "has no due": Q(sort_due__gte=UNDATED),
    "overdue": _OVERDUE,
    "due_on today": _on(*_bounds_of_today()),
    "not overdue": _NOT_OVERDUE,
    "created_after": Q(created_at__gt=Parameter("created_after")),
    "updated_after": Q(updated_at__gt=Parameter("updated_after")),
    "completed_after": Q(completed_at__gt=Parameter("completed_after")),
    "completed_before": Q(completed_at__lt=Parameter("completed_before")),
    "label": Q(_HAS_LABELS),
    "external_id": Q(external_id=Parameter("external_id")),
    "starts_before": Q(starts_on__lt=Parameter("starts_before")),
    "list_id": Q(list_id=Parameter("list_id")),
    "inbox": Q(list_id=None),
    "parent_id": Q(parent_id=Parameter("parent_id")),
    "top level": Q(parent_id=None),
    "recurring": Q(recurrence__isnull=False),
    "not recurring": Q(recurrence__isnull=True),
    # Read once for a page, not once a task.
    "in archived list": Q(list_id__in=_ARCHIVED),
    "not in archived list": Q(list_id=None) | ~Q(list_id__in=_ARCHIVED),
    "live": Q(deleted_at=None),
    "deleted": ~Q(deleted_at=None),
    **{f"{name} {kind}": _MEETS[name](*_bounds(name, kind)) for name in _MOMENTS for kind in _KINDS},
}
# A switch chooses between two conditions, neither of which has a value.
_SWITCHES = {
    "deleted": ("deleted", "live"),
    "overdue": ("overdue", "not overdue"),
    "has_due": ("has due", "has no due"),
    "is_recurring": ("recurring", "not recurring"),
    "in_archived_list": ("in archived list", "not in archived list"),
}
_NULLABLE = {"list_id": "inbox", "parent_id": "top level"}  # parameters that may be `null`, and what they are then
_VALUES = (
    *("label", "external_id", "starts_before", "list_id", "parent_id", "is_completed"),
    *("created_after", "updated_after", "completed_after", "completed_before"),
)


def conditions(query: TaskListQuery, *, is_continued: bool) -> frozenset[str]:
    """Return the names of the conditions that the rows must meet."""
    given = _given(query)
    nulls = {condition for name, condition in _NULLABLE.items() if getattr(query, name) == "null"}
    switches = {on if given[name] else off for name, (on, off) in _SWITCHES.items() if name in given}
    moments = {f"{name} {'resolved' if is_continued else _kind(given[name])}" for name in _MOMENTS if name in given}
    priority = [] if query.priority is None else ["priority" if len(query.priority) == 1 else "priorities"]
    return frozenset({*nulls, *switches, *moments, *priority, *(name for name in _VALUES if name in given)})


def values(query: TaskListQuery, resolved: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of these conditions; `resolved` is what the first page has found the moments to be."""
    given = _given(query)
    parameters: dict[str, Any] = {name: given[name] for name in ("q", *_VALUES) if name in given}
    if query.priority is not None:
        numbers = [Priority[word.upper()].value for word in query.priority]
        parameters |= {"priority": numbers[0]} if len(numbers) == 1 else {"priorities": numbers}
    if resolved:
        return {**parameters, **resolved}
    return parameters | {name: _plain(given[name]) for name in _MOMENTS if name in given}


def resolving(moments: Iterable[str]) -> dict[str, str]:
    """Return, by the name of each parameter that the pages to come will be given, the SQL that finds its value.

    `moments` are names of conditions; the others among them need nothing.
    """
    found = {}
    for condition in sorted(moments):
        name, _, kind = condition.partition(" ")
        if name in _MOMENTS and kind != "resolved":
            for days, bound in zip(_MOMENTS[name], _bounds(name, kind), strict=True):
                found[f"{name}_{days}_day"] = f"(SELECT {bound.day})"
                found[f"{name}_{days}_instant"] = f"(SELECT {bound.instant})"
    return found


def _given(query: TaskListQuery) -> dict[str, Any]:
    given = {name: value for name, value in vars(query).items() if value is not None}
    return {name: value for name, value in given.items() if name not in _NULLABLE or value != "null"}


def _kind(moment: date | datetime | RelativeDay) -> str:
    if isinstance(moment, RelativeDay):
        return "relative"
    return "instant" if isinstance(moment, datetime) else "day"


def _plain(moment: date | datetime | RelativeDay) -> date | datetime | int:
    return moment.days if isinstance(moment, RelativeDay) else moment
