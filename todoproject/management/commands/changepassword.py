"""`changepassword`: Django's, which also ends what the old password has opened, and leaves a record."""

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError
from django.db import transaction

from accounts.models import AuditEvent, User


class Command(changepassword.Command):
    help = (
        "Set a user's password. Every token, every session of the admin and every code from a mail ends with the old"
        " one. Exit code 0: done; 1: there is no such user, or the password was refused."
    )

    def handle(self, *args: Any, **options: Any) -> str:
        user = User.objects.with_email(options["username"] or "").first()
        if user is None:
            raise CommandError("no user has this e-mail")
        with transaction.atomic():  # the row is written, and so locked, at the end only: nobody waits for who types
            live = user.tokens.filter(revoked_at=None)
            before = live.count()
            outcome = super().handle(*args, **{**options, "username": user.email})
            AuditEvent.objects.create(
                door=AuditEvent.Door.COMMAND,
                action="change password",
                object_type=user._meta.label_lower,
                object_id=str(user.pk),
                facts={"tokens": before - live.count()},
            )
        return str(outcome)
