"""How long staff stay signed in to the admin: a while without a request, and a working day in all.

Sessions also end with a change of password, a new or reset second factor, and whenever somebody ends them
(User.get_session_auth_hash); a deactivated account has none.
"""

import time

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from accounts import audit

_STARTED, _SEEN = "started_at", "seen_at"
_WRITE_AFTER = 60  # seconds; a write of the session for each request would be many for nothing


def begin(session: SessionBase) -> None:
    """Start the clocks of a session."""
    session[_STARTED] = session[_SEEN] = int(time.time())


class SessionLimits(MiddlewareMixin):
    """Ends sessions that have been idle, or have gone on, for too long."""

    def process_request(self, request: HttpRequest) -> None:
        """Sign out whoever stayed away too long."""
        session = request.session
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return
        if _STARTED not in session:  # not begun at our door: by a test, or before there were limits
            begin(session)
        now, started, seen = int(time.time()), session[_STARTED], session[_SEEN]
        if now - seen > settings.ADMIN_SESSION_IDLE or now - started > settings.ADMIN_SESSION_LIFETIME:
            with transaction.atomic():
                audit.record(request, audit.SIGN_OUT, request.user, facts={"reason": "time is up"})
                logout(request)
            messages.info(request, "You were signed out: the session had been idle or open for too long.")
        elif now - seen > min(_WRITE_AFTER, settings.ADMIN_SESSION_IDLE // 4):
            session[_SEEN] = now
