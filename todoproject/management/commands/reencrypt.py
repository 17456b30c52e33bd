"""`reencrypt`: bring what is encrypted under an old SECRET_KEY under the present one."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import SecondFactor
from accounts.staff import second_factor
from tasks import webhook_secrets
from tasks.models import Webhook


class Command(BaseCommand):
    help = (
        "Encrypt the second factors of staff and the secrets of webhooks anew, from the keys in SECRET_KEY_FALLBACKS"
        " under SECRET_KEY. It may be run again, beside the server. Exit code 0: all are under SECRET_KEY; 1: some"
        " cannot be read, and are named."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts, unreadable = _second_factors()
        hooks, unreadable_hooks = _webhooks()
        if options["verbosity"]:
            self.stdout.write(f"Second factors: {counts['anew']} encrypted anew, {counts['already']} were already.")
            self.stdout.write(f"Webhooks: {hooks['anew']} encrypted anew, {hooks['already']} were already.")
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} cannot be read with SECRET_KEY or SECRET_KEY_FALLBACKS: {', '.join(unreadable)}."
                " Add the key they were made under, or reset them (resetsecondfactor)."
            )
        if unreadable_hooks:
            raise CommandError(
                f"The secrets of {len(unreadable_hooks)} webhooks cannot be read with SECRET_KEY or"
                f" SECRET_KEY_FALLBACKS: {', '.join(unreadable_hooks)}. Add the key they were made under, or have their"
                " owners rotate them."
            )
        if options["verbosity"]:
            self.stdout.write("The keys in SECRET_KEY_FALLBACKS are no longer needed for them.")


def _second_factors() -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    unreadable = []
    for factor in SecondFactor.objects.select_related("user").order_by("pk").iterator(chunk_size=100):
        outcome = second_factor.reencrypt(factor)
        counts[outcome] += 1
        if outcome == "unreadable":
            unreadable.append(factor.user.email)
    return counts, unreadable


def _webhooks() -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    unreadable = []
    for hook in Webhook.objects.order_by("pk").iterator(chunk_size=100):
        held = {name: bytes(value) for name in ("secret", "old_secret") if (value := getattr(hook, name)) is not None}
        outdated = {name: sealed for name, sealed in held.items() if not webhook_secrets.is_current(sealed)}
        opened = {name: secret for name, sealed in outdated.items() if (secret := webhook_secrets.unseal(sealed))}
        # One that is rotated at this moment is left alone: it is under the new key.
        renewed = {name: webhook_secrets.seal(secret) for name, secret in opened.items()}
        if renewed:
            Webhook.objects.filter(pk=hook.pk, **outdated).update(**renewed)
        if "secret" in outdated and "secret" not in opened:
            unreadable.append(str(hook.pk))
        counts["anew" if renewed else "unreadable" if outdated else "already"] += 1
    return counts, unreadable
