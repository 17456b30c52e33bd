"""The staff's view of lists. Deleting one puts its tasks into the inbox, or away with it; it can be restored."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display

from accounts.admin import event_names, person_panels
from accounts.admin.person_panels import Panel
from accounts.models import User
from tasks.admin.changes import ChangeHistory
from tasks.admin.states import DeletedFilter
from tasks.models import Task, TaskList
from todoproject.admin.change_list import PersonFilter


@admin.register(TaskList)
class ListAdmin(ChangeHistory):
    """Everybody's lists."""

    kind = "list"
    records_views = True
    list_display = ("name", "owner", "is_archived", "open_tasks", "created_at")
    list_select_related = ("user",)
    list_filter = (("user", PersonFilter), ("is_archived", BooleanRadioFilter), DeletedFilter)
    ordering = ("-key",)
    search_fields = ("id",)  # what is searched is in ModelAdmin.get_search_results
    search_help_text = "A whole id"
    autocomplete_fields = ("user",)
    is_list_watched = True
    readonly_fields = ("id", "version", "number", "open_tasks", "created_at", "updated_at", "archived_at", "deleted_at")
    fieldsets = (
        (None, {"fields": ("name", "color", "user", "is_archived")}),
        (
            "Details",
            {
                "fields": (
                    *("open_tasks", ("created_at", "updated_at"), ("archived_at", "deleted_at")),
                    *(("version", "number"), "id"),
                )
            },
        ),
    )
    add_fieldsets = fieldsets[:1]  # type: ignore[assignment]  # Unfold's default is an empty tuple
    actions = ("empty_and_remove", "remove_with_tasks", "restore")
    export_columns: ClassVar = {"id": "id", "owner": "user__email", "owner_id": "user_id"} | {
        name: name
        for name in (
            *("name", "color", "position", "is_archived", "archived_at"),
            *("created_at", "updated_at", "deleted_at", "version", "change_no"),
        )
    }

    def mark(self, row: TaskList) -> str:
        """Return the version, which every writer moves."""
        return str(row.version)

    @display(description="Owner")
    def owner(self, row: TaskList) -> str:
        address = reverse("admin:accounts_user_change", args=[row.user_id])
        return format_html('<a href="{}" class="text-link">{}</a>', address, row.user)

    @display(description="Tasks")
    def open_tasks(self, row: TaskList) -> str:
        address = person_panels.more("tasks_task", user__id__exact=row.user_id, list_id=row.id)
        return format_html('<a href="{}" class="text-link">Show</a>', address)

    @display(description="Change number")
    def number(self, row: TaskList) -> int:
        return row.change_no

    @admin.action(description="Delete selected lists, their tasks go to the inbox", permissions=["delete"])
    def empty_and_remove(self, request: HttpRequest, queryset: "QuerySet[TaskList]") -> None:
        self._remove(request, queryset, with_tasks=False)

    @admin.action(description="Delete selected lists with their tasks (they can be restored)", permissions=["delete"])
    def remove_with_tasks(self, request: HttpRequest, queryset: "QuerySet[TaskList]") -> None:
        self._remove(request, queryset, with_tasks=True)

    def _remove(self, request: HttpRequest, queryset: "QuerySet[TaskList]", *, with_tasks: bool) -> None:
        live = queryset.filter(deleted_at=None)
        with transaction.atomic():
            self.lock_owners(request, live)
            _clear([row for row in live if self._is_as_seen(request, row)], with_tasks=with_tasks)
            self.update_selected(request, live, "deleted", deleted_at=Now())

    @admin.action(description="Restore selected deleted lists", permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: "QuerySet[TaskList]") -> None:
        self.update_selected(request, queryset.exclude(deleted_at=None), "restored", deleted_at=None)

    def get_actions(self, request: HttpRequest) -> Any:
        """Leave out Django's way to delete, which removes rows."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[TaskList]") -> None:
        """Mark as deleted, should Django's own way ever be offered again: no row goes from here."""
        for row in queryset.filter(deleted_at=None):
            self.delete_model(request, row)

    def delete_model(self, request: HttpRequest, obj: TaskList) -> None:
        """Put the tasks into the inbox: that loses nothing."""
        with transaction.atomic():
            self.lock_owners(request, TaskList.objects.filter(pk=obj.pk))
            _clear([obj], with_tasks=False)
            TaskList.objects.filter(pk=obj.pk, deleted_at=None).update(deleted_at=Now())

    def get_readonly_fields(self, request: HttpRequest, obj: TaskList | None = None) -> tuple[str, ...]:
        """Fix the owner of a list that exists: a trigger would refuse another one."""
        return (*self.readonly_fields, "user") if obj is not None else self.readonly_fields

    def has_change_permission(self, request: HttpRequest, obj: TaskList | None = None) -> bool:
        """A deleted list can be looked at and restored, not edited."""
        return (obj is None or obj.deleted_at is None) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: TaskList | None = None) -> bool:
        return (obj is None or obj.deleted_at is None) and bool(super().has_delete_permission(request, obj))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """Leave out the buttons to make or change a user: choosing an owner is no place for that."""
        form = super().get_form(request, obj, change, **options)
        if owner := form.base_fields.get("user"):
            owner.widget.can_add_related = owner.widget.can_change_related = owner.widget.can_view_related = False
        return form


def _clear(rows: Iterable[TaskList], *, with_tasks: bool) -> None:
    """Take the tasks out of lists that are about to be deleted, or delete them with their list."""
    for row in rows:
        tasks = Task.objects.live().filter(user_id=row.user_id, list_id=row.id)
        if with_tasks:
            tasks.update(deleted_at=Now(), deleted_with=row.id)
        else:  # subtasks go with their parents
            tasks.filter(parent_id=None).update(list_id=None)


def _lists(request: HttpRequest, user: User) -> Panel | None:
    if not request.user.has_perm("tasks.view_tasklist"):
        return None
    rows = [
        (
            person_panels.link(row.name, "tasks_tasklist_change", row.pk),
            "archived" if row.is_archived else "",
            person_panels.when(row.created_at),
        )
        for row in TaskList.objects.live().filter(user=user).order_by("position", "id")[: person_panels.ROWS]
    ]
    return Panel(
        "Lists", ("Name", "State", "Created"), rows, person_panels.more("tasks_tasklist", user__id__exact=user.pk)
    )


event_names.add(TaskList, "name")
person_panels.add(_lists)
