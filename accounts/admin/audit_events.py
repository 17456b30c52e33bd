"""The audit: read, searched, exported; never changed."""

import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, CharField, Model, OuterRef, Q, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from accounts import audit
from accounts.models import AccessToken, AuditEvent, User
from todoproject.admin.change_list import DayRangeFilter
from todoproject.admin.model_admin import ModelAdmin

ACTIONS = (
    *("sign-in", "sign-in failed", "sign-out", "register", "view", "add", "change", "delete", "export"),
    *("deactivate", "reactivate", "send reset", "revoke tokens", "lift limit", "set up second factor"),
    *("reset second factor", "change password", "erase", "lock second factor", audit.REFUSED_FILTER),
    *("ask e-mail change", "change e-mail", "renew recovery codes", "end sessions"),
)


# What things of a kind are called beside their ids, for whoever may see them. Their keys are UUIDs.
_NAMES: dict[str, tuple[type[Model], str]] = {
    "accounts.user": (User, "email"),
    "accounts.accesstoken": (AccessToken, "name"),
}


def add_names(model: type[Model], field: str) -> None:
    """Call the things of another app by one of their fields; they are found by their id or key, a UUID."""
    _NAMES[model._meta.label_lower] = (model, field)


def _may_see(request: HttpRequest, model: type[Model]) -> bool:
    options = model._meta
    return model is User or bool(request.user.has_perm(f"{options.app_label}.view_{options.model_name}"))


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
        (None, {"fields": ("at", "action", "who", "thing", "changed", "facts")}),
        ("Where from", {"fields": ("through", "where", "request_id")}),
        ("Details", {"fields": ("id", "actor_id", "object_type", "object_id")}),
    )
    export_columns: ClassVar = {
        name: name
        for name in (
            *("id", "at", "actor_id", "door", "action", "object_type", "object_id"),
            *("facts", "request_id", "address"),
        )
    }
    readonly_fields = ("at", "who", "thing", "changed", "through", "where", "id")

    @display(description="By")
    def who(self, event: AuditEvent) -> str:
        if event.actor_id is None:
            return "nobody known"
        address = reverse("admin:accounts_user_change", args=[event.actor_id])
        name = getattr(event, "actor_email", None) or event.actor_id
        return format_html('<a href="{}" class="text-link">{}</a>', address, name)

    @display(description="On")
    def thing(self, event: AuditEvent) -> str:
        kind = audit.kind_of(event)
        if not event.object_id:
            return kind
        address = reverse(f"admin:{event.object_type.replace('.', '_')}_change", args=[event.object_id])
        name = getattr(event, "object_name", None) or event.object_id
        return format_html('<a href="{}" class="text-link">{} {}</a>', address, kind, name)

    @display(description="Through")
    def through(self, event: AuditEvent) -> str:
        return audit.DOORS.get(event.door, event.door)

    @display(description="From")
    def where(self, event: AuditEvent) -> str:
        detail = getattr(event, "detail", None)
        return event.address or (detail and detail.address) or "–"

    @display(description="What changed")
    def changed(self, event: AuditEvent) -> str:
        changes = getattr(getattr(event, "detail", None), "changes", {})
        return format_html_join("", "<div>{}: {} → {}</div>", ((name, *pair) for name, pair in changes.items())) or "–"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[AuditEvent]":
        by = User.objects.filter(pk=OuterRef("actor_id")).values("email")
        named = [(label, model, field) for label, (model, field) in _NAMES.items() if _may_see(request, model)]
        # A CASE, so that nothing but a UUID is ever read as one.
        is_known = Q(object_type__in=[label for label, _, _ in named]) & ~Q(object_id="")
        key = Case(When(is_known, then=Cast("object_id", UUIDField())), default=None)
        names = [
            When(object_type=label, then=Subquery(model._base_manager.filter(pk=OuterRef("object_key")).values(field)))
            for label, model, field in named
        ]
        name = Case(*names, default=None, output_field=CharField())
        events: QuerySet[AuditEvent] = super().get_queryset(request)
        return events.annotate(object_key=key, actor_email=Subquery(by)).annotate(object_name=name)

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
        context = {**self.admin_site.each_context(request), "title": "Receipt", "opts": self.opts, "receipt": receipt}
        return TemplateResponse(request, "admin/accounts/user/receipt.html", context)
