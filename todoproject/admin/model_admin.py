"""What all pages of the staff admin share: bounded lists, narrow writes, one transaction for each action."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.db import IntegrityError, models, transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin as UnfoldModelAdmin

from accounts import audit
from accounts.models import User
from todoproject.admin import edit_conflicts, questions, steps
from todoproject.admin.change_list import REFUSED, ChangeList, refused_names
from todoproject.admin.exports.pages import ExportPages, filter_names
from todoproject.admin.history import History
from todoproject.admin.paginator import CappedPaginator
from todoproject.http import activity


class ModelAdmin(History, ExportPages):  # type: ignore[misc]  # Unfold's bases and Django's disagree
    """The look of Unfold, with lists that stay fast on big tables and writes that touch only what was changed."""

    paginator = CappedPaginator
    form = edit_conflicts.WatchedForm
    list_per_page = 50
    list_max_show_all = 50  # "show all" would read everything that was counted
    list_disable_select_all = True  # where an action is for the rows one sees
    list_filter_submit = True
    list_fullwidth = True
    show_facets = ShowFacets.NEVER  # counting for every choice of every filter reads the whole table
    show_full_result_count = False
    list_before_template = "admin/chips.html"  # type: ignore[assignment]  # Unfold's default is None
    warn_unsaved_form = True
    change_form_before_template = "admin/seen.html"  # type: ignore[assignment]  # Unfold's default is None
    # Columns that change by themselves: two people's changes do not meet there (see edit_conflicts.py).
    unwatched: ClassVar[tuple[str, ...]] = ()
    # Whether an action, too, leaves alone what has changed since the list was shown. Revoking a token must never wait.
    is_list_watched = False
    # Columns that links of ours filter this list by, besides its filters; their values are ids.
    linked_lookups: ClassVar[tuple[str, ...]] = ()

    def mark(self, row: Any) -> str:
        """Return what changes whenever somebody changes the columns of `row`."""
        return edit_conflicts.digest(row, self.unwatched)

    def form_mark(self, row: Any) -> str:
        """Return what changes whenever somebody changes `row` or what it is related to."""
        return self.mark(row) + edit_conflicts.relations(row, self.unwatched)

    def list_note(self, request: HttpRequest) -> str:
        """Return a sentence about this list, for above it; nothing where there is nothing to be said."""
        return ""

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

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change, **options)
        form.mark = staticmethod(self.form_mark)  # type: ignore[attr-defined]  # a WatchedForm
        return form

    def get_changelist_form(self, request: HttpRequest, **options: Any) -> Any:
        form = super().get_changelist_form(request, **{"form": edit_conflicts.WatchedRowForm, **options})
        form.mark = staticmethod(self.mark)  # type: ignore[attr-defined]  # a WatchedRowForm
        form.may_change = staticmethod(partial(self.has_change_permission, request))  # type: ignore[attr-defined]
        return form

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Lock the row where it may be written: nobody changes it between the comparison and the write."""
        row = super().get_object(request, object_id, from_field)
        if row is None or request.method != "POST" or not transaction.get_connection().in_atomic_block:
            return row
        self.lock_owners(request, self.model._base_manager.filter(pk=row.pk))
        return self.get_queryset(request).select_for_update(of=("self",)).filter(pk=row.pk).first()

    def lock_owners(self, request: HttpRequest, rows: "models.QuerySet[Any]") -> None:
        """Lock the people whose rows these are, before the rows themselves: the API's writes do so, too.

        What is then written is logged as a change by whoever asks, and told to the owners' streams.
        """
        if any(field.name == "user" for field in self.model._meta.fields):
            _tell_of_change(User.objects.lock(rows.order_by().values("user")))
            audit.name_actor(request)

    def _get_list_editable_queryset(self, request: HttpRequest, prefix: str) -> "models.QuerySet[Any]":
        rows: models.QuerySet[Any] = super()._get_list_editable_queryset(request, prefix)
        self.lock_owners(request, rows)
        # Always in the same order: two people's writes of the same rows must not lock each other out.
        return rows.select_for_update(of=("self",)).order_by("pk")

    def changelist_view(  # type: ignore[override]  # Unfold promises a page where Django may redirect
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a list; write what was edited in it in one transaction with the comparison."""
        try:
            with self._refusals_recorded(request), transaction.atomic() if "_save" in request.POST else nullcontext():
                response: HttpResponse = super().changelist_view(request, extra_context)
        except IntegrityError:
            return self._try_again(request)
        return response

    def changeform_view(  # type: ignore[override]  # Unfold promises a page where Django may redirect
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save one row; a constraint broken by somebody else's write in between is a message, no crash."""
        try:
            with self._refusals_recorded(request):
                response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            return self._try_again(request)
        self.record_view(request, (getattr(response, "context_data", None) or {}).get("original"))
        return response

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().delete_view(request, object_id, extra_context)
        self.record_view(request, (getattr(response, "context_data", None) or {}).get("object"))
        return response

    def exported(self, request: HttpRequest) -> Any:
        with self._refusals_recorded(request):
            return super().exported(request)

    @contextmanager
    def _refusals_recorded(self, request: HttpRequest) -> Iterator[None]:
        """Record who asks a list for what it does not offer; the answer is a 400 (see change_list.py)."""
        try:
            yield
        except REFUSED:
            facts = {"list": self.opts.label_lower, "filters": refused_names(request)}
            with transaction.atomic():
                audit.record(request, audit.REFUSED_FILTER, facts=facts)
            raise

    def _try_again(self, request: HttpRequest) -> HttpResponse:
        text = "Not saved: somebody else changed the same data at that moment. Look again and repeat."
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        row = context.get("original")
        if row is not None:
            if request.method == "POST":
                # The form has put its input into the row; what heads the page is what is stored.
                row = self.model._base_manager.filter(pk=row.pk).first() or row
                context |= {"original": row, "subtitle": str(row)}
            # A page that was refused keeps the mark of what it showed first, and so is refused again.
            name = edit_conflicts.field_name(row)
            context |= {"seen_name": name, "seen": request.POST.get(name) or self.form_mark(row)}
        return super().render_change_form(request, context, *arguments, **options)

    def action_checkbox(self, obj: models.Model) -> SafeString:
        box = SafeString(super().action_checkbox(obj))
        if not self.is_list_watched:
            return box
        return format_html(
            '<input type="hidden" name="{}" value="{}">{}', edit_conflicts.field_name(obj), self.mark(obj), box
        )

    action_checkbox.short_description = UnfoldModelAdmin.action_checkbox.short_description  # type: ignore[attr-defined]  # as Django's own decorator does

    def save_model(self, request: HttpRequest, obj: models.Model, form: Form, change: bool) -> None:
        """Write the changed columns only, then read back what triggers and defaults made of the row.

        Writing the whole row would put back what the API has changed since it was read, counters included.
        """
        self.note_before(request, obj, form)
        if not change:
            audit.name_actor(request)
        if change:
            columns = {field.name for field in obj._meta.concrete_fields}
            obj.save(update_fields=columns.intersection(form.changed_data))
        else:
            obj.save()
            if (owner := getattr(obj, "user_id", None)) is not None:
                _tell_of_change([owner])
        obj.refresh_from_db()

    def response_action(  # type: ignore[override]  # the stubs know an argument that Django does not have
        self, request: HttpRequest, queryset: "models.QuerySet[Any]"
    ) -> Any:
        """Run an action on rows as one transaction: it and its record are both there, or neither."""
        with transaction.atomic():
            response = super().response_action(request, queryset)
        return None if response is None else steps.answer(request, response)

    def write_selected(self, rows: Sequence[Any], values: dict[str, Any]) -> None:
        """Write the same values to some rows, which are locked."""
        self.model._default_manager.filter(pk__in=[row.pk for row in rows]).update(**values)

    def update_selected(
        self,
        request: HttpRequest,
        queryset: "models.QuerySet[Any]",
        done: str,
        *,
        tells: bool = True,
        also: Sequence[str] = (),
        **values: Any,
    ) -> list[Any]:
        """Change the selected rows and keep it in their history; `done` says what has become of them.

        `also` names columns that may change with those. Return the rows that were changed; where the caller tells of
        them itself, only of others is told here.
        """
        step = None if self.list_disable_select_all else steps.begin(request, queryset)
        with transaction.atomic():
            rows, changed = self._write_as_seen(request, queryset if step is None else step.rows, done, also, values)
        looked = len(rows)
        if step is not None:
            keys = step.end(changed)
            if not step.is_last:
                return []
            looked, changed = step.looked, list(self.model._default_manager.filter(pk__in=keys))
        self._tell(request, looked, len(changed), done, tells=tells)
        return changed

    def _write_as_seen(
        self,
        request: HttpRequest,
        chosen: "models.QuerySet[Any]",
        done: str,
        also: Sequence[str],
        values: dict[str, Any],
    ) -> tuple[list[Any], list[Any]]:
        """Write those of the chosen rows that are as they were shown, with their record; return all, and those."""
        self.lock_owners(request, chosen)
        # Always in the same order: two people's actions on the same rows must not lock each other out.
        rows = list(chosen.select_for_update(of=("self",)).order_by("pk"))
        seen = [row for row in rows if not self.is_list_watched or self._is_as_seen(request, row)]
        names = (*values, *also)
        before = [(row, audit.values(row, names)) for row in seen]
        self.write_selected(seen, values)
        written = self.model._default_manager.filter(pk__in=[row.pk for row in seen])
        after = {row.pk: audit.values(row, names) for row in written}
        changes = [(row, audit.difference(held, after[row.pk])) for row, held in before]
        deed = audit.DELETE if "deleted_at" in values and values["deleted_at"] is not None else audit.CHANGE
        audit.record_all(request, deed, changes, facts={"done": done})
        return rows, seen

    def _tell(self, request: HttpRequest, looked: int, changed: int, done: str, *, tells: bool) -> None:
        if changed < looked:
            text = f"{self.counted(looked - changed)} changed meanwhile, so nothing was done to them. Look again."
            self.message_user(request, text, messages.WARNING)
        if changed and tells:
            self.message_user(request, f"{self.counted(changed)} {done}.", messages.SUCCESS)
        elif not looked:
            text = f"None of the selected {self.opts.verbose_name_plural} could be {done}."
            self.message_user(request, text, messages.WARNING)

    def log_export(self, request: HttpRequest, suffix: str, changes: Any) -> None:
        facts = {"list": self.opts.label_lower, "format": suffix, "filters": filter_names(changes)}
        with transaction.atomic():
            audit.record(request, audit.EXPORT, facts=facts)

    def _is_as_seen(self, request: HttpRequest, row: models.Model) -> bool:
        shown = request.POST.get(edit_conflicts.field_name(row))
        return shown == self.mark(row) or (shown is None and self.acts_unseen(request))

    def acts_unseen(self, request: HttpRequest) -> bool:
        """Tell whether rows are changed that the page does not show: all that match, or those of an undo."""
        return questions.selects_all(request)

    def counted(self, number: int) -> str:
        return f"{number} {self.opts.verbose_name if number == 1 else self.opts.verbose_name_plural}"


def _tell_of_change(owners: Sequence[uuid.UUID]) -> None:
    """Let the streams of these people look once it is committed: the poll would find it only seconds later."""
    for owner in owners:
        transaction.on_commit(partial(activity.note_change, str(owner)))
