"""`restore`: bring a backup back, into an empty or a new database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from todoproject.management.backups import manifest, restoring
from todoproject.management.backups.errors import BackupError
from todoproject.management.interruption import orderly
from todoproject.management.progress import Progress


class Command(BaseCommand):
    help = (
        "Restore a backup into the database of the settings, which must be empty, or into another one of the same"
        " server, which is made if it is absent. The checksum is compared first; roles, rights, policies and the"
        " search_path come back with the data; afterwards every table is compared with what was backed up. Whoever"
        " follows changes begins anew, as after `resetsync`. It happens as a whole or not at all. Exit code 0: done; 1:"
        " refused or failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The dump; FILE.json must lie beside it.")
        parser.add_argument("--database", metavar="NAME", help="Another database of the same server, new or empty.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress.")

    def handle(self, *args: Any, **options: Any) -> None:
        dump: Path = options["file"]
        name: str = options["database"] or connections["default"].settings_dict["NAME"]
        tell = Progress(quiet=options["json"] or options["verbosity"] == 0)
        try:
            with orderly():
                made = restoring.check(dump, tell)
                with restoring.database(name, tell) as connection:
                    is_reset = restoring.restore(dump, made, connection, tell)
        except (BackupError, psycopg.Error, OSError) as error:
            raise CommandError(" ".join(str(error).split())) from error
        finally:
            tell.done()
        if options["json"]:
            facts = {"database": name, "settings": made.settings, "sync_reset": is_reset}
            self.stdout.write(json.dumps(manifest.summary(dump, made) | facts))
            return
        self.stdout.write(
            f"Restored {made.rows} rows of {len(made.contents.tables)} tables, as they were at {made.created_at}, into"
            f" database {name}, and compared them. Now run `python manage.py migrate`,"
            f"{'' if is_reset else ' `python manage.py resetsync`,'} then `python manage.py dbcheck`."
        )
        if made.settings:
            self.stdout.write("What was set beside the data, and is not set by a restore; set again what is wanted:")
            self.stdout.write("".join(f"  {statement};\n" for statement in made.settings))
        if options["database"]:
            self.stdout.write(
                f"To use it, put {name} for the database's name into DATABASE_URL and DIRECT_DATABASE_URL."
            )
