"""Exports as files: written a page of tasks at a time."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from tasks.formats import ical, sheet, todotxt
from tasks.formats.ical import writing
from tasks.formats.items import of_task
from tasks.import_schemas import ExportQuery
from tasks.queries import exports
from todoproject.database.client.statement import Credentials

Pieces = AsyncGenerator[bytes, None]
_SUFFIXES = {"json": "json", "csv": "csv", "todo.txt": "txt", "ical": "ics"}


def file_name(format: str) -> str:
    """Return what a file of a format is called."""
    return "todo.txt" if format == "todo.txt" else f"tasks.{_SUFFIXES[format]}"


async def begun(pieces: Pieces) -> Pieces:
    """Make the first piece, so that what must be refused is refused before anything is sent."""
    first = await anext(pieces)

    async def all_of_it() -> Pieces:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_it()


async def pieces(credentials: Credentials, query: ExportQuery, zone: ZoneInfo | None = None) -> Pieces:
    """Yield a file a piece at a time. `zone` is the owner's, which is asked for where it is not known."""
    rows = await exports.all_lists(credentials)
    if query.list_id is not None:
        rows = [row for row in rows if row["id"] == str(query.list_id)]
    zone = zone or await exports.read_zone(credentials)
    pages = exports.pages(credentials, query.list_id)
    names = {row["id"]: row["name"] for row in rows}
    make = {"json": _json, "csv": _csv, "todo.txt": _todotxt, "ical": _ical}[query.format]
    async for piece in make(pages, rows, names, zone):
        yield piece


Pages = AsyncIterator[list[dict[str, Any]]]
Rows = list[dict[str, Any]]
NamesOf = Mapping[str, str]


async def _json(pages: Pages, rows: Rows, names: NamesOf, zone: ZoneInfo) -> Pieces:
    yield b'{"lists":%b,"tasks":[' % orjson.dumps(rows)
    numbers = count()
    async for page in pages:
        yield b"".join(b"%b%b" % (b",\n" if next(numbers) else b"\n", orjson.dumps(task)) for task in page)
    yield b"\n]}\n"


async def _csv(pages: Pages, rows: Rows, names: NamesOf, zone: ZoneInfo) -> Pieces:
    yield b"\xef\xbb\xbf" + sheet.head().encode()  # without the mark Excel reads it as Windows-1252
    async for page in pages:
        yield "".join(sheet.write(task, names.get(task["list_id"])) for task in page).encode()


async def _todotxt(pages: Pages, rows: Rows, names: NamesOf, zone: ZoneInfo) -> Pieces:
    yield b""
    async for page in pages:
        yield "".join(f"{todotxt.write(of_task(task, names, zone))}\n" for task in page).encode()


async def _ical(pages: Pages, rows: Rows, names: NamesOf, zone: ZoneInfo) -> Pieces:
    now = datetime.now(UTC)
    yield writing.BEGIN
    async for page in pages:
        yield b"".join(ical.write(of_task(task, names, zone), now) for task in page)
    yield writing.END
