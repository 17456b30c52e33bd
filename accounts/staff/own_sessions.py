"""The sessions of one member of staff, in this admin and in apps, each with a name by which it is ended.

Django's table of sessions does not know whose they are. Only those who have given a password are in it, and none for
longer than ADMIN_SESSION_LIFETIME, so it is small: it is read through, the newest first, up to a bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts import audit
from accounts.models import AccessToken, User
from accounts.staff import session_limits

_MOST_LOOKED_AT = 2_000  # some 30 ms
_MOST_LOGINS = 100  # more an account does not have: accounts/queries/sign_in.py


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session as its owner sees it; `name` is for the form that ends it, and opens nothing."""

    name: str
    place: str
    began: datetime
    seen: datetime
    address: str
    is_this: bool = False


def of(request: HttpRequest, user: User) -> list[OwnSession]:
    """Return the sessions that would be let in now, the one at hand first."""
    found = [*(shown for _, shown in _in_admin(request, user)), *map(_shown_login, _logins(user))]
    return sorted(found, key=lambda session: (not session.is_this, -session.seen.timestamp()))


def end(request: HttpRequest, user: User, name: str) -> bool:
    """End a session of one's own other than the one at hand; tell whether there was one of this name."""
    with transaction.atomic():
        User.objects.lock([user.pk])  # the owner before their tokens, as everywhere
        ended = {"sessions": _end_in_admin(request, user, name), "tokens": _end_login(user, name)}
        if not any(ended.values()):
            return False
        audit.record(request, "end sessions", user, facts={kind: count for kind, count in ended.items() if count})
    return True


def _end_in_admin(request: HttpRequest, user: User, name: str) -> int:
    keys = [key for key, shown in _in_admin(request, user) if shown.name == name and not shown.is_this]
    return Session.objects.filter(pk__in=keys).delete()[0]


def _end_login(user: User, name: str) -> int:
    chosen = [login.pk for login in _logins(user) if str(login.pk) == name]
    return user.tokens.filter(pk__in=chosen, revoked_at=None).update(revoked_at=Now())


def _in_admin(request: HttpRequest, user: User) -> Iterator[tuple[str, OwnSession]]:
    """Yield the key of each session of the admin, and the session."""
    rows = Session.objects.filter(expire_date__gt=timezone.now()).order_by("-expire_date")[:_MOST_LOOKED_AT]
    for row in rows:
        session = row.get_decoded()
        if _is_open_to(user, session):
            is_this = row.pk == request.session.session_key
            yield row.pk, _shown(row.pk, session, is_this=is_this)


def _is_open_to(user: User, session: dict[str, Any]) -> bool:
    """Tell whether this session is somebody's, and has ended neither with their password nor with its time."""
    if session.get(SESSION_KEY) != str(user.pk) or session_limits.is_over(session):
        return False
    return constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


def _shown(key: str, session: dict[str, Any], *, is_this: bool) -> OwnSession:
    name = salted_hmac("accounts.staff.own_sessions", key, algorithm="sha256").hexdigest()
    began, seen = (datetime.fromtimestamp(moment, UTC) for moment in session_limits.times(session))
    place = "This browser" if is_this else "The admin, in another browser"
    return OwnSession(name, place, began, seen, session_limits.address(session), is_this)


def _logins(user: User) -> list[AccessToken]:
    live = user.tokens.filter(kind=AccessToken.Kind.SESSION, revoked_at=None, expires_at__gt=timezone.now())
    return list(live.order_by("-id")[:_MOST_LOGINS])


def _shown_login(login: AccessToken) -> OwnSession:
    return OwnSession(str(login.pk), "An app", login.created_at, login.last_used_at or login.created_at, "")
