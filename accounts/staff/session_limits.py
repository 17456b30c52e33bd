"""How long staff stay signed in to the admin: a while without a request, and a working day in all.

Sessions also end with a change of password, a new or reset second factor, and whenever somebody ends them
(User.get_session_auth_hash); a deactivated account has none.
"""

import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from accounts import audit

_STARTED, _SEEN, _ADDRESS = "started_at", "seen_at", "address"
_WRITE_AFTER = 60  # seconds; a write of the session for each request would be many for nothing


def begin(session: SessionBase, address: str = "") -> None:
    """Start the clocks of a session, and keep for its owner's eyes where it was begun."""
    session[_STARTED] = session[_SEEN] = int(time.time())
    session[_ADDRESS] = address


def times(session: SessionBase | Mapping[str, Any]) -> tuple[int, int]:
    """Return when a session began and when it was last seen, in seconds of the Unix epoch; now, where it says not."""
    now = int(time.time())
    return session.get(_STARTED, now), session.get(_SEEN, now)


def address(session: SessionBase | Mapping[str, Any]) -> str:
    """Return where a session was begun, the empty string where it says not."""
    return str(session.get(_ADDRESS, ""))


def is_over(session: SessionBase | Mapping[str, Any]) -> bool:
    """Tell whether a session has been idle, or has gone on, for too long."""
    now, (started, seen) = int(time.time()), times(session)
    return now - seen > settings.ADMIN_SESSION_IDLE or now - started > settings.ADMIN_SESSION_LIFETIME


class SessionLimits(MiddlewareMixin):
    """Ends sessions that have been idle, or have gone on, for too long."""

    def process_request(self, request: HttpRequest) -> None:
        """Sign out whoever stayed away too long."""
        session = request.session
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return
        if _STARTED not in session:  # not begun at our door: by a test, or before there were limits
            begin(session)
        now = int(time.time())
        if is_over(session):
            with transaction.atomic():
                audit.record(request, audit.SIGN_OUT, request.user, facts={"reason": "time is up"})
                logout(request)
            messages.info(request, "You were signed out: the session had been idle or open for too long.")
        elif now - session[_SEEN] > min(_WRITE_AFTER, settings.ADMIN_SESSION_IDLE // 4):
            session[_SEEN] = now
