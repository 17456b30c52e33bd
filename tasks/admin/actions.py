"""What staff do to many tasks at once, to the trash, and back. Deleting marks as deleted, as the API does."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from tasks.admin import bulk, series
from tasks.admin.changes import ChangeHistory
from tasks.models import Task
from todoproject.admin import questions
from todoproject.admin.paginator import MOST_COUNTED


class TaskActions(ChangeHistory):
    """The actions of the list of tasks, and the way out of the trash."""

    actions = ("complete", "reopen", "edit", "remove", "restore")

    @admin.action(description="Complete selected tasks", permissions=["change"])
    def complete(self, request: HttpRequest, queryset: "QuerySet[Task]") -> HttpResponse | None:
        chosen = queryset.filter(is_completed=False, deleted_at=None)
        return self._act(request, chosen, "completed", "Complete", also=series.MOVED, is_completed=True)

    @admin.action(description="Reopen selected tasks", permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: "QuerySet[Task]") -> HttpResponse | None:
        chosen = queryset.filter(is_completed=True, deleted_at=None)
        return self._act(request, chosen, "reopened", "Reopen", is_completed=False)

    @admin.action(description="Move selected tasks to the trash", permissions=["delete"])
    def remove(self, request: HttpRequest, queryset: "QuerySet[Task]") -> HttpResponse | None:
        """Mark as deleted, as the API does: clients that synchronise must learn of it."""
        chosen = queryset.filter(deleted_at=None)
        question = "Move {rows} to the trash? They can be restored from there until they are purged."
        if page := questions.ask_first(self, request, chosen, question, "Move to the trash"):
            return page
        gone = self.update_selected(request, chosen, "deleted", tells=False, deleted_at=Now())
        if gone:
            self._offer_undo(request, f"{self.counted(len(gone))} moved to the trash.", [task.pk for task in gone])
        return None

    @admin.action(description="Restore selected deleted tasks", permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: "QuerySet[Task]") -> HttpResponse | None:
        return self._act(request, queryset.exclude(deleted_at=None), "restored", "Restore", deleted_at=None)

    @admin.action(description="Edit selected tasks…", permissions=["change"])
    def edit(self, request: HttpRequest, queryset: "QuerySet[Task]") -> HttpResponse | None:
        chosen = queryset.filter(deleted_at=None)
        owners = {*chosen.order_by().values_list("user_id", flat=True)[: MOST_COUNTED + 1]}  # of more nothing is done
        form = bulk.BulkForm(request.POST if "confirmed" in request.POST else None, owners=owners, prefix="edit")
        question = "Change {rows}? What is left empty stays as it is."
        if page := questions.ask_first(self, request, chosen, question, "Change", form):
            return page
        try:
            with transaction.atomic():
                values = form.values() if form.is_valid() else {}
                self.update_selected(request, chosen, "changed", also=bulk.ALSO, **values)
        except IntegrityError as error:
            refusal = bulk.REFUSALS.get(getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or "")
            if refusal is None:
                raise
            self.message_user(request, refusal, messages.ERROR)
        return None

    def _act(
        self,
        request: HttpRequest,
        chosen: "QuerySet[Task]",
        done: str,
        button: str,
        also: Sequence[str] = (),
        **values: Any,
    ) -> HttpResponse | None:
        """Change the chosen tasks; those of all pages only after a question with their number."""
        if questions.selects_all(request):
            question = f"{button} {{rows}}: all that match, on every page?"
            if page := questions.ask_first(self, request, chosen, question, button):
                return page
        self.update_selected(request, chosen, done, also=also, **values)
        return None

    def write_selected(self, rows: Sequence[Task], values: dict[str, Any]) -> None:
        """Write the rows; what recurs is completed by its present occurrence, after what may belong under it."""
        if "list_id" in values:
            bulk.move_to_list(rows, values["list_id"])
            values = {name: value for name, value in values.items() if name != "list_id"}
            if not values:
                return
        moving = [row.pk for row in rows if values.get("is_completed") and series.is_open_series(row)]
        super().write_selected([row for row in rows if row.pk not in {*moving}], values)
        for row in Task.objects.filter(pk__in=moving).order_by("pk"):
            series.complete_occurrence(row)

    def _offer_undo(self, request: HttpRequest, text: str, keys: Sequence[Any]) -> None:
        questions.offer_undo(request, text, keys, reverse("admin:tasks_task_undo"))

    def get_urls(self) -> list[URLPattern]:
        return [path("undo/", self.admin_site.admin_view(self.undo), name="tasks_task_undo"), *super().get_urls()]

    @method_decorator(require_POST)
    def undo(self, request: HttpRequest) -> HttpResponse:
        """Restore what was last moved to the trash."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        gone = self.get_queryset(request).filter(pk__in=questions.taken_back(request)).exclude(deleted_at=None)
        self.update_selected(request, gone, "restored", deleted_at=None)
        return HttpResponseRedirect(reverse("admin:tasks_task_changelist"))

    def acts_unseen(self, request: HttpRequest) -> bool:
        return super().acts_unseen(request) or request.path == reverse("admin:tasks_task_undo")

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Say where it has gone, and offer to bring it back."""
        self._offer_undo(request, f"“{obj_display}” is in the trash.", [obj_id])
        return HttpResponseRedirect(reverse("admin:tasks_task_changelist"))

    def get_actions(self, request: HttpRequest) -> Any:
        """Leave out Django's way to delete, which removes rows; ours needs no second page, as it can be undone."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Task]") -> None:
        """Mark as deleted, should Django's own way ever be offered again: no row goes from here."""
        queryset.filter(deleted_at=None).update(deleted_at=Now())

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        Task.objects.filter(pk=obj.pk, deleted_at=None).update(deleted_at=Now())
