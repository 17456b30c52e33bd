"""“My account”: what staff do to their own account: password, second factor, recovery codes, sessions.

Whatever would let somebody else in for longer (new codes, another phone) asks for a code first: whoever finds a browser
open must not be able to keep the account.
"""

import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import audit
from accounts.models import AccessToken, SecondFactor, User
from accounts.staff import own_sessions, second_factor
from accounts.staff.forms import CodeForm

SHOWN = 10  # sign-ins: enough to see a stranger's
_REPLACING = "second_factor_replacing"
_REPLACE_SECONDS = 600  # between the old phone's code and the new one's


def context(request: HttpRequest, user: User, form: CodeForm) -> dict[str, Any]:
    """Return what the page shows about somebody."""
    factor = SecondFactor.objects.filter(user=user).first()
    sign_ins = audit.events_of(user).filter(action=audit.SIGN_IN)[:SHOWN]
    return {
        "form": form,
        "factor": factor,
        "codes_left": len(factor.recovery_codes) if factor else 0,
        "is_required": settings.ADMIN_SECOND_FACTOR == "required",
        "sessions": own_sessions.of(request, user),
        "sign_ins": [(event.at, audit.DOORS[event.door], audit.address_of(event)) for event in sign_ins],
    }


def new_codes(request: HttpRequest, user: User) -> Any:
    """Replace the recovery codes; return the new ones, which nobody sees again. None where there is no factor."""
    with transaction.atomic():
        codes = second_factor.renew_codes(user)
        if codes is not None:
            audit.record(request, "renew recovery codes", user)
    return codes


def begin_replacing(request: HttpRequest) -> HttpResponse:
    """Lead to the page that sets up another phone; the one that there is works until that is done."""
    request.session[_REPLACING] = int(time.time())
    return HttpResponseRedirect(reverse("admin:second_factor_set_up"))


def is_replacing(request: HttpRequest) -> bool:
    """Tell whether a code of the present second factor has been shown, a moment ago, to replace it."""
    since: int = request.session.get(_REPLACING, 0)
    return time.time() - since <= _REPLACE_SECONDS


def has_replaced(request: HttpRequest) -> None:
    """Let no second phone be set up with the code of the first."""
    request.session.pop(_REPLACING, None)


def turn_off(request: HttpRequest, user: User) -> HttpResponse:
    """Remove the second factor where none is required."""
    with transaction.atomic():
        User.objects.lock([user.pk])
        if settings.ADMIN_SECOND_FACTOR != "required" and SecondFactor.objects.filter(user=user).delete()[0]:
            audit.record(request, "reset second factor", user)
            messages.success(request, "The second factor is off.")
    _stay_signed_in(request, user)
    return back()


def end_sessions(request: HttpRequest, user: User) -> HttpResponse:
    """End every login and every other session of the admin; the one at hand goes on."""
    with transaction.atomic():
        User.objects.lock([user.pk])
        ended = user.tokens.filter(kind=AccessToken.Kind.SESSION, revoked_at=None).update(revoked_at=Now())
        User.objects.filter(pk=user.pk).update(sessions_ended_at=Now())
        audit.record(request, "end sessions", user, facts={"tokens": ended})
    _stay_signed_in(request, user)
    messages.success(request, "All other sessions have ended, here and in apps. Personal access tokens go on.")
    return back()


def end_session(request: HttpRequest, user: User) -> HttpResponse:
    """End one other session, which the form names."""
    if own_sessions.end(request, user, request.POST.get("session", "")):
        messages.success(request, "That session has ended.")
    else:
        messages.warning(request, "That session had ended already.")
    return back()


def back() -> HttpResponse:
    """Lead to the page."""
    return HttpResponseRedirect(reverse("admin:account"))


def _stay_signed_in(request: HttpRequest, user: User) -> None:
    fresh = User.objects.select_related("second_factor").get(pk=user.pk)
    update_session_auth_hash(request, fresh)
