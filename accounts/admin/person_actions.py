"""What staff do to one person: each with its own right, asked for once more, recorded with the change it makes."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget

from accounts import audit, mails, throttling, tokens
from accounts.models import AuditEvent, EmailLink, SecondFactor, User
from accounts.queries import account_export
from accounts.staff import second_factor
from accounts.staff.rights import outranks
from todoproject.http import client_address
from todoproject.mail.outbox import send_now


class AskForm(forms.Form):
    """Nothing to fill in: the button is the answer."""

    def __init__(self, *arguments: Any, user: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.user = user


class EraseForm(AskForm):
    """Why, and whom: the address is typed so that nobody erases by a slip. Reasons are a choice: text tells names."""

    REASONS = ("their own request", "legal obligation", "abuse", "test account")

    reason = forms.ChoiceField(choices=[(reason, reason) for reason in REASONS], widget=UnfoldAdminSelectWidget())
    email = forms.CharField(label="Their e-mail, to confirm", widget=UnfoldAdminEmailInputWidget())

    def clean_email(self) -> str:
        if self.cleaned_data["email"].strip().lower() != self.user.email.lower():
            raise forms.ValidationError("This is not their e-mail.")
        return self.user.email


# Does it, in a transaction, and returns what to tell the staff member, or the answer itself.
Act = Callable[[HttpRequest, User, dict[str, Any]], str | HttpResponse]


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that may be done to a person."""

    name: str
    label: str
    right: str
    icon: str
    question: str
    act: Act
    fits: Callable[[User], bool] = lambda user: True
    form: type[AskForm] = AskForm
    is_grave: bool = False

    def is_open_to(self, actor: Any, user: User) -> bool:
        """Tell whether this staff member may do it to this person now."""
        may = isinstance(actor, User) and actor.has_perm(f"accounts.{self.right}")
        return may and actor.pk != user.pk and outranks(actor, user) and self.fits(user)

    def do(self, request: HttpRequest, pk: UUID, values: dict[str, Any]) -> str | HttpResponse | None:
        """Do it; None where it is no longer to be done."""
        with transaction.atomic():
            # Before their tokens and all else that is theirs, as everybody does.
            user = User.objects.filter(pk=pk).select_for_update(no_key=True).first()
            if user is None or not self.is_open_to(request.user, user):
                return None
            return self.act(request, user, values)


def _deactivate(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    user.end_access()
    User.objects.filter(pk=user.pk).update(is_active=False)
    audit.record(request, "deactivate", user, changes={"is_active": [True, False]})
    return "was deactivated: tokens, sessions and codes from mails have ended"


def _reactivate(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    User.objects.filter(pk=user.pk).update(is_active=True)
    audit.record(request, "reactivate", user, changes={"is_active": [False, True]})
    return "is active again, and has to log in anew"


def _send_reset(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    secret = secrets.token_urlsafe(32)
    EmailLink.objects.create(
        purpose=EmailLink.Purpose.RESET,
        email=user.email,
        digest=tokens.digest(secret),
        expires_at=timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_LIFETIME),
    )
    audit.record(request, "send reset", user)
    # After the commit: a code that nobody can use must not be on its way.
    transaction.on_commit(lambda: send_now(mails.reset(user.email, secret, str(user.pk))))
    return "is being sent a code for a new password"


def _revoke_tokens(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    count = user.tokens.filter(revoked_at=None).update(revoked_at=Now())
    audit.record(request, "revoke tokens", user, facts={"tokens": count})
    return f"has lost {count} token{'' if count == 1 else 's'}"


def _lift_limit(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    tried_from = {client_address.limited_as(address) for address in _addresses(user)}
    lifted = throttling.lift(user.email, sorted(tried_from)) + throttling.lift(str(user.pk), sorted(tried_from))
    second_factor.unlock(user)
    audit.record(request, "lift limit", user, facts={"buckets": lifted})
    return "may try again"


def _reset_second_factor(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    SecondFactor.objects.filter(user=user).delete()
    User.objects.filter(pk=user.pk).update(sessions_ended_at=Now())
    audit.record(request, "reset second factor", user)
    return "has no second factor any more, and no session"


def _export(request: HttpRequest, user: User, values: dict[str, Any]) -> HttpResponse:
    document = export_of(user)
    audit.record(request, audit.EXPORT, user, facts={"bytes": len(document)})
    headers = {"Content-Disposition": f'attachment; filename="account-{user.pk}.json"', "Cache-Control": "no-store"}
    return HttpResponse(document, content_type="application/json", headers=headers)


def _erase(request: HttpRequest, user: User, values: dict[str, Any]) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT erase_user(%s)", [user.pk])
        rows = cursor.fetchone()[0]
    # Without the detail: who is gone leaves none.
    counts = json.loads(rows) if isinstance(rows, str) else rows
    event = audit.record(request, audit.ERASE, user, facts={"reason": values["reason"], "rows": counts})
    return HttpResponseRedirect(reverse("admin:accounts_auditevent_receipt", args=[event.pk]))


def export_of(user: User) -> bytes:
    """Return what `GET /v1/me/export` would, behind the same fence: in each part's role, its rows bound to the user.

    The owner of the tables, as whom the admin works, is bound by no row policy.
    """
    parts = []
    with transaction.atomic(), connection.cursor() as cursor:
        for name, part in account_export.parts():
            statement = part()
            bind = "SELECT set_config('app.user_id', %s, true), set_config('role', %s, true)"
            cursor.execute(bind, [str(user.pk), statement.role])
            cursor.execute(statement.query.text.decode())
            value = cursor.fetchone()[0]
            parts.append(f"{json.dumps(name)}:{value if isinstance(value, str) else json.dumps(value)}")
        # What comes next in this transaction, the record of it, is the owner's again.
        cursor.execute("SELECT set_config('app.user_id', '', true), set_config('role', 'none', true)")
    return f"{{{','.join(parts)}}}".encode()


def _addresses(user: User) -> set[str]:
    """Return where sign-ins have lately failed from: those are the buckets that may be empty."""
    failed = AuditEvent.objects.filter(object_id=str(user.pk), action=audit.SIGN_IN_FAILED).order_by("-id")[:100]
    return {address for address in failed.values_list("detail__address", flat=True) if address}


DEEDS = (
    Deed(
        "send-reset",
        "Send reset",
        "send_reset_user",
        "mail",
        "Mail them a code with which they set a new password? Nothing ends before they use it.",
        _send_reset,
        lambda user: user.is_active,
    ),
    Deed(
        "revoke-tokens",
        "Revoke tokens",
        "change_accesstoken",
        "key_off",
        "End all their access tokens, logins and personal ones? Their apps have to log in anew.",
        _revoke_tokens,
    ),
    Deed(
        "lift-limit",
        "Lift limit",
        "lift_limit_user",
        "lock_open",
        "Forget their failed attempts, so that they can log in at once?",
        _lift_limit,
    ),
    Deed(
        "reset-second-factor",
        "Reset second factor",
        "reset_second_factor_user",
        "phonelink_erase",
        "Remove their authenticator app and recovery codes, and end their admin sessions? They set it up anew.",
        _reset_second_factor,
        lambda user: SecondFactor.objects.filter(user=user).exists(),
    ),
    Deed(
        "export",
        "Export",
        "export_user",
        "download",
        "Download all that is held about them, their tasks included, as JSON?",
        _export,
    ),
    Deed(
        "deactivate",
        "Deactivate",
        "deactivate_user",
        "block",
        "Shut them out? Every token, admin session and code from a mail ends at once. Their data stays.",
        _deactivate,
        lambda user: user.is_active,
        is_grave=True,
    ),
    Deed(
        "reactivate",
        "Reactivate",
        "deactivate_user",
        "check_circle",
        "Let them in again? What has ended stays ended.",
        _reactivate,
        lambda user: not user.is_active,
    ),
    Deed(
        "erase",
        "Erase",
        "erase_user",
        "delete_forever",
        "Erase the account with everything that belongs to it? It cannot be taken back.",
        _erase,
        form=EraseForm,
        is_grave=True,
    ),
)
