"""`resetsync`: after a restored backup, send everybody who follows changes back to the beginning."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = (
        "Make every cursor of GET /v1/changes too old (410), and leave out a million numbers for each account: after a"
        " backup was restored by your provider, before anybody is served, or numbers are given a second time for other"
        " changes. `restore` does it by itself. It costs each client one sync from nothing. Exit code 0: done; 1:"
        " failed, and nothing was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT reset_sync()")
            [accounts] = cursor.fetchone()
        if options["json"]:
            self.stdout.write(json.dumps({"accounts": accounts}))
        elif options["verbosity"] > 0:
            self.stdout.write(f"Whoever follows one of {accounts} accounts begins anew.")
