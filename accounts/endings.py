"""What ends with an account's password, or with the account's being active: one place for the admin and the commands.

The API's own ways, which run as functions of the database, end the same (migrations/0006).
"""

from typing import Any

from django.db import transaction
from django.db.models.functions import Lower, Now

from accounts.models import EmailChange, EmailLink, User


def end_all(user: User, **changes: Any) -> int:
    """End every token, personal ones too, every session of the admin, every code in a mail; return how many tokens.

    `changes` are columns of the user that are written with it.
    """
    with transaction.atomic():
        User.objects.lock([user.pk])  # the owner before their tokens, as everywhere; nobody makes one meanwhile
        User.objects.filter(pk=user.pk).update(sessions_ended_at=Now(), **changes)
        ended = end_tokens(user)
        EmailLink.objects.alias(lower_email=Lower("email")).filter(lower_email=user.email.lower()).delete()
        EmailChange.objects.filter(user=user).delete()
    return ended


def end_tokens(user: User) -> int:
    """End all tokens of a user that are alive; return how many."""
    return user.tokens.filter(revoked_at=None).update(revoked_at=Now())
