"""An import from the bytes of a file: one at a time for an account, read off the event loop, then carried out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from tasks.formats import files
from tasks.queries import import_account
from tasks.queries.import_account import ImportRunning
from tasks.queries.imports import Report, Tell, import_contents
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import DatabaseError

__all__ = ["ImportRunning", "dry_runs", "import_file"]

# Whose files are tried in this process: with six of 50,000 lines at once, everybody else waits a quarter of a second.
dry_runs: set[str] = set()


async def import_file(
    credentials: Credentials,
    read: Callable[[], Awaitable[bytes]],
    *,
    format: str | None = None,
    into: str | None = None,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Import what `read` brings. Nothing is read before the token has been accepted.

    Raises FileRefused, ImportRunning, DatabaseUnavailable, and what `read` raises.
    """
    zone = await import_account.read_zone(credentials)
    content = await read()
    if dry_run:  # it writes nothing, so that it runs beside an import
        with _alone(str(credentials.user_id)):
            return await _import(credentials, content, zone, format=format, into=into, dry_run=True, tell=tell)
    await import_account.begin(credentials)
    try:
        return await _import(credentials, content, zone, format=format, into=into, dry_run=False, tell=tell)
    finally:
        await _end(credentials)


@contextmanager
def _alone(user_id: str) -> Iterator[None]:
    """Keep other dry runs of the account out. Raises ImportRunning."""
    if user_id in dry_runs:
        raise ImportRunning
    dry_runs.add(user_id)
    try:
        yield
    finally:
        dry_runs.discard(user_id)


async def _import(
    credentials: Credentials,
    content: bytes,
    zone: ZoneInfo,
    *,
    format: str | None,
    into: str | None,
    dry_run: bool,
    tell: Tell,
) -> Report:
    tell(f"reading {len(content):,} bytes")
    found, contents = await asyncio.to_thread(files.read, content, format, zone, datetime.now(zone).date())
    return await import_contents(credentials, contents, zone, source=found, into=into, dry_run=dry_run, tell=tell)


async def _end(credentials: Credentials) -> None:
    """Let others in; where the database is away they wait until this one's time is over."""
    try:
        await import_account.end(credentials)
    except DatabaseError:
        return
