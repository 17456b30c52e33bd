"""`exporttasks`: write somebody's tasks into a file that other programs read."""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, get_args

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Scope
from tasks.import_schemas import ExportFormat, ExportQuery
from tasks.queries import export_files
from tasks.queries.exports import not_kept
from todoproject.database.client.statement import Credentials
from todoproject.management import exchange
from todoproject.management.interruption import orderly
from todoproject.management.progress import Progress


class Command(BaseCommand):
    help = (
        "Export somebody's tasks, as their owner; what is in the trash is left out. Nothing is overwritten, and only"
        " the file's owner may read it. Exit code 0: done; 1: failed, and no file is left behind."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="The account's e-mail address, in upper or lower case.")
        parser.add_argument("--format", choices=get_args(ExportFormat), required=True, help="json keeps everything.")
        parser.add_argument("--output", help="A new file; without it, standard output.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and no progress; with --output.")

    def handle(self, *args: Any, **options: Any) -> None:
        path, as_json = options["output"], options["json"]
        if as_json and path is None:
            raise CommandError("--json needs --output: standard output has the tasks")
        user = exchange.owner(options["email"])
        tell = Progress(quiet=path is None or as_json or options["verbosity"] == 0)

        number, names = 0, set[str | None]()

        def note(page: list[dict[str, Any]]) -> None:
            nonlocal number
            number += len(page)
            names.update(task["list_id"] for task in page)
            tell(f"writing {number:,} tasks")

        async def work(credentials: Credentials) -> list[str]:
            async for piece in export_files.pieces(
                credentials, ExportQuery.model_validate({"format": options["format"]}), note
            ):
                out.write(piece)
            return [] if options["format"] == "json" else await not_kept(credentials, names)

        try:
            with orderly(), _opened(path) as out:
                left = exchange.act_as(user, "exporttasks", [Scope.TASKS_READ], work)
        finally:
            tell.done()
        exchange.record(user, "export tasks", format=options["format"], tasks=number)
        if as_json:
            report = {"file": path, "format": options["format"], "tasks": number, "not_kept": left}
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        elif path is not None and options["verbosity"] > 0:
            self.stdout.write(f"{path}: {number} tasks.")
            for what in left:
                self.stdout.write(f"  not in the file: {what}")


@contextmanager
def _opened(path: str | None) -> Iterator[IO[bytes]]:
    """Open what is written to; a new file goes away again where writing it fails."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with file:
            yield file
    except BaseException as error:
        Path(path).unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise CommandError(f"cannot write {path}: {error.strerror or error}") from error
        raise
