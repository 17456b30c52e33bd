"""The staff's view of webhooks: where they go and how they do, and how one is disabled. Nobody is shown a secret."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display

from accounts.models import User
from accounts.staff.rights import outranks
from tasks.models import Webhook, WebhookDelivery
from todoproject.admin import questions
from todoproject.admin.change_list import DayRangeFilter, PersonFilter
from todoproject.admin.model_admin import ModelAdmin

_SHOWN = 10  # deliveries on a hook's page


def _in_words(event: str) -> str:
    """Say an event's type to people: `task.occurrence_completed` is "task occurrence completed"."""
    kind, _, what = event.partition(".")
    return f"all {kind} events" if what == "*" else f"{kind} {what.replace('_', ' ')}"


def _told(delivery: WebhookDelivery) -> str:
    outcome = delivery.status or delivery.error or "–"
    return f"{_in_words(delivery.type)}: {delivery.get_state_display()} ({outcome})"


@admin.register(Webhook)
class WebhookAdmin(ModelAdmin):
    """Everybody's webhooks, to look at and to disable; only their owners make and change them."""

    list_display = ("place", "owner", "types", "state", "failing_since", "created_at")
    list_select_related = ("user",)
    list_filter = (("user", PersonFilter), ("is_enabled", BooleanRadioFilter), ("created_at", DayRangeFilter))
    ordering = ("-id",)
    sortable_by = ("created_at", "failing_since")
    search_fields = ("user__email",)
    search_help_text = "The owner's e-mail, or the whole id"
    fieldsets = (
        (None, {"fields": ("place", "owner", "types", "state")}),
        ("Deliveries", {"fields": ("failing_since", "next_try_at", "position", "newest")}),
        ("Details", {"fields": (("created_at", "updated_at"), "disabled_at", "version", "id")}),
    )
    readonly_fields = (
        *("place", "owner", "types", "state", "failing_since", "next_try_at", "position", "newest"),
        *("created_at", "updated_at", "disabled_at", "version", "id"),
    )
    actions = ("disable",)
    export_columns: ClassVar = {"id": "id", "owner": "user__email", "owner_id": "user_id"} | {
        name: name
        for name in ("events", "is_enabled", "disabled_at", "disabled_reason", "failing_since", "created_at", "version")
    }

    @display(description="Address")
    def place(self, hook: Webhook) -> str:
        return str(hook)

    @display(description="Owner")
    def owner(self, hook: Webhook) -> str:
        address = reverse("admin:accounts_user_change", args=[hook.user_id])
        return format_html('<a href="{}" class="text-link">{}</a>', address, hook.user)

    @display(description="Events")
    def types(self, hook: Webhook) -> str:
        return ", ".join(map(_in_words, hook.events))

    @display(description="State", label={"enabled": "success", "failing": "warning"})
    def state(self, hook: Webhook) -> str:
        if not hook.is_enabled:
            return f"disabled: {(hook.disabled_reason or '').replace('_', ' ')}"
        return "enabled" if hook.failing_since is None else "failing"

    @display(description="Newest deliveries")
    def newest(self, hook: Webhook) -> str:
        rows = WebhookDelivery.objects.filter(user=hook.user_id, webhook_id=hook.pk).order_by("-id")[:_SHOWN]
        return "; ".join(map(_told, rows)) or "–"

    @admin.action(description="Disable selected webhooks", permissions=["disable"])
    def disable(self, request: HttpRequest, queryset: "QuerySet[Webhook]") -> HttpResponse | None:
        """Send nothing more, and have the owners told, who may enable them again. Not of more powerful people."""
        owners = User.objects.filter(webhooks__in=queryset).distinct()
        theirs = [owner.pk for owner in owners if isinstance(request.user, User) and outranks(request.user, owner)]
        enabled = queryset.filter(is_enabled=True, user__in=theirs)
        question = "Disable {rows}? Nothing more is sent, and the owners are told by mail."
        if (page := questions.ask_first(self, request, enabled, question, "Disable")) is not None:
            return page
        self.update_selected(request, enabled, "disabled", is_enabled=False, disabled_reason="staff")
        return None

    def has_disable_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_change_permission(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only its owner makes one, and sees its secret."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
