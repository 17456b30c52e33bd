"""What all pages of the staff admin share: bounded lists, narrow writes, kept history, filters in days."""

import uuid
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import IntegrityError, models, transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str
from unfold.views import ChangeList as UnfoldChangeList

from accounts import audit

MOST_COUNTED = 10_000
MOST_EVENTS = 100  # on a history page; the audit's own list has them all


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts up to a limit and says so: counting a big table whole takes longer than showing its first page."""

    template_name = "admin/capped_pagination.html"

    @cached_property
    def _counted(self) -> int:
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin pages querysets only
        return rows.order_by()[: MOST_COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def is_capped(self) -> bool:
        return self._counted > MOST_COUNTED


class ChangeList(UnfoldChangeList):
    """A list that gives its length once, at the foot, where the paginator says how far it counted."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class ModelAdmin(UnfoldModelAdmin):
    """The look of Unfold, with lists that stay fast on big tables and writes that touch only what was changed."""

    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 50  # "show all" would read everything that was counted
    list_disable_select_all = True  # an action is for the rows one sees, not for ten thousand
    list_filter_submit = True
    list_fullwidth = True
    show_facets = ShowFacets.NEVER  # counting for every choice of every filter reads the whole table
    show_full_result_count = False
    warn_unsaved_form = True
    records_views = False  # whether opening a row's page is something for the audit: it shows what is somebody's own

    def get_changelist(self, request: HttpRequest, **options: Any) -> Any:
        return ChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: "models.QuerySet[Any]", search_term: str
    ) -> "tuple[models.QuerySet[Any], bool]":
        """Find an id by its index; Django would compare every row's id as text."""
        try:
            return queryset.filter(id=uuid.UUID(search_term.strip())), False
        except ValueError:
            found: tuple[models.QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
            return found

    def changeform_view(  # type: ignore[override]  # Unfold promises a page where Django may redirect
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save one row; a constraint broken by somebody else's write in between is a message, no crash."""
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            text = "Not saved: somebody else changed the same data at that moment. Look again and repeat."
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        shown = getattr(response, "context_data", None) or {}
        if self.records_views and request.method == "GET" and shown.get("original") is not None:
            audit.record(request, audit.VIEW, shown["original"])
        return response

    def save_model(self, request: HttpRequest, obj: models.Model, form: Form, change: bool) -> None:
        """Write the changed columns only, then read back what triggers and defaults made of the row.

        Writing the whole row would put back what the API has changed since it was read, counters included.
        """
        self._note_before(request, obj, form)
        if change:
            columns = {field.name for field in obj._meta.concrete_fields}
            obj.save(update_fields=columns.intersection(form.changed_data))
        else:
            obj.save()
        obj.refresh_from_db()

    def _note_before(self, request: HttpRequest, obj: models.Model, form: Form) -> None:
        """Keep for the audit what the fields of a form held before, read under the lock that the write takes."""
        names = {field.name for field in (*obj._meta.concrete_fields, *obj._meta.many_to_many)} & {*form.changed_data}
        row = self.model._base_manager.select_for_update(of=("self",)).filter(pk=obj.pk).first()
        before = audit.values(row, names) if row else dict.fromkeys(names)
        request._audited = (names, before)  # type: ignore[attr-defined]  # from one step of Django's to the next

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

    def response_action(  # type: ignore[override]  # the stubs know an argument that Django does not have
        self, request: HttpRequest, queryset: "models.QuerySet[Any]"
    ) -> Any:
        """Run an action on rows as one transaction: it and its record are both there, or neither."""
        with transaction.atomic():
            return super().response_action(request, queryset)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the audit of one row, newest first."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        events = list(audit.events_for(obj)[:MOST_EVENTS])
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "opts": self.opts,
            "object": obj,
            "object_id": object_id,
            "events": audit.named(events),
            "is_cut": len(events) == MOST_EVENTS,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/object_history.html", context)

    def update_selected(self, request: HttpRequest, queryset: "models.QuerySet[Any]", done: str, **values: Any) -> None:
        """Change the selected rows and keep it in their history; `done` says what has become of them."""
        with transaction.atomic():
            # Always in the same order: two people's actions on the same rows must not lock each other out.
            rows = list(queryset.select_for_update(of=("self",)).order_by("pk"))
            written = self.model._default_manager.filter(pk__in=[row.pk for row in rows])
            written.update(**values)
            after = {row.pk: audit.values(row, values) for row in written}
            changes = [(row, audit.difference(audit.values(row, values), after[row.pk])) for row in rows]
            audit.record_all(request, audit.CHANGE, changes, facts={"done": done})
        noun = self.opts.verbose_name if len(rows) == 1 else self.opts.verbose_name_plural
        text = f"{len(rows)} {noun} {done}." if rows else f"None of the selected {noun} could be {done}."
        self.message_user(request, text, messages.SUCCESS if rows else messages.WARNING)


class DayRangeFilter(RangeDateFilter):
    """From one day to another, both included; days are days of UTC."""

    def queryset(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
        first, last = self.day("from"), self.day("to")
        if first:
            queryset = queryset.filter(self.condition("gte", first, time.min))
        if last:
            queryset = queryset.filter(self.condition("lte", last, time.max))
        return queryset

    def day(self, end: str) -> date | None:
        """Return the day that was asked for; None where there is none, or none that can be read."""
        return parse_date_str(str(self.used_parameters.get(f"{self.parameter_name}_{end}", "")))

    def condition(self, comparison: str, day: date, of_day: time) -> models.Q:
        return models.Q((f"{self.field_path}__{comparison}", datetime.combine(day, of_day, UTC)))
