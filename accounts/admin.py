"""The staff's view of people, groups and access tokens."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import ManyToManyField, Model, QuerySet
from django.db.models.functions import Now
from django.forms import Form
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import AccessToken, User
from todoproject.admin import DayRangeFilter, ModelAdmin

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    """Rights are given to groups, and people are put into groups."""

    search_fields = ("name",)
    ordering = ("name",)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name == "permissions":  # whose names would each ask for their content type
            options["queryset"] = Permission.objects.select_related("content_type")
            options["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **options)


@admin.register(User)
class UserAdmin(ModelAdmin):
    """People. Their password is nobody's to see or set: the column is on no page."""

    list_display = ("email", "state", "role", "created")
    list_filter = ("is_active", "is_staff", ("created_at", DayRangeFilter))
    ordering = ("-id",)  # UUIDv7: by creation, and by the primary key's index
    sortable_by = ("email", "created")
    search_fields = ("email",)
    search_help_text = "E-mail, or the whole id"
    autocomplete_fields = ("groups",)
    readonly_fields = ("id", "email_verified_at", "created_at", "last_login", "change_no", "tasks", "tokens")
    fieldsets = (
        (None, {"fields": ("email", "timezone", "is_active")}),
        ("What belongs to them", {"fields": ("tasks", "tokens")}),
        ("Rights in this admin", {"fields": ("is_staff", "is_superuser", "groups")}),
        ("Bookkeeping", {"fields": ("id", "email_verified_at", "created_at", "last_login", "change_no")}),
    )
    add_fieldsets = (  # type: ignore[assignment]  # Unfold's default is an empty tuple
        (
            None,
            {
                "fields": ("email", "timezone"),
                "description": "The account starts without a password, and nobody can log in to it before its owner "
                "has set one with the code that POST /v1/auth/password-reset mails, or an operator with "
                "“manage.py changepassword”. Staff neither see nor set passwords.",
            },
        ),
    )

    @display(description="State", label={"active": "success", "inactive": "danger"}, ordering="is_active")
    def state(self, user: User) -> str:
        return "active" if user.is_active else "inactive"

    @display(description="Role", label={"staff": "info", "superuser": "warning"})
    def role(self, user: User) -> str | None:
        if user.is_staff:
            return "superuser" if user.is_superuser else "staff"
        return None

    @display(description="Created", ordering="id")
    def created(self, user: User) -> Any:
        return user.created_at

    @display(description="Tasks")
    def tasks(self, user: User) -> str:
        return _list_of(user, "tasks_task", "Show their tasks")

    @display(description="Access tokens")
    def tokens(self, user: User) -> str:
        return _list_of(user, "accounts_accesstoken", "Show their access tokens")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Keep rights in the hands of superusers, and everybody from locking themselves out."""
        rights = ("is_staff", "is_superuser", "groups")
        if not _is_superuser(request):
            return (*self.readonly_fields, *rights)
        if obj is not None and obj.pk == request.user.pk:
            return (*self.readonly_fields, "is_active", "is_staff", "is_superuser")
        return self.readonly_fields

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers change staff: else whoever may edit people could become, or shut out, any of them."""
        if obj is not None and obj.is_staff and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody deletes people here: it would take every task of theirs along, and the history of what they did."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        if not change and isinstance(obj, User):
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)


@admin.register(AccessToken)
class AccessTokenAdmin(ModelAdmin):
    """Tokens, to look at and to revoke. Nothing here, not even the digest, would help anybody to use one."""

    list_display = ("name", "owner", "kind", "granted", "created", "expires_at", "last_used_at", "state")
    list_select_related = ("user",)
    list_filter = (("user", AutocompleteSelectFilter), "kind", ("created_at", DayRangeFilter))
    ordering = ("-id",)
    sortable_by = ("created", "expires_at", "last_used_at")
    search_fields = ("user__email", "name")
    search_help_text = "Name, the owner's e-mail, or the whole id"
    fieldsets = (
        (None, {"fields": ("name", "owner", "kind", "granted", "state")}),
        ("Times", {"fields": ("created_at", "expires_at", "last_used_at", "rotated_at", "revoked_at")}),
        ("Bookkeeping", {"fields": ("id",)}),
    )
    readonly_fields = ("owner", "granted", "state", "created_at", "last_used_at", "rotated_at", "id")
    actions = ("revoke",)

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
        if token.revoked_at is not None:
            return "revoked"
        if not token.is_live(timezone.now()):
            return "expired"
        return "live" if token.user.is_active else "owner inactive"

    @admin.action(description="Revoke selected access tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: "QuerySet[AccessToken]") -> None:
        """End the tokens: the very next request with one of them is refused."""
        self.update_selected(request, queryset.filter(revoked_at=None), "revoked", revoked_at=Now())

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


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _list_of(user: User, model: str, text: str) -> str:
    address = reverse(f"admin:{model}_changelist", query={"user__id__exact": str(user.pk)})
    return format_html('<a href="{}" class="text-link">{}</a>', address, text)
