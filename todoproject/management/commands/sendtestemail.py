"""`sendtestemail`: Django's, with one line where the mail does not go out."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import sendtestemail


class Command(sendtestemail.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except OSError as error:  # smtplib's are, too
            reason = " ".join(str(error).split())
            raise CommandError(
                f"the mail did not go out: {reason}. Look at EMAIL_URL and DEFAULT_FROM_EMAIL"
            ) from error
