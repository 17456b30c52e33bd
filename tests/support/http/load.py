"""A load that forgives nothing: every request that was sent must be answered, whole, with the status it should have.

No client library: those repeat requests, or open a new connection, without a word. A connection is used until its
server says `Connection: close`, and not a request longer.
"""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

_READS = ("/v1/tasks", "/v1/tasks?q=load", "/v1/tasks?limit=5&include=total", "/v1/me", "/v1/tokens")


class Unanswered(Exception):
    """A request was sent, and the connection ended without its answer."""


@dataclass
class Load:
    """Clients that read and write tasks at once; a context manager that ends them.

    A connection that the server has closed between two requests is no failure, if its end is there to be seen.

    `failures` says what went wrong, a line each; `written` are the ids of the tasks whose creation was acknowledged.
    Clients wait up to `pause` seconds between two requests on the same connection.
    """

    port: int
    headers: dict[str, str]
    clients: int = 8
    pause: float = 0.02
    failures: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    connections: int = 0
    closed_politely: int = 0
    closed_idle: int = 0

    async def __aenter__(self) -> "Load":
        self._is_over = False
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self.clients)]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _client(self) -> None:
        while not self._is_over:
            try:
                await self._connection()
            except (OSError, Unanswered) as error:
                self.failures.append(f"{type(error).__name__}: {error}")

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        try:
            while not self._is_over:
                if await self._request(reader, writer):
                    self.closed_politely += 1
                    return
                await asyncio.sleep(random.uniform(0, self.pause))
                if reader.at_eof():
                    self.closed_idle += 1
                    return
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request and read its answer; tell whether it was the connection's last."""
        is_write = random.random() < 0.5
        started = time.monotonic()
        request = self._bytes("POST", "/v1/tasks", {"title": "Under load"}) if is_write else self._read()
        writer.write(request)
        try:
            status, headers, body = await _answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Unanswered(f"{'POST' if is_write else 'GET'} after {time.monotonic() - started:.3f} s") from error
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.answers[status] += 1
        if status != (201 if is_write else 200):
            self.failures.append(f"{status}: {body!r}")
        elif is_write:
            self.written.append(json.loads(body)["id"])
        return headers.get("connection") == "close"

    def _read(self) -> bytes:
        return self._bytes("GET", random.choice(_READS))

    def _bytes(self, method: str, path: str, document: Any = None) -> bytes:
        body = b"" if document is None else json.dumps(document).encode()
        headers = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": len(body), **self.headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), headers, await reader.readexactly(int(headers["content-length"]))
