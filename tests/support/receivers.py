"""Receivers of webhooks in this process, which answer as they are told and keep what they were sent."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Behaviour = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def status(code: int, *headers: str) -> bytes:
    """Return an empty answer with a status."""
    lines = "".join(f"{header}\r\n" for header in ("Content-Length: 0", *headers))
    return f"HTTP/1.1 {code} Whatever\r\n{lines}\r\n".encode()


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """What listens at `url`. Each request is answered by the next of `answers`, and then by `otherwise`.

    It ends each connection behind its answer, unless it `keeps` them: then it waits for another request.
    """

    port: int
    scheme: str = "http"
    otherwise: Behaviour = OK
    answers: list[Behaviour] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    keeps: bool = False
    connections: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?of=todo"

    @property
    def numbers(self) -> list[int]:
        """Return the change numbers of what came, in the order in which it came."""
        return [request.document["data"]["change_no"] for request in self.requests]

    @property
    def types(self) -> list[str]:
        return [request.document["type"] for request in self.requests]

    async def until(self, number: int, seconds: float = 10) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= number)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
            while self.keeps:
                await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        behaviour = self.answers.pop(0) if self.answers else self.otherwise
        self.requests.append(request)
        async with self.arrived:
            self.arrived.notify_all()
        if isinstance(behaviour, bytes):
            writer.write(behaviour)
            await writer.drain()
        else:
            await behaviour(writer)


async def read_request(reader: asyncio.StreamReader) -> Received:
    """Return the next request. Raises IncompleteReadError where there is none."""
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(head.split(" ")[1], headers, body)


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Listen at a port of this machine."""
    made = Receiver(0, "http" if tls is None else "https")
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
