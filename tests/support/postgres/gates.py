"""A way to PostgreSQL that can be barred: a TCP proxy that refuses, complains, falls silent or cuts its connections."""

import asyncio
import struct
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.environment import FOLDER
from todoproject.database import embedded

Manner = Literal["forward", "refuse", "hold", "cut"]


class Gate:
    """Listen on a port of its own and forward to the server's socket, in whatever manner a test asks for.

    forward: as it should be. refuse: send `complaint` as PostgreSQL's FATAL error. hold: accept, and never say a word.
    cut: accept and close.
    """

    def __init__(self, server: Path | None = None) -> None:
        self._upstream = (server or embedded.socket_directory(FOLDER / "postgres")) / ".s.PGSQL.5432"
        self.manner: Manner = "forward"
        self.complaint = ("XX000", "")
        self.port = 0
        self.opened_at: list[float] = []
        self.is_silent = False  # what goes through is swallowed, in both directions, as behind a dead router
        self.swallows: bytes | None = None  # an answer that holds this never arrives
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._writers)

    def cut_all(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.manner == "cut":
            return
        if self.manner == "hold":
            await reader.read()
            return
        startup = await _startup(reader, writer)
        if self.manner == "refuse":
            writer.write(_fatal(*self.complaint))
            await writer.drain()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self._upstream)
        server_writer.write(startup)
        pumps = [self._pump(reader, server_writer), self._pump(server_reader, writer, is_answer=True)]
        try:
            await asyncio.gather(*pumps)
        finally:
            server_writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if is_answer and self.swallows is not None and self.swallows in data:
                    self.swallows = None
                    self.cut_all()
                    return
                if not self.is_silent:
                    target.write(data)
                    await target.drain()
        target.close()

    def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened_at.append(time.monotonic())
        self._writers.add(writer)
        task = asyncio.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._admit, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()
        self.cut_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the startup packet, after declining the encryption that libpq asks for first."""
    while True:
        length = await reader.readexactly(4)
        packet = length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)
        if packet[4:] not in (struct.pack("!I", 80877103), struct.pack("!I", 80877104)):  # SSLRequest, GSSENCRequest
            return packet
        writer.write(b"N")


def _fatal(code: str, message: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!I", len(fields) + 4) + fields
