"""People: found in seconds, everything about them on one page, and what may be done to them."""

from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import ManyToManyField, Model, QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelect2Widget

from accounts import addresses, audit
from accounts.admin import email_changes, person_panels
from accounts.admin.person_actions import DEEDS, Deed
from accounts.models import User
from accounts.staff.rights import grantable, outranks
from todoproject.admin.change_list import DayRangeFilter
from todoproject.admin.edit_conflicts import WatchedForm
from todoproject.admin.model_admin import ModelAdmin

_RIGHTS = ("is_staff", "is_superuser", "groups")


class PersonForm(WatchedForm):
    """What staff write about a person. An address that they have stays, also where today's rule would refuse it."""

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email != self.instance.email:
            addresses.validate(email)
            known = User.objects.with_email(email).first()
            if known is not None and known.pk != self.instance.pk:
                raise forms.ValidationError("A user with this e-mail exists.")
        return email


@admin.register(User)
class UserAdmin(ModelAdmin):
    """People. Their password is nobody's to see or set: the column is on no page."""

    form = PersonForm
    records_views = True
    unwatched = ("password", "mailbox", "last_login", "sessions_ended_at", "user_permissions")
    export_columns: ClassVar = {
        name: name
        for name in (
            *("id", "email", "email_verified_at", "timezone", "is_active", "is_staff", "is_superuser"),
            *("created_at", "last_login", "change_no", "reminder_mail"),
        )
    }
    list_display = ("email", "state", "role", "has_factor", "last_login", "created")
    list_select_related = ("second_factor",)
    list_filter = (("is_active", BooleanRadioFilter), ("is_staff", BooleanRadioFilter), ("created_at", DayRangeFilter))
    ordering = ("-id",)  # UUIDv7: by creation, and by the primary key's index
    sortable_by = ("email", "created")
    search_fields = ("email",)
    search_help_text = "The e-mail or how it begins, or the whole id"
    change_form_outer_before_template = "admin/accounts/user/deeds.html"  # type: ignore[assignment]  # None in Unfold
    readonly_fields = (
        "id",
        "is_active",
        "email_verified_at",
        "reminder_mail",
        "created_at",
        "last_login",
        "number",
        "factor",
        "new_email",
    )
    fieldsets = (
        (None, {"fields": ("email", "new_email", "timezone", "is_active")}),
        ("Rights in this admin", {"fields": ("is_staff", "is_superuser", "groups", "factor")}),
        ("Details", {"fields": ("id", "email_verified_at", "reminder_mail", "created_at", "last_login", "number")}),
    )
    add_fieldsets = (  # type: ignore[assignment]  # Unfold's default is an empty tuple
        (
            None,
            {
                "fields": ("email", "timezone"),
                "description": "The account starts without a password, and nobody can log in to it before its owner "
                "has set one with the code of a reset mail, or an operator with “manage.py changepassword”. "
                "Staff neither see nor set passwords.",
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

    @display(description="Second factor")
    def has_factor(self, user: User) -> str | None:
        """Tell who of the staff has one; of other people there is nothing to tell."""
        return ("yes" if hasattr(user, "second_factor") else "no") if user.is_staff else None

    @display(description="Change number")
    def number(self, user: User) -> int:
        return user.change_no

    @display(description="Second factor")
    def factor(self, user: User) -> str:
        factor = getattr(user, "second_factor", None)
        if factor is None:
            return "not set up"
        return f"since {person_panels.when(factor.created_at)}, {len(factor.recovery_codes)} recovery codes left"

    @display(description="New e-mail")
    def new_email(self, user: User) -> str:
        change = getattr(user, "email_change", None)
        if change is None:
            return "none asked for"
        return f"{change.email}, asked for on {person_panels.when(change.created_at)}, waits for the code from a mail"

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """Find an e-mail by how it begins, which the index of logins answers, or a person by id."""
        text = search_term.strip()
        if not text or ("@" not in text and len(text.replace("-", "")) == 32):
            return super().get_search_results(request, queryset, search_term)
        return queryset.alias(lower_email=Lower("email")).filter(lower_email__startswith=text.lower()), False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Keep rights in the hands of those who have more of them, and everybody from locking themselves out."""
        actor = request.user
        if not isinstance(actor, User) or obj is None or obj.pk == actor.pk or not outranks(actor, obj):
            return (*self.readonly_fields, *_RIGHTS)
        if actor.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, "is_superuser") if _may_grant(actor) else (*self.readonly_fields, *_RIGHTS)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name == "groups" and isinstance(request.user, User):
            options["queryset"] = grantable(request.user)  # a form takes no other
            options["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
            options["help_text"] = "What a group may do, this person may do."
        return super().formfield_for_manytomany(db_field, request, **options)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer the time zones that there are, and say in plain words what a superuser is."""
        if db_field.name == "timezone":
            zones = [(name, name) for name in sorted(available_timezones())]
            return forms.ChoiceField(
                choices=zones,
                label="Time zone",
                widget=UnfoldAdminSelect2Widget(choices=zones),
                initial="UTC",
                error_messages={"invalid_choice": "Not an IANA time zone, such as Europe/Berlin."},
            )
        if db_field.name == "is_superuser":
            options |= {"label": "Superuser", "help_text": "May do everything, also what no group may."}
        return super().formfield_for_dbfield(db_field, request, **options)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """Leave out the buttons to make or change a group: giving one is no place for that."""
        form = super().get_form(request, obj, change, **options)
        if groups := form.base_fields.get("groups"):
            groups.widget.can_add_related = groups.widget.can_change_related = groups.widget.can_view_related = False
        return form

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Staff are changed by those only who may do more than they: else support could become any of them."""
        actor = request.user
        if obj is not None and not (isinstance(actor, User) and outranks(actor, obj)):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Erasing is how people go, with its own right and its receipt."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: forms.Form, change: bool) -> None:
        if not isinstance(obj, User):
            return
        if not change:
            obj.set_unusable_password()
        elif "email" in form.changed_data and not _is_one_mailbox(obj.email, form.initial["email"]):
            new, obj.email = obj.email, form.initial["email"]
            form.changed_data.remove("email")  # it is written when somebody has proved to read one of the two
            asked = " and to ".join(email_changes.ask(request, obj, new))
            text = f"The e-mail is still {obj.email}, until somebody uses the code that was mailed to {asked}."
            self.message_user(request, text, messages.WARNING)
        super().save_model(request, obj, form, change)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show everything about a person on one page, and record that somebody looked."""
        user = self.get_object(request, object_id)
        if isinstance(user, User) and self.has_view_or_change_permission(request, user):
            shown = {"summary": person_panels.summary(request, user), "panels": person_panels.of(request, user)}
            extra_context = {**(extra_context or {}), **shown, "deeds": _open(request, user)}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return response

    def history_of(self, request: HttpRequest, row: Model) -> "QuerySet[Any]":
        """Leave out when staff sign in, unless one may see the audit: as the person's page does."""
        events = super().history_of(request, row)
        if isinstance(row, User) and not person_panels.may_see_sign_ins(request, row):
            return events.exclude(action__in=[audit.SIGN_IN, audit.SIGN_IN_FAILED, audit.SIGN_OUT])
        return events

    def get_urls(self) -> list[URLPattern]:
        page = path("<uuid:user_id>/do/<slug:name>/", self.admin_site.admin_view(self.do), name="accounts_user_do")
        return [page, *super().get_urls()]

    def do(self, request: HttpRequest, user_id: Any, name: str) -> HttpResponse:
        """Ask whether to do something to a person, and do it."""
        deed = next((deed for deed in DEEDS if deed.name == name), None)
        user = User.objects.filter(pk=user_id).first()
        if deed is None or user is None:
            raise Http404
        if not deed.is_open_to(request.user, user):
            raise PermissionDenied
        form = deed.form(request.POST if request.method == "POST" else None, user=user)
        if request.method == "POST" and form.is_valid():
            return self._done(request, deed, user, form.cleaned_data)
        context = {
            "title": f"{deed.label}: {user.email}",
            "opts": self.opts,
            "deed": deed,
            "person": user,
            "form": form,
        }
        everywhere = self.admin_site.each_context(request)
        return TemplateResponse(request, "admin/accounts/user/do.html", {**everywhere, **context})

    def _done(self, request: HttpRequest, deed: Deed, user: User, values: dict[str, Any]) -> HttpResponse:
        outcome = deed.do(request, user.pk, values)
        if isinstance(outcome, HttpResponse):
            return outcome
        if outcome is None:
            self.message_user(request, "Somebody else was quicker: look again.", messages.WARNING)
        else:
            self.message_user(request, f"{user.email} {outcome}.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[user.pk]))


def _open(request: HttpRequest, user: User) -> list[Deed]:
    return [deed for deed in DEEDS if deed.is_open_to(request.user, user)]


def _is_one_mailbox(email: str, other: str) -> bool:
    return addresses.mailbox(email) == addresses.mailbox(other)


def _may_grant(actor: User) -> bool:
    return actor.has_perm("accounts.grant_user")
