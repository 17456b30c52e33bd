"""`importtasks`: take over a file of tasks into somebody's account."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Scope, User
from tasks.formats.files import FORMATS
from tasks.formats.items import MOST_BYTES, FileRefused
from tasks.models import NAME_MAX_LENGTH, validate_name
from tasks.queries.import_files import ImportRunning, import_file
from tasks.queries.imports import Report
from todoproject.database.client.statement import Credentials
from todoproject.management import exchange
from todoproject.management.interruption import orderly
from todoproject.management.progress import Progress

_MOST_TOLD = 20  # lines of what was changed or left out; --json has all


class Command(BaseCommand):
    help = (
        "Import a file of tasks as their owner. The whole file is read first; the same file again changes nothing, and"
        " one that was interrupted goes on where it stopped. Exit code 0: done, and what could not be kept as it was is"
        " told by line; 1: the file was refused, or the database went away."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="The account's e-mail address, in upper or lower case.")
        parser.add_argument("file", help="The file; - reads standard input.")
        parser.add_argument(
            "--format", choices=FORMATS, help="What the file is; left out, it is told from the content."
        )
        parser.add_argument(
            "--list", help="The name of a list for the tasks that have none in the file; it is made if need be."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only tell what would be done.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = exchange.owner(options["email"])
        _refuse_name(options["list"])
        tell = Progress(quiet=options["json"] or options["verbosity"] == 0)
        try:
            with orderly():
                report = _import(user, _read(options["file"]), options, tell)
        finally:
            tell.done()
        if not options["dry_run"]:
            counts = {"created": report.created, "updated": report.updated, "left_out": len(report.left_out)}
            exchange.record(user, "import tasks", format=report.format, **counts)
        if options["json"]:
            self.stdout.write(json.dumps(report.document(), ensure_ascii=False))
        elif options["verbosity"] > 0:
            self._tell(report)

    def _tell(self, report: Report) -> None:
        verb = "Would be" if report.dry_run else "Done:"
        self.stdout.write(
            f"{verb} {report.created} created, {report.updated} updated, {report.unchanged} unchanged,"
            f" {len(report.left_out)} left out; {len(report.lists)} new lists."
        )
        for name, notices in (("changed", report.changed), ("left out", report.left_out)):
            for notice in notices[:_MOST_TOLD]:
                where = f"line {notice.line}" if notice.line else "the file"
                self.stdout.write(f"  {name}, {where}: {notice.detail}")
            if len(notices) > _MOST_TOLD:
                self.stdout.write(f"  {name}: {len(notices) - _MOST_TOLD} more; --json has them all")


def _refuse_name(name: str | None) -> None:
    """Raise CommandError where no list can be called so."""
    if name is None:
        return
    try:
        validate_name(name)
    except ValidationError as error:
        raise CommandError(f"--list: {error.messages[0]}") from None
    if len(name) > NAME_MAX_LENGTH or name != name.strip():
        raise CommandError(f"--list: a name has at most {NAME_MAX_LENGTH} characters, and no space around it")


def _read(name: str) -> bytes:
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror or error}") from error


def _import(user: User, content: bytes, options: dict[str, Any], tell: Progress) -> Report:
    async def read() -> bytes:
        return content

    async def work(credentials: Credentials) -> Report:
        return await import_file(
            credentials,
            read,
            format=options["format"],
            into=options["list"],
            dry_run=options["dry_run"],
            tell=tell,
        )

    try:
        return exchange.act_as(user, "importtasks", [Scope.TASKS_READ, Scope.TASKS_WRITE], work)
    except FileRefused as error:
        raise CommandError(f"{options['file']}: {error}") from error
    except ImportRunning:
        raise CommandError("another import into this account is under way; try again in three minutes") from None
