"""`verifybackup`: prove that a backup can be restored, and that the service works on it."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from todoproject.management.backups import manifest, restoring, scratch, smoke
from todoproject.management.backups.errors import BackupError
from todoproject.management.interruption import orderly
from todoproject.management.progress import Progress


class Command(BaseCommand):
    help = (
        "Prove that a backup is good: compare its checksum, restore it into a scratch database, compare the rows and"
        " the checksum of every table with what was backed up, start a server on it and use its API. The scratch"
        " database goes away at the end, also after Ctrl-C. Exit code 0: the backup is good; 1: it is not, or it could"
        " not be tried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The dump; FILE.json must lie beside it.")
        parser.add_argument(
            "--embedded",
            action="store_true",
            help="Restore into a PostgreSQL that is started for it on this machine, and leave the server alone.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress.")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        tell = Progress(quiet=options["json"] or options["verbosity"] == 0)
        try:
            with orderly():
                report = _verify(options["file"], tell, is_embedded=options["embedded"])
        except (BackupError, psycopg.Error, OSError) as error:
            reason = " ".join(str(error).split())
            if options["json"]:
                self.stdout.write(json.dumps({"ok": False, "file": str(options["file"]), "reason": reason}))
            raise CommandError(reason) from error
        finally:
            tell.done()
        report["seconds"] = round(time.monotonic() - started, 1)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": True, **report}))
        else:
            self.stdout.write(_sentence(report))


def _verify(dump: Path, tell: Progress, *, is_embedded: bool) -> dict[str, Any]:
    made = restoring.check(dump, tell)
    with scratch.on_this_machine() if is_embedded else scratch.on_the_server() as connection:
        restoring.restore(dump, made, connection, tell)
        steps = smoke.test(connection, tell)
        tell("cleaning up")
    return manifest.summary(dump, made) | {"api": steps}


def _sentence(report: dict[str, Any]) -> str:
    rows = report["rows"]
    return (
        f"{report['file']} is good: of {report['created_at']}, {report['bytes']} bytes. Restored, {len(rows)} tables"
        f" with {sum(rows.values())} rows compared, {len(report['api'])} requests to the API answered as they must be,"
        f" in {report['seconds']} s."
    )
