"""Another address for a person: asked for by staff, done when somebody proves to read the old or the new one.

Else whoever may edit people could give an account their own address, and have its password reset.
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from accounts import addresses, audit, mails, tokens
from accounts.models import AccessToken, EmailChange, User
from todoproject.mail.outbox import send_now


def ask(request: HttpRequest, user: User, new: str) -> None:
    """End the sessions of `user`, and mail a code to both addresses after the commit; the last that is asked counts."""
    of_old, of_new = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    values = {
        "email": new,
        "mailbox": addresses.stored_mailbox(new),
        "by_owner": False,
        "replaces": user.email,
        "old_digest": tokens.digest(of_old),
        "new_digest": tokens.digest(of_new),
        "expires_at": timezone.now() + timedelta(seconds=settings.EMAIL_VERIFICATION_LIFETIME),
    }
    EmailChange.objects.update_or_create(user=user, defaults=values)
    user.tokens.filter(kind=AccessToken.Kind.SESSION, revoked_at=None).update(revoked_at=Now())
    User.objects.filter(pk=user.pk).update(sessions_ended_at=Now())
    audit.record(request, "ask e-mail change", user, changes={"email": [user.email, new]})
    old, pk = user.email, str(user.pk)

    def send() -> None:  # after the commit: a code that nobody can use must not be on its way
        send_now(mails.email_change_asked(old, of_old, pk))
        send_now(mails.email_change_asked(new, of_new, pk))

    transaction.on_commit(send)
