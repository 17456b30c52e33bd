"""The audit: read, searched, exported; never changed."""

import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from accounts import audit
from accounts.admin import event_names
from accounts.models import AuditEvent, User
from todoproject.admin import words
from todoproject.admin.change_list import DayRangeFilter
from todoproject.admin.model_admin import ModelAdmin

ACTIONS = (
    *("sign-in", "sign-in failed", "sign-out", "register", "view", "add", "change", "delete", "export"),
    *("deactivate", "reactivate", "send reset", "revoke tokens", "lift limit", "set up second factor"),
    *("reset second factor", "change password", "erase", "lock second factor", audit.REFUSED_FILTER),
    *("ask e-mail change", "change e-mail", "renew recovery codes", "end sessions"),
)


class ActionFilter(DropdownFilter):
    """By what was done."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in ACTIONS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[AuditEvent]") -> "QuerySet[AuditEvent]":
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ModelAdmin):
    """Every action of staff and every sign-in. The database refuses any change."""

    list_display = ("at", "action", "who", "thing", "through", "where")
    list_display_links = ("at",)
    list_select_related = ("detail",)
    list_filter = (ActionFilter, ("at", DayRangeFilter))
    ordering = ("-id",)
    sortable_by = ()
    linked_lookups = ("object_id", "actor_id")
    search_fields = ("request_id",)
    search_help_text = "A person's e-mail; the id of a person, a thing or an event; a request id"
    fieldsets = (
        (None, {"fields": ("at", "action", "who", "thing", "changed", "more")}),
        ("Where from", {"fields": ("through", "where", "request_id")}),
        ("Ids", {"fields": ("id", "by_id", "on_id")}),
    )
    export_columns: ClassVar = {
        name: name
        for name in (
            *("id", "at", "actor_id", "door", "action", "object_type", "object_id"),
            *("facts", "request_id", "address"),
        )
    }
    readonly_fields = ("at", "who", "thing", "changed", "more", "through", "where", "id", "by_id", "on_id")

    @display(description="By")
    def who(self, event: AuditEvent) -> str:
        if event.actor_id is None:
            return "nobody known"
        address = reverse("admin:accounts_user_change", args=[event.actor_id])
        name = getattr(event, "actor_email", None) or event.actor_id
        return format_html('<a href="{}" class="text-link">{}</a>', address, name)

    @display(description="On")
    def thing(self, event: AuditEvent) -> str:
        cell = event_names.thing(event)
        if isinstance(cell, str):
            return cell
        return format_html('<a href="{}" class="text-link">{}</a>', cell["href"], cell["text"])

    @display(description="Of who did it")
    def by_id(self, event: AuditEvent) -> str:
        return str(event.actor_id or "–")

    @display(description="Of what it was done to")
    def on_id(self, event: AuditEvent) -> str:
        return event.object_id or "–"

    @display(description="Through")
    def through(self, event: AuditEvent) -> str:
        return audit.DOORS.get(event.door, event.door)

    @display(description="From")
    def where(self, event: AuditEvent) -> str:
        return audit.address_of(event) or "–"

    @display(description="What changed")
    def changed(self, event: AuditEvent) -> str:
        return format_html_join("", "<div>{}: {} → {}</div>", words.changes(event)) or words.fields(event) or "–"

    @display(description="More")
    def more(self, event: AuditEvent) -> str:
        return format_html_join("", "<div>{}: {}</div>", words.facts(event)) or "–"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[AuditEvent]":
        by = User.objects.filter(pk=OuterRef("actor_id")).values("email")
        return event_names.with_names(request, super().get_queryset(request)).annotate(actor_email=Subquery(by))

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """Find by whole ids and addresses only: each has its index."""
        text = search_term.strip()
        if not text:
            return queryset, False
        key: uuid.UUID | None
        try:
            key = uuid.UUID(text)
        except ValueError:
            key = User.objects.with_email(text).values_list("pk", flat=True).first() if "@" in text else None
        asked = Q(request_id__in=[text, audit.kept_id(text)])  # before, clients' own ids were kept as they came
        if key is None:
            return queryset.filter(asked), False
        found = Q(pk=key) | Q(actor_id=key) | Q(object_id=str(key)) | asked
        return queryset.filter(found), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<uuid:event_id>/receipt/", self.admin_site.admin_view(self.receipt), name="accounts_auditevent_receipt"
        )
        return [page, *super().get_urls()]

    def receipt(self, request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
        """Show what was erased, when, by whom and why, without a word about the person; `?download=1` as JSON."""
        if not request.user.has_perm("accounts.erase_user"):
            raise PermissionDenied
        event = AuditEvent.objects.filter(pk=event_id, action=audit.ERASE).first()
        if event is None:
            raise Http404
        receipt = {
            "receipt": str(event.pk),
            "erased_user": event.object_id,
            "at": event.at.isoformat(),
            "by": str(event.actor_id),
            "reason": event.facts["reason"],
            "rows": event.facts["rows"],
        }
        if "download" in request.GET:
            name = f"erased-{event.object_id}.json"
            return JsonResponse(receipt, headers={"Content-Disposition": f'attachment; filename="{name}"'})
        by = User.objects.filter(pk__in=[event.actor_id]).values_list("email", flat=True).first() or event.actor_id
        shown = {"receipt": receipt, "at": event.at, "by": by}
        context = {**self.admin_site.each_context(request), "title": "Receipt", "opts": self.opts, **shown}
        return TemplateResponse(request, "admin/accounts/user/receipt.html", context)
