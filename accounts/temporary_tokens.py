"""A token for as long as a command runs: so it does what it does as the owner, through the fence, as the API would."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import tokens
from accounts.models import AccessToken, Scope, User
from todoproject.database.client.statement import Credentials

_LONGEST = timedelta(days=1)  # should nobody be left to end it


@contextmanager
def temporary_token(user: User, name: str, scopes: Sequence[Scope]) -> Iterator[Credentials]:
    """Make a token of the user's and end it afterwards; the history of their tasks names it."""
    digest = tokens.digest(tokens.generate())
    with transaction.atomic():
        User.objects.lock([user.pk])
        made = AccessToken.objects.create(
            user=user,
            name=name,
            digest=digest,
            scopes=[scope.value for scope in scopes],
            expires_at=timezone.now() + _LONGEST,
        )
    try:
        yield Credentials(digest)
    finally:
        with transaction.atomic():
            User.objects.lock([user.pk])
            AccessToken.objects.filter(pk=made.pk).update(revoked_at=Now())
