"""`reencrypt`: bring what is encrypted under an old SECRET_KEY under the present one."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import SecondFactor
from accounts.staff import second_factor


class Command(BaseCommand):
    help = (
        "Encrypt the second factors of staff anew, from the keys in SECRET_KEY_FALLBACKS under SECRET_KEY. It may be"
        " run again, beside the server. Exit code 0: all are under SECRET_KEY; 1: some cannot be read, and are named."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[str] = Counter()
        unreadable = []
        for factor in SecondFactor.objects.select_related("user").order_by("pk").iterator(chunk_size=100):
            outcome = second_factor.reencrypt(factor)
            counts[outcome] += 1
            if outcome == "unreadable":
                unreadable.append(factor.user.email)
        if options["verbosity"]:
            self.stdout.write(f"Second factors: {counts['anew']} encrypted anew, {counts['already']} were already.")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} cannot be read with SECRET_KEY or SECRET_KEY_FALLBACKS: {', '.join(unreadable)}."
                " Add the key they were made under, or reset them (resetsecondfactor)."
            )
        if options["verbosity"]:
            self.stdout.write("The keys in SECRET_KEY_FALLBACKS are no longer needed for them.")
