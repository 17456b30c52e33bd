"""Rows from the database to the client, some thousand at a time.

Each chunk is a query of its own that goes on after the last key: no transaction and no cursor is held while a slow
client reads, any pooler will do, and when the client goes away the chunk under way is the last. A row is as it was when
its chunk was read; what is added after the start is not in the file.
"""

import struct
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from todoproject.admin.exports.formats import File

# Few enough that making a piece of file from them holds up other requests of the process for some milliseconds only.
CHUNK_ROWS = 1_000
_FRAME = struct.Struct(">II")  # how many rows are done, how many bytes follow; 0 bytes: the file is complete


def chunks(rows: "QuerySet[Any]", paths: Sequence[str]) -> Iterator[list[Sequence[Any]]]:
    """Yield the values at `paths` of all rows, newest first, in lists of at most CHUNK_ROWS."""
    ordered = rows.order_by("-pk").values_list("pk", *paths)
    chunk = list(ordered[:CHUNK_ROWS])
    while chunk:
        yield [row[1:] for row in chunk]
        if len(chunk) < CHUNK_ROWS:
            return
        chunk = list(ordered.filter(pk__lt=chunk[-1][0])[:CHUNK_ROWS])


def _next(source: Iterator[list[Any]]) -> list[Any]:
    return next(source, [])


async def stream(file: File, source: Iterator[list[Any]], is_framed: bool) -> AsyncGenerator[bytes, None]:
    """Yield the file as it comes into being; queries and formatting are done in the request's thread."""
    count = 0

    def framed(piece: bytes) -> bytes:
        return _FRAME.pack(count, len(piece)) + piece if is_framed and piece else piece

    yield framed(file.start())
    while chunk := await sync_to_async(_next)(source):
        count += len(chunk)
        yield framed(await sync_to_async(file.rows)(chunk))
    yield framed(await sync_to_async(file.end)())
    if is_framed:
        yield _FRAME.pack(count, 0)
