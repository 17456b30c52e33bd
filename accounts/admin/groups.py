"""Groups: rights are given to them, and people are put into them."""

import re
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import ManyToManyField
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import User
from todoproject.admin.model_admin import ModelAdmin

admin.site.unregister(Group)
# What stands above a group's page: the word of the sidebar, not Django's "Authentication and Authorization".
apps.get_app_config("auth").verbose_name = "Accounts"


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    """What each group may do. Only superusers change it: anybody else could raise their own rights."""

    search_fields = ("name",)
    ordering = ("name",)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name != "permissions":
            return super().formfield_for_manytomany(db_field, request, **options)
        # Of what has pages here; all others (Django's own, inner tables) would be rights that open nothing.
        kinds = ContentType.objects.get_for_models(*self.admin_site._registry).values()
        # The name of each would ask for its content type.
        offered = Permission.objects.select_related("content_type").filter(content_type__in=[kind.pk for kind in kinds])
        options |= {"queryset": offered, "widget": UnfoldAdminCheckboxSelectMultipleWidget(), "label": "Rights"}
        field: Any = super().formfield_for_manytomany(db_field, request, **options)
        field.label_from_instance = in_words
        return field

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return is_superuser(request)


def in_words(right: Permission) -> str:
    """Return what a right lets one do: "Change access tokens", not "accounts | access token | Can change …"."""
    kind: Any = right.content_type.model_class()
    verb = right.codename.partition("_")[0]
    if right.codename == f"{verb}_{kind._meta.model_name}" and verb in kind._meta.default_permissions:
        return f"{verb.capitalize()} {kind._meta.verbose_name_plural}"
    doing = right.name.removeprefix("Can ")
    return re.sub(r"\buser\b", "users", doing[:1].upper() + doing[1:])


def is_superuser(request: HttpRequest) -> bool:
    """Tell whether the request is a superuser's."""
    return isinstance(request.user, User) and request.user.is_superuser
