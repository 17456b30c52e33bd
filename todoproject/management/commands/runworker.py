"""`runworker`: do in the background what nobody waits for, in a process of its own."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.background import JOBS
from todoproject.background import process
from todoproject.background.runner import Runner
from todoproject.serving import startup

logger = logging.getLogger("todoproject.background")


class Command(BaseCommand):
    help = (
        "Fire reminders when they are due, deliver to webhooks, send their mails, and purge once a day. `runserver`"
        " does that by itself, unless BACKGROUND=false: this is for servers that something else starts, and for a"
        " machine of its own. Any number may run at once, and be killed at any moment: nothing is fired twice, and what"
        " was under way is done again."
        " It knows of no requests, so it looks every BACKGROUND_POLL_SECONDS for ever. Ends in order at SIGTERM. Exit"
        " code 0: ended; 1: failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        # The descriptor of a socket to the supervisor: how `runserver` starts it.
        parser.add_argument("--control", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop takes it
        control = None if options["control"] is None else socket.socket(fileno=options["control"])
        if control is None:
            self._prepare()
        asyncio.run(_serve(control))

    def _prepare(self) -> None:
        try:
            startup.prepare_database()
        except startup.StartFailed as error:
            raise CommandError(str(error)) from error
        self.stderr.write(
            f"Looks every {settings.BACKGROUND_POLL_SECONDS} s for what is due: a query each time, so a database that"
            " would sleep when nobody uses it (Neon) stays awake, and on the bill. Under `runserver` it does not."
        )


async def _serve(control: socket.socket | None) -> None:
    runner = Runner(JOBS, poll_seconds=settings.BACKGROUND_POLL_SECONDS, always=control is None)
    await process.serve(runner, control)
