"""`backup`: write a dump of the database that `restore` and `verifybackup` can trust."""

import json
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from todoproject.management.backups import dump, manifest
from todoproject.management.backups.errors import BackupError
from todoproject.management.interruption import orderly
from todoproject.management.progress import Progress


class Command(BaseCommand):
    help = (
        "Write a backup: a dump in PostgreSQL's custom format, taken over the direct connection while the service runs,"
        " and beside it FILE.json with its checksum and what it must hold. Nothing is ever overwritten, and a file that"
        " has its name is whole. It holds password hashes and people's tasks: only its owner may read it. Exit code 0:"
        " done; 1: failed, and nothing is left behind."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="A file or a folder; by default todo-<time>.dump in this folder.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress.")

    def handle(self, *args: Any, **options: Any) -> None:
        tell = Progress(quiet=options["json"] or options["verbosity"] == 0)
        try:
            with orderly():
                path = dump.target(options["file"])
                made = dump.write(path, tell)
        except (BackupError, psycopg.Error, OSError) as error:
            raise CommandError(" ".join(str(error).split())) from error
        finally:
            tell.done()
        if options["json"]:
            self.stdout.write(json.dumps(manifest.summary(path, made) | {"sha256": made.sha256}))
        else:
            tables = len(made.contents.tables)
            self.stdout.write(f"{path}: {made.rows} rows of {tables} tables, {made.bytes} bytes.")
            if made.settings:
                self.stdout.write("Set on the server, which no dump holds; FILE.json lists it, and restore tells it:")
                self.stdout.write("".join(f"  {statement};\n" for statement in made.settings))
