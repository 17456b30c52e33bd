"""`resetsecondfactor`: let a staff member in who has lost app and recovery codes, where nobody else can."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models.functions import Now

from accounts.models import AuditEvent, SecondFactor, User


class Command(BaseCommand):
    help = (
        "Remove the second factor of a staff member and end their admin sessions. They set it up anew at their next"
        " login. Exit code 0: done; 1: there is no such user, or no second factor."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="The account's e-mail address, in upper or lower case.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.with_email(options["email"]).first()
        if user is None:
            raise CommandError("no user has this e-mail")
        with transaction.atomic():
            User.objects.lock([user.pk])
            if not SecondFactor.objects.filter(user=user).delete()[0]:
                raise CommandError("this user has no second factor")
            User.objects.filter(pk=user.pk).update(sessions_ended_at=Now())
            AuditEvent.objects.create(
                door=AuditEvent.Door.COMMAND,
                action="reset second factor",
                object_type=user._meta.label_lower,
                object_id=str(user.pk),
            )
        if options["verbosity"]:
            self.stdout.write(f"The second factor of {user.email} is reset.")
