"""Filters of tasks by days, and by what is somebody's own: their lists and labels, offered once an owner is chosen."""

import uuid
from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField, Value
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from tasks.admin.search import key_at
from tasks.models import Task, TaskList
from todoproject.admin.change_list import DayRangeFilter

OWNER = "user__id__exact"
MOST_CHOICES = 200
_INBOX = "inbox"

# As GET /v1/labels counts them: folded, in the spelling most used; of so many newest tasks, for a page must stay quick
# whoever is looked at. An older label is found by the search, and by its name in the address.
_NEWEST = 5_000
_LABELS = """
SELECT mode() WITHIN GROUP (ORDER BY label COLLATE "C")
  FROM (SELECT labels FROM tasks WHERE user_id = %s AND deleted_at IS NULL
         ORDER BY created_at DESC, id DESC LIMIT %s) AS newest, unnest(labels) AS label
 GROUP BY fold(label) ORDER BY count(*) DESC, 1 LIMIT %s
"""


def owner_of(request: HttpRequest) -> uuid.UUID | None:
    """Return the owner that a list is filtered by."""
    return _id(request.GET.get(OWNER, ""))


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def lists_of(owner: uuid.UUID) -> list[tuple[str, str]]:
    """Return an owner's lists as choices, as the owner has put them."""
    rows = TaskList.objects.live().filter(user_id=owner).order_by("position", "id")[:MOST_CHOICES]
    return [(str(row.id), row.name) for row in rows]


class _OwnersFilter(DropdownFilter):
    """By something that is one owner's own."""

    def __init__(self, request: HttpRequest, *arguments: Any) -> None:
        super().__init__(request, *arguments)
        if owner_of(request) is None:
            self.all_option = ["", "All (choose an owner first)"]

    def has_output(self) -> bool:
        return True


class ListFilter(_OwnersFilter):
    """In one of the owner's lists, or in their inbox."""

    title = "list"
    parameter_name = "list_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        owner = owner_of(request)
        choices = [] if owner is None else [(_INBOX, "Inbox"), *lists_of(owner)]
        asked = _id(self.value() or "")
        if asked is not None and str(asked) not in dict(choices):  # a link of ours: deleted, or nobody's in particular
            choices += [(str(asked), row.name) for row in TaskList.objects.filter(id=asked)[:1]]
        return choices

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> "QuerySet[Task]":
        if self.value() == _INBOX:
            return queryset.filter(list_id=None)
        asked = _id(self.value() or "")
        return queryset if asked is None else queryset.filter(list_id=asked)


class LabelFilter(_OwnersFilter):
    """With one of the owner's labels, whatever its case."""

    title = "label"
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        owner = owner_of(request)
        if owner is None:
            return []
        with connection.cursor() as cursor:
            cursor.execute(_LABELS, [owner, _NEWEST, MOST_CHOICES])
            names = [str(name) for (name,) in cursor.fetchall()]
        asked = self.value()
        return [(name, name) for name in [*names, *([asked] if asked and asked not in names else [])]]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> "QuerySet[Task]":
        asked = self.value()
        if not asked or owner_of(request) is None:
            return queryset
        wanted = Value([asked.replace("\0", "")], output_field=ArrayField(TextField()))
        return queryset.filter(Func(F("labels"), wanted, function="has_labels", output_field=BooleanField()))


class DueFilter(DayRangeFilter):
    """Finds tasks by when they are due, whether that is a day or an instant."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.title = "due"

    def condition(self, comparison: str, day: date, of_day: time) -> Q:
        instant = datetime.combine(day, of_day, UTC)
        return Q((f"due_on__{comparison}", day)) | Q((f"due_at__{comparison}", instant))


class CreatedFilter(DayRangeFilter):
    """Finds tasks by when they were made: the primary key's index knows that, to within a clock's error."""

    def condition(self, comparison: str, day: date, of_day: time) -> Q:
        instant = datetime.combine(day, of_day, UTC)
        return super().condition(comparison, day, of_day) & Q((f"key__{comparison}", key_at(instant, comparison)))
