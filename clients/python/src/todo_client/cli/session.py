"""One run of the command: its server, its client, its way of speaking."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console

from todo_client.cli.files import Login, Logins, Memory
from todo_client.client import Client
from todo_client.errors import ScopeMissing, TodoError
from todo_client.exchange import Retries
from todo_client.models import Task

# Somebody sits and waits: what takes longer is told.
RETRIES = Retries(attempts=4, longest_wait=10.0)
# A line of a list is not folded for a program that reads it.
PIPE_WIDTH = 200


class NotLoggedIn(TodoError):
    """There is no token for the server."""


@dataclass(slots=True)
class Session:
    """What one run of the command knows."""

    server: str
    token: str | None
    logins: Logins
    is_json: bool = False
    _client: Client | None = None
    _memory: Memory | None = None
    _zone: ZoneInfo | None = None
    console: Console = field(default_factory=lambda: Console(highlight=False, emoji=False, width=_width()))

    @property
    def client(self) -> Client:
        """The client, with the token. Raises NotLoggedIn."""
        if self._client is None:
            self._client = Client(self.server, self.held_token(), retries=RETRIES)
        return self._client

    def held_token(self) -> str:
        """Return the token that was given, else that of the login. Raises NotLoggedIn."""
        token = self.token or (self.login.token if self.login else None)
        if token is None:
            raise NotLoggedIn(f"You are not logged in at {self.server}. Run: todo login")
        return token

    @property
    def login(self) -> Login | None:
        return self.logins.logins.get(self.server)

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            self._memory = Memory.load(self.server)
        return self._memory

    def zone(self) -> ZoneInfo:
        """Return the account's time zone; what was known of it, or UTC, where the token may not ask."""
        if self._zone is None:
            self._zone = self._find_zone()
        return self._zone

    def _find_zone(self) -> ZoneInfo:
        try:
            name = self.client.me().timezone
        except ScopeMissing:
            name = (self.login.timezone if self.login else None) or "UTC"
        try:
            return ZoneInfo(name)
        except ZoneInfoNotFoundError:
            self.warn(f"This machine does not know the time zone {name}; UTC is used.")
            return ZoneInfo("UTC")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def remember(self) -> None:
        """Remember the change just made, so that it can be undone, and the numbers that were given."""
        if self.client.change_no and self.client.change_no not in self.memory.changes:
            self.memory.changes.append(self.client.change_no)
        self.memory.save()

    def close(self) -> None:
        """Close the connections, if there were any."""
        if self._client is not None:
            self._client.close()

    def say(self, text: str) -> None:
        """Tell a person; whoever asked for JSON gets that alone."""
        if not self.is_json:
            self.console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        typer.echo(f"todo: {text}", err=True)

    def emit(self, document: Any) -> None:
        """Print JSON, if that is what was asked for."""
        if self.is_json:
            sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=None) + "\n")
            sys.stdout.flush()

    def told(self, verb: str, task: Task, more: str = "") -> None:
        """Tell what has become of a task, and remember it."""
        number = self.memory.number_of(task.id, task.title)
        self.remember()
        self.say(f"{verb} {number}: {task.title}{more}")
        self.emit(task.document)


def _width() -> int | None:
    return None if sys.stdout.isatty() else PIPE_WIDTH


@dataclass(slots=True)
class Run:
    """One run of the command; its session is there once the options before the command's name are read."""

    session: Session | None = None


def of(context: typer.Context, is_json: bool = False) -> Session:
    """Return the session of this run."""
    run = context.find_object(Run)
    assert run is not None  # noqa: S101 -- the application is always called with one
    assert run.session is not None  # noqa: S101 -- the callback has opened it
    run.session.is_json = run.session.is_json or is_json
    return run.session


def opened(server: str | None, token: str | None, is_json: bool) -> Session:
    """Begin a session."""
    logins = Logins.load()
    address = (server or logins.server).rstrip("/").removesuffix("/v1")
    if not address.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{address} is no address of a server: it begins with http:// or https://")
    return Session(address, token, logins, is_json)


def documents(things: Any) -> list[Mapping[str, Any]]:
    return [thing.document for thing in things]
