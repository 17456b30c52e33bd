"""The filters of a list: for each the condition on the rows, and the values that it is given.

Days and instants meet on one axis, `sort_due`: a day stands for the instant at which it begins in UTC.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Expression, Q
from django.db.models.functions import Now

from tasks.models import UNDATED, Priority, TaskList
from tasks.schemas import TaskListQuery
from todoproject.database.client.sql import CurrentUser, Parameter

_RESOLUTION = timedelta(microseconds=1)


class _OwnerToday(Expression):
    """Which day it is where the owner of the tasks is."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[()]]:
        return "(SELECT owner_today())", ()


# An overdue task is open, and its day, where its owner is, or its instant is over. A day that is over there began
# in UTC in any case, so the first condition holds for both and lets the index skip the rest.
_OVERDUE = Q(is_completed=False) & Q(sort_due__lt=Now()) & (Q(due_on=None) | Q(due_on__lt=_OwnerToday()))
_NOT_OVERDUE = Q(is_completed=True) | Q(sort_due__gte=Now()) | Q(due_on__gte=_OwnerToday())

_ARCHIVED = TaskList.objects.filter(user=CurrentUser(), is_archived=True).values("id")

# Each condition that has no value is a filter of its own: `overdue` and `deleted` choose between two.
CONDITIONS: Mapping[str, Q] = {
    "is_completed": Q(is_completed=Parameter("is_completed")),
    "priority": Q(priority=Parameter("priority")),
    "due_on": Q(due_on=Parameter("due_on"), sort_due=Parameter("due_on_begins")),
    "due_before": Q(sort_due__lt=Parameter("due_before")),
    "due_after": Q(sort_due__gte=Parameter("due_after"), sort_due__lt=UNDATED),
    "overdue": _OVERDUE,
    "not overdue": _NOT_OVERDUE,
    "created_after": Q(created_at__gt=Parameter("created_after")),
    "updated_after": Q(updated_at__gt=Parameter("updated_after")),
    "list_id": Q(list_id=Parameter("list_id")),
    "inbox": Q(list_id=None),
    # Read once for a page, not once a task.
    "in archived list": Q(list_id__in=_ARCHIVED),
    "not in archived list": Q(list_id=None) | ~Q(list_id__in=_ARCHIVED),
    "live": Q(deleted_at=None),
    "deleted": ~Q(deleted_at=None),
}


def conditions(query: TaskListQuery) -> frozenset[str]:
    """Return the names of the conditions that the rows must meet."""
    switches = {"deleted" if query.deleted else "live"}
    if query.list_id == "null":
        switches.add("inbox")
    if query.in_archived_list is not None:
        switches.add("in archived list" if query.in_archived_list else "not in archived list")
    if query.overdue is not None:
        switches.add("overdue" if query.overdue else "not overdue")
    return frozenset(switches | _VALUES.keys() & _given(query).keys())


def values(query: TaskListQuery) -> dict[str, Any]:
    """Return the parameters of these conditions."""
    parameters: dict[str, Any] = {} if query.q is None else {"q": query.q}
    for name, value in _given(query).items():
        if name in _VALUES:
            parameters |= _VALUES[name](value)
    return parameters


def _given(query: TaskListQuery) -> dict[str, Any]:
    return {name: value for name, value in vars(query).items() if value is not None and value != "null"}


def _itself(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: value}


_VALUES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "is_completed": _itself("is_completed"),
    "priority": lambda word: {"priority": Priority[word.upper()].value},
    "due_on": lambda day: {"due_on": day, "due_on_begins": _begin(day)},
    "due_before": lambda moment: {"due_before": _begin(moment)},
    "due_after": lambda moment: {"due_after": _end(moment)},
    "list_id": _itself("list_id"),
    "created_after": _itself("created_after"),
    "updated_after": _itself("updated_after"),
}


def _begin(moment: date | datetime) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time.min, UTC)


def _end(moment: date | datetime) -> datetime:
    """Return the first instant after a day or an instant."""
    return _begin(moment) + (_RESOLUTION if isinstance(moment, datetime) else timedelta(days=1))
