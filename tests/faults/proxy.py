"""What stands before a Neon compute: TLS, names that lead to the compute or its pooler, sleep, and all that can break.

It speaks enough of PostgreSQL's protocol (documentation, "Message Flow") to read where a connection wants to go, and to
find the statement or the COMMIT under which it is told to break one.
"""

import asyncio
import ssl
import struct
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from weakref import WeakKeyDictionary

_TLS_REQUEST, _GSS_REQUEST = 80877103, 80877104
# What Neon's proxy says while it cannot wake a compute; connecting may succeed a moment later.
_REFUSALS = ("Couldn't connect to compute node", "Control plane request failed")
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Frontend messages that a statement begins with: Query, Parse, Bind. The product sends each in one piece.
_STATEMENTS = (b"Q", b"P", b"B")
_FAREWELL = ("57P01", "terminating connection due to administrator command")


class Cut(Enum):
    """Where a connection breaks."""

    BEFORE_STATEMENT = "before a statement reaches the server"
    BEFORE_ANSWER = "after the server has done a statement, before its answer"
    MID_ANSWER = "in the middle of an answer"
    BEFORE_COMMIT = "before COMMIT reaches the server"
    AFTER_COMMIT = "after the server has committed, before it is told"

    @property
    def is_at_commit(self) -> bool:
        return self in (Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT)

    @property
    def is_before(self) -> bool:
        return self in (Cut.BEFORE_STATEMENT, Cut.BEFORE_COMMIT)


class Proxy:
    """Listen with TLS and send each connection on by the name that it asks for (SNI)."""

    def __init__(self, context: ssl.SSLContext, routes: dict[str, Path]) -> None:
        self.port = 0
        self.wake_seconds = 0.3
        self.failing_wakes = 0  # so many connections are refused with Neon's words before it wakes
        self.latency_seconds = 0.0  # of each answer
        self.is_silent = False  # accept connections, and never say anything
        self.woken_at = 0.0  # on time.monotonic()'s clock
        self.wakes = 0
        self._is_asleep = False
        self._waking = asyncio.Lock()
        self._routes = routes
        self._context = context
        context.sni_callback = self._note_name
        self._names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cuts: list[tuple[Cut, asyncio.Future[None]]] = []

    def connections(self, name: str) -> int:
        """Count the open connections to a name."""
        return sum(link.name == name for link in self._links)

    def sleep(self, *, with_farewell: bool) -> None:
        """Suspend the compute: end all connections, with the server's farewell or by TLS's bare end."""
        self._is_asleep = True
        for link in list(self._links):
            if with_farewell:
                link.client.write(_error(*_FAREWELL))
            link.drop()

    def freeze(self) -> None:
        """Make the connections of now half-open: nothing passes any more, and nobody is told."""
        for link in self._links:
            link.is_frozen = True

    def drop(self) -> None:
        """Break every connection."""
        for link in list(self._links):
            link.drop()

    async def cut(self, where: Cut, within_seconds: float) -> bool:
        """Break one connection there; return whether one has come by in time."""
        done = asyncio.get_running_loop().create_future()
        self._cuts.append((where, done))
        try:
            await asyncio.wait_for(done, within_seconds)
        except TimeoutError:
            self._cuts.remove((where, done))
            return False
        return True

    def take_cut(self, message: bytes) -> Cut | None:
        """Return where the connection that sends this message is to break, if it is."""
        is_commit = b"COMMIT" in message
        for index, (where, done) in enumerate(self._cuts):
            if where.is_at_commit == is_commit and not done.done():
                del self._cuts[index]
                done.set_result(None)
                return where
        return None

    def _note_name(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self._names[connection] = name or ""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            try:
                if self.is_silent:
                    await asyncio.Event().wait()
                startup = await self._open(reader, writer)
                await self._forward(reader, writer, startup)
            finally:
                writer.transport.abort()

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Do the TLS handshake and return the startup packet."""
        while True:
            packet = await _first_packet(reader)
            (code,) = struct.unpack("!I", packet[4:8])
            if code == _GSS_REQUEST:
                writer.write(b"N")
            elif code == _TLS_REQUEST:
                await asyncio.sleep(self.latency_seconds)
                writer.write(b"S")
                await writer.start_tls(self._context)
            else:
                return packet

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, startup: bytes) -> None:
        name = self._names.get(writer.get_extra_info("ssl_object"))
        if name not in self._routes:  # without TLS, or for nobody here
            writer.write(_error("08004", "Endpoint ID is not specified."))
            return
        if self.failing_wakes:
            self.failing_wakes -= 1
            writer.write(_error("08006", _REFUSALS[self.failing_wakes % 2]))
            await writer.drain()
            return
        await self._wake()
        server = await asyncio.open_unix_connection(self._routes[name])
        if self._is_asleep:  # it has fallen asleep meanwhile, and nobody sleeps on an open connection
            server[1].transport.abort()
            return
        link = _Link(name, self, (reader, writer), server)
        self._links.add(link)
        try:
            await link.run(startup)
        finally:
            self._links.discard(link)
            link.drop()

    async def _wake(self) -> None:
        async with self._waking:
            if self._is_asleep:
                await asyncio.sleep(self.wake_seconds)
                self._is_asleep, self.woken_at = False, time.monotonic()
                self.wakes += 1

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=500)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Link:
    """One connection and its continuation to the server."""

    def __init__(self, name: str, proxy: Proxy, client: _Stream, server: _Stream) -> None:
        self.name = name
        self.is_frozen = False
        self._client_reader, self.client = client
        self._server_reader, self._server = server
        self._proxy = proxy
        self._cut: Cut | None = None

    async def run(self, startup: bytes) -> None:
        """Forward until one side has ended."""
        self._server.write(startup)
        pumps = [asyncio.create_task(self._statements()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def drop(self) -> None:
        """Break both halves; what has been written to the client before is still sent, if it can be."""
        with suppress(RuntimeError):  # TLS that is closing already
            self.client.close()
        self._server.transport.abort()

    async def _statements(self) -> None:
        while message := await self._client_reader.read(65_536):
            await self._pass()
            cut = self._proxy.take_cut(message) if message[:1] in _STATEMENTS else None
            if cut is not None and cut.is_before:
                self.client.transport.abort()
                return
            self._cut = cut
            self._server.write(message)
            await self._server.drain()

    async def _answers(self) -> None:
        while message := await self._server_reader.read(65_536):
            if self._proxy.latency_seconds:
                await asyncio.sleep(self._proxy.latency_seconds)
            await self._pass()
            if self._cut is not None:
                if self._cut is Cut.MID_ANSWER:
                    self.client.write(message[: len(message) // 2])
                    await self.client.drain()
                self.client.transport.abort()
                return
            self.client.write(message)
            await self.client.drain()

    async def _pass(self) -> None:
        if self.is_frozen:
            await asyncio.Event().wait()


async def _first_packet(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)


def _error(code: str, message: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!I", len(fields) + 4) + fields
