"""Another address for a person: asked for by staff, done when somebody proves to read the old or the new one.

The new one proves nothing about whose the account is: whoever edits people could name their own, and have the password
reset. So it is asked only where the staff member may take all data of people along anyway; else the old one must agree.
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

NEEDED_TO_ASK_THE_NEW = "accounts.export_user"


def ask(request: HttpRequest, user: User, new: str) -> list[str]:
    """End the sessions of `user`, and mail a code after the commit; the last that is asked counts.

    Return the addresses that are asked; without the right to ask the new one its code is mailed to nobody.
    """
    asks_new = isinstance(request.user, User) and request.user.has_perm(NEEDED_TO_ASK_THE_NEW)
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
    pk, codes = str(user.pk), {user.email: of_old} | ({new: of_new} if asks_new else {})

    def send() -> None:  # after the commit: a code that nobody can use must not be on its way
        for address, code in codes.items():
            send_now(mails.email_change_asked(address, code, pk))

    transaction.on_commit(send)
    return list(codes)
