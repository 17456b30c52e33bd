"""What the commands that import and export tasks share: whose they are, and how they reach them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from django.core.management.base import CommandError

from accounts.models import AuditEvent, Scope, User
from accounts.temporary_tokens import temporary_token
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import DatabaseError

T = TypeVar("T")


def owner(email: str) -> User:
    """Return the account with this e-mail. Raises CommandError where there is none that could sign in."""
    user = User.objects.with_email(email).first()
    if user is None:
        raise CommandError("no user has this e-mail")
    if not user.is_active:
        raise CommandError("this user is deactivated")
    return user


def act_as(user: User, name: str, scopes: Sequence[Scope], work: Callable[[Credentials], Awaitable[T]]) -> T:
    """Do some work with the API's own pool, as the owner. Raises CommandError where the database is away."""

    async def run(credentials: Credentials) -> T:
        await pool.open()
        try:
            return await work(credentials)
        finally:
            await pool.close()

    with temporary_token(user, name, scopes) as credentials:
        try:
            return asyncio.run(run(credentials))
        except DatabaseError as error:
            raise CommandError(f"the database did not answer: {' '.join(str(error).split())}") from error


def record(user: User, action: str, **facts: object) -> None:
    """Record what an operator did to somebody's tasks: numbers, never words of theirs."""
    AuditEvent.objects.create(
        door=AuditEvent.Door.COMMAND,
        action=action,
        object_type=user._meta.label_lower,
        object_id=str(user.pk),
        facts=facts,
    )
