"""A proxy between the application and PostgreSQL that reads the protocol as it passes.

PostgreSQL's documentation, chapter "Frontend/Backend Protocol": after the startup packet every message is a type byte
and a length. A round trip ends with the server's ReadyForQuery (`Z`).
"""

import asyncio
import struct
import tempfile
from collections import Counter
from pathlib import Path
from types import TracebackType


class Wire:
    """Listen on a unix socket of its own, forward to the server's, and count messages by type."""

    def __init__(self, server: Path) -> None:
        self._upstream = server / ".s.PGSQL.5432"
        self._folder = tempfile.TemporaryDirectory(prefix="wire-")
        self.directory = Path(self._folder.name)
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self._pumps: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Start counting anew."""
        self.sent.clear()
        self.received.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._upstream)
        length = await reader.readexactly(4)  # the startup packet has no type byte
        server_writer.write(length + await reader.readexactly(struct.unpack("!I", length)[0] - 4))
        for source, target, counter in (
            (reader, server_writer, self.sent),
            (server_reader, writer, self.received),
        ):
            pump = asyncio.create_task(_pump(source, target, counter))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_unix_server(self._accept, self.directory / ".s.PGSQL.5432")
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._folder.cleanup()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, counter: Counter[str]) -> None:
    try:
        while True:
            head = await source.readexactly(5)
            counter[head[:1].decode()] += 1
            target.write(head + await source.readexactly(struct.unpack("!I", head[1:])[0] - 4))
            await target.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        target.close()
