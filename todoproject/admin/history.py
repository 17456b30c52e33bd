"""What was done to a row and who looked at it: recorded by every page of the admin, shown as the row's history."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from accounts import audit
from todoproject.admin import words

MOST_EVENTS = 100  # on a history page; the audit's own list has them all


class History(ModelAdmin):
    """Gives a model's admin our audit in place of Django's log, which can be changed and tells names for ever."""

    records_views = False  # whether opening a row's page is something for the audit: it shows what is somebody's own

    def note_before(self, request: HttpRequest, obj: models.Model, form: Form) -> None:
        """Keep for the audit what the fields of a form held before, read under the lock that the write takes."""
        names = {field.name for field in (*obj._meta.concrete_fields, *obj._meta.many_to_many)} & {*form.changed_data}
        row = self.model._base_manager.select_for_update(of=("self",)).filter(pk=obj.pk).first()
        before = audit.values(row, names) if row else dict.fromkeys(names)
        request._audited = (names, before)  # type: ignore[attr-defined]  # from one step of Django's to the next

    def record_view(self, request: HttpRequest, row: Any) -> None:
        """Record that a page shows what is somebody's own; one that is shown again, with mistakes told, is one, too."""
        if self.records_views and row is not None:
            audit.record(request, audit.VIEW, row)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Record it in our audit; Django's own log can be changed, and tells names and titles for ever."""
        audit.record(request, audit.ADD, obj, changes=self._changes(request, obj))

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if changes := self._changes(request, obj):
            audit.record(request, audit.CHANGE, obj, changes=changes)

    def log_deletions(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> Any:
        audit.record_all(request, audit.DELETE, [(row, {}) for row in queryset])

    def _changes(self, request: HttpRequest, obj: models.Model) -> dict[str, Any]:
        names, before = getattr(request, "_audited", ((), {}))
        return audit.difference(before, audit.values(obj, names))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the audit of one row, newest first."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        found = self.history_of(request, obj)
        self.record_view(request, obj)
        shows_views = "views" in request.GET
        events = list((found if shows_views else found.exclude(action=audit.VIEW))[:MOST_EVENTS])
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "opts": self.opts,
            "object": obj,
            "object_id": object_id,
            "events": [(named, words.changes(named.event), words.fields(named.event)) for named in audit.named(events)],
            "shows_views": shows_views,
            "records_views": self.records_views,
            "is_cut": len(events) == MOST_EVENTS,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/object_history.html", context)

    def history_of(self, request: HttpRequest, row: models.Model) -> "models.QuerySet[Any]":
        """Return what may be shown of what was recorded about a row, newest first."""
        return audit.events_for(row)
