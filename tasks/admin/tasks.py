"""The staff's view of tasks. Deleting means what it means in the API: the row stays, marked as deleted."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts import audit
from accounts.admin import event_names
from tasks.admin import search, series
from tasks.admin.actions import TaskActions
from tasks.admin.filters import CreatedFilter, DueFilter, LabelFilter, ListFilter
from tasks.admin.forms import OF_SERIES, TaskForm
from tasks.admin.states import DeletedFilter, StateFilter, state_of
from tasks.models import Task, TaskList
from tasks.recurrence import bounded
from tasks.recurrence.rules import RuleRefused
from todoproject.admin.change_list import DayRangeFilter, PersonFilter
from todoproject.admin.displays import looked_up_once
from todoproject.admin.paginator import MOST_COUNTED

MOST_SUBTASKS, MOST_COPIES = 50, 20  # shown on a task's page


def _links(tasks: Iterable[Task]) -> str:
    links = ((reverse("admin:tasks_task_change", args=[task.pk]), task.title) for task in tasks)
    return format_html_join(", ", '<a href="{}" class="text-link">{}</a>', links)


@admin.register(Task)
class TaskAdmin(TaskActions):
    """Everybody's tasks."""

    kind = "task"
    form = TaskForm
    records_views = True
    list_display = ("title", "owner", "state", "priority", "is_completed", "due")
    list_editable = ("priority", "is_completed")
    list_per_page = 25  # two fields in each row take their time to draw
    list_select_related = ("user",)
    list_filter = (
        ("user", PersonFilter),
        StateFilter,
        ("priority", ChoicesDropdownFilter),
        ListFilter,
        LabelFilter,
        ("due_on", DueFilter),
        ("created_at", CreatedFilter),
        ("completed_at", DayRangeFilter),
        DeletedFilter,
    )
    ordering = ("-key",)  # UUIDv7: by creation, and by the primary key's index
    search_fields = ("title",)  # what is searched is in get_search_results
    search_help_text = (
        "Words of the title or text, “a phrase”, -without, the beginning of an owner’s e-mail (with its @), both, or a"
        " whole id"
    )
    autocomplete_fields = ("user",)
    is_list_watched = True
    list_disable_select_all = False  # asked for with their number, a thousand at most
    readonly_fields = (
        *("id", "kept_in", "parent", "subtasks", "labelled", "external_id", "version", "number"),
        *("recurs", "reminded", "copy_of", "copies"),
        *("created_at", "updated_at", "completed_at", "deleted_at"),
    )
    fieldsets = (
        (None, {"fields": ("title", "description", "user")}),
        ("State", {"fields": ("is_completed", "priority", "due_on", "due_at", "starts_on")}),
        ("Series and reminders", {"fields": ("recurs", "copies", "copy_of", "reminded")}),
        (
            "Details",
            {
                "fields": (
                    *("kept_in", "parent", "subtasks", "labelled", "external_id"),
                    ("created_at", "updated_at"),
                    ("completed_at", "deleted_at"),
                    ("version", "number"),
                    "id",
                )
            },
        ),
    )
    _edited = ("rule", ("counts_from", "missed"), "zone", "remind")
    edited_fieldsets = (
        *fieldsets[:2],
        ("Series and reminders", {"fields": ("recurs", *_edited, "copies", "copy_of")}),
        fieldsets[3],
    )
    add_fieldsets = (*fieldsets[:2], ("Series and reminders", {"fields": _edited}))  # type: ignore[assignment]  # Unfold's default is an empty tuple
    export_columns: ClassVar = {"id": "id", "owner": "user__email", "owner_id": "user_id"} | {
        name: name
        for name in (
            *("title", "description", "is_completed", "completed_at", "priority", "list_id", "parent_id"),
            *("due_on", "due_at", "starts_on", "labels", "external_id"),
            *("recurrence", "occurrence", "recurrence_of", "reminders"),
            *("created_at", "updated_at", "deleted_at", "version", "change_no"),
        )
    }

    def mark(self, row: Task) -> str:
        """Return the version, which every writer moves."""
        return str(row.version)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Task]", search_term: str
    ) -> "tuple[QuerySet[Task], bool]":
        """Find by words, by the beginning of an owner's e-mail or by an id; each has its index."""
        term = search_term.strip()
        # A list shows the newest and counts no further; an export has them all.
        is_list = request.path == reverse("admin:tasks_task_changelist")
        if is_list and term and not search.is_searchable(term):
            messages.warning(
                request, "There is nothing in this search to look for: give a word that has no - before it."
            )
        most = MOST_COUNTED + 1 if is_list and "user__id__exact" not in request.GET else None
        return search.search(queryset, term, most=most) if term else queryset, False

    def list_note(self, request: HttpRequest) -> str:
        """Say why everybody's tasks are in one order only: no index has them by due, and reading all takes seconds."""
        if request.GET.get("user__id__exact"):
            return ""
        return (
            "Everybody’s tasks are sorted by when they were made. Filter by an owner to sort by due or title, and to"
            " filter by their lists and labels."
        )

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        """Sort one owner's tasks by anything; all tasks would have to be read and sorted whole."""
        return ("title", "state", "priority", "due") if request.GET.get("user__id__exact") else ()

    @display(description="Owner")
    def owner(self, task: Task) -> str:
        address = reverse("admin:accounts_user_change", args=[task.user_id])
        return format_html('<a href="{}" class="text-link">{}</a>', address, task.user)

    @display(
        description="State",
        label={"open": "info", "overdue": "warning", "completed": "success", "deleted": "danger"},
        ordering="is_completed",
    )
    def state(self, task: Task) -> str:
        return state_of(task)

    @display(description="Belongs under")
    @looked_up_once
    def parent(self, task: Task) -> str:
        found = Task.objects.filter(user_id=task.user_id, id=task.parent_id).first() if task.parent_id else None
        return "–" if found is None else _links([found])

    @display(description="Subtasks")
    @looked_up_once
    def subtasks(self, task: Task) -> str:
        found = Task.objects.live().filter(user_id=task.user_id, parent_id=task.id).order_by("position", "id")
        return _links(found[:MOST_SUBTASKS]) or "–"

    @display(description="Labels")
    def labelled(self, task: Task) -> str:
        return ", ".join(task.labels)

    @display(description="Recurs")
    def recurs(self, task: Task) -> str:
        return series.described(task) or "–"

    @display(description="Reminders")
    def reminded(self, task: Task) -> str:
        return series.reminders(task.reminders) or "–"

    @display(description="Completed from")
    @looked_up_once
    def copy_of(self, task: Task) -> str:
        found = Task.objects.filter(user_id=task.user_id, id=task.recurrence_of).first() if task.recurrence_of else None
        return "–" if found is None else format_html("{}, {}", _links([found]), series.occurrence(task.occurrence))

    @display(description="Completed occurrences")
    @looked_up_once
    def copies(self, task: Task) -> str:
        found = Task.objects.live().filter(user_id=task.user_id, recurrence_of=task.id).order_by("-occurrence")
        links = (
            (reverse("admin:tasks_task_change", args=[copy.pk]), series.occurrence(copy.occurrence))
            for copy in found[:MOST_COPIES]
        )
        return format_html_join("; ", '<a href="{}" class="text-link">{}</a>', links) or "–"

    @display(description="List")
    @looked_up_once
    def kept_in(self, task: Task) -> str:
        found = TaskList.objects.filter(user_id=task.user_id, id=task.list_id).first() if task.list_id else None
        if found is None:
            return "Inbox"
        address = reverse("admin:tasks_tasklist_change", args=[found.pk])
        return format_html('<a href="{}" class="text-link">{}</a>', address, found.name)

    @display(description="Change number")
    def number(self, task: Task) -> int:
        return task.change_no

    @display(description="Due", ordering="sort_due")
    def due(self, task: Task) -> date | datetime | None:
        return task.due_at or task.due_on

    def save_model(self, request: HttpRequest, obj: Any, form: Form, change: bool) -> None:
        """Complete what recurs by its present occurrence, after the rest of the form is written."""
        if isinstance(form, TaskForm):  # not a row of the list
            form.put_series(obj)
        if not (change and obj.is_completed and obj.recurrence is not None and "is_completed" in form.changed_data):
            super().save_model(request, obj, form, change)
            return
        form.changed_data.remove("is_completed")
        names = {*form.changed_data, "is_completed", *series.MOVED} - {*OF_SERIES}
        before = audit.values(Task.objects.get(pk=obj.pk), names)
        super().save_model(request, obj, form, change)
        if obj.recurrence is None:  # the form has cleared its due
            Task.objects.filter(pk=obj.pk).update(is_completed=True)
            obj.refresh_from_db()
        series.complete_occurrence(obj)
        request._audited = (names, before)  # type: ignore[attr-defined]  # as ModelAdmin's own

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        """Fix the owner of a task that exists: a trigger would refuse another one."""
        return (*self.readonly_fields, "user") if obj is not None else self.readonly_fields

    def has_change_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        """A deleted task can be looked at and restored, not edited."""
        return (obj is None or obj.deleted_at is None) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        return (obj is None or obj.deleted_at is None) and bool(super().has_delete_permission(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Offer fields to whoever may change the task; others see in words what they hold."""
        if obj is not None and self.has_change_permission(request, obj):
            return self.edited_fieldsets
        return super().get_fieldsets(request, obj)

    def changelist_view(  # type: ignore[override]  # as in ModelAdmin
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a list, or act on it; where a rule's next day takes too long to find, nothing is done."""
        try:
            with bounded():
                return super().changelist_view(request, extra_context)
        except RuleRefused as error:
            self.message_user(request, f"Nothing was done. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def changeform_view(  # type: ignore[override]  # as in ModelAdmin
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save a task; where its rule's next day takes too long to find, nothing is saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except RuleRefused as error:
            self.message_user(request, f"Nothing was saved. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """Leave out the buttons to make or change a user: choosing an owner is no place for that."""
        form = super().get_form(request, obj, change, **options)
        if owner := form.base_fields.get("user"):
            owner.widget.can_add_related = owner.widget.can_change_related = owner.widget.can_view_related = False
        return form


event_names.add(Task, "title")
