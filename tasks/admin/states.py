"""The state that a task is in: as a word, and to filter by."""

from datetime import UTC
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter

from tasks.admin.search import is_overdue
from tasks.models import Task


def overdue() -> Q:
    """Return the condition that a task's due has passed, whether it is done or not."""
    # Staff have no zone in common with the owners: a day is over when it is over in UTC.
    now = timezone.now()
    return Q(due_on__lt=now.astimezone(UTC).date()) | Q(due_at__lt=now)


def state_of(task: Task) -> str:
    """Return the word for a task's state."""
    if task.deleted_at is not None:
        return "deleted"
    if task.is_completed:
        return "completed"
    return "overdue" if is_overdue(task, timezone.now()) else "open"


class DeletedFilter(DropdownFilter):
    """Hides deleted tasks unless they are asked for."""

    title = "deleted"
    parameter_name = "deleted"
    all_option = ["", "No"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("all", "All, deleted or not")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> "QuerySet[Task]":
        if self.value() == "all":
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() != "yes")


class StateFilter(DropdownFilter):
    """Open, overdue or completed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("overdue", "Overdue"), ("completed", "Completed")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> "QuerySet[Task]":
        match self.value():
            case "open":
                return queryset.filter(is_completed=False)
            case "overdue":
                return queryset.filter(overdue(), is_completed=False)
            case "completed":
                return queryset.filter(is_completed=True)
        return queryset
