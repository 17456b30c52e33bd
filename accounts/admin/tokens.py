"""Tokens, to look at and to revoke."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import AccessToken, User
from accounts.staff.rights import outranks
from todoproject.admin import questions
from todoproject.admin.change_list import DayRangeFilter, PersonFilter
from todoproject.admin.model_admin import ModelAdmin

PAGE, REVOKE = "admin:accounts_accesstoken_change", "admin:accounts_accesstoken_revoke"


@admin.register(AccessToken)
class AccessTokenAdmin(ModelAdmin):
    """Tokens, to look at and to revoke. Nothing here, not even the digest, would help anybody to use one."""

    list_display = ("name", "owner", "kind", "granted", "created", "expires_at", "last_used_at", "state")
    list_select_related = ("user",)
    list_filter = (("user", PersonFilter), ("kind", ChoicesDropdownFilter), ("created_at", DayRangeFilter))
    ordering = ("-id",)
    sortable_by = ("created", "expires_at", "last_used_at")
    search_fields = ("user__email", "name")
    search_help_text = "Name, the owner's e-mail, or the whole id"
    fieldsets = (
        (None, {"fields": ("name", "owner", "kind", "granted", "state")}),
        ("Times", {"fields": ("created_at", "expires_at", "last_used_at", "rotated_at", "revoked_at")}),
        ("Details", {"fields": ("id",)}),
    )
    readonly_fields = ("owner", "granted", "state", "created_at", "last_used_at", "rotated_at", "id")
    actions = ("revoke",)
    change_form_outer_before_template = "admin/accounts/accesstoken/revoke.html"  # type: ignore[assignment]  # None in Unfold
    # Neither the token, which nobody has, nor its digest.
    export_columns: ClassVar = {"id": "id", "owner": "user__email", "owner_id": "user_id"} | {
        name: name
        for name in (
            *("name", "kind", "scopes", "created_at", "expires_at"),
            *("last_used_at", "rotated_at", "revoked_at"),
        )
    }

    @display(description="Owner")
    def owner(self, token: AccessToken) -> str:
        address = reverse("admin:accounts_user_change", args=[token.user_id])
        return format_html('<a href="{}" class="text-link">{}</a>', address, token.user)

    @display(description="Scopes")
    def granted(self, token: AccessToken) -> str:
        return ", ".join(token.scopes)

    @display(description="Created", ordering="id")
    def created(self, token: AccessToken) -> Any:
        return token.created_at

    @display(
        description="State",
        label={"live": "success", "expired": "warning", "revoked": "danger", "owner inactive": "danger"},
    )
    def state(self, token: AccessToken) -> str:
        return state_of(token)

    @admin.action(description="Revoke selected access tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: "QuerySet[AccessToken]") -> None:
        """End the tokens: the very next request with one of them is refused. Not those of more powerful people."""
        owners = User.objects.filter(tokens__in=queryset).distinct()
        theirs = [owner.pk for owner in owners if _may_act_on(request, owner)]
        self.update_selected(request, queryset.filter(revoked_at=None, user__in=theirs), "revoked", revoked_at=Now())

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<uuid:pk>/revoke/", self.admin_site.admin_view(self.revoke_one), name="accounts_accesstoken_revoke"
        )
        return [page, *super().get_urls()]

    def revoke_one(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask whether to end a token, and end it."""
        token = AccessToken.objects.select_related("user").filter(pk=pk).first()
        if token is None:
            raise Http404
        if not self.may_revoke(request, token):
            raise PermissionDenied
        question = f"Revoke “{token.name}” of {token.user}? The very next request with it is refused."
        chosen = AccessToken.objects.filter(pk=pk)
        if request.method != "POST":
            return questions.ask(self, request, question, "Revoke", reverse(PAGE, args=[pk]))
        self.update_selected(request, chosen.filter(revoked_at=None), "revoked", revoked_at=Now())
        return HttpResponseRedirect(reverse(PAGE, args=[pk]))

    def may_revoke(self, request: HttpRequest, token: AccessToken) -> bool:
        """Tell whether there is something to revoke, and this is somebody who may."""
        return token.revoked_at is None and self.has_revoke_permission(request) and _may_act_on(request, token.user)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        token = self.get_object(request, object_id)
        if token is not None and self.may_revoke(request, token):
            extra_context = {**(extra_context or {}), "revoke": reverse(REVOKE, args=[token.pk])}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return response

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_change_permission(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only its user makes a token, and sees it once."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        """A revoked token stays, so that one can see that it was revoked, and when."""
        return False


def state_of(token: AccessToken) -> str:
    """Tell in a word whether a token would be accepted, and if not why."""
    if token.revoked_at is not None:
        return "revoked"
    if not token.is_live(timezone.now()):
        return "expired"
    return "live" if token.user.is_active else "owner inactive"


def _may_act_on(request: HttpRequest, owner: User) -> bool:
    return isinstance(request.user, User) and outranks(request.user, owner)
