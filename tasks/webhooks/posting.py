"""One request to a receiver, and no more of its answer than we need to know.

Redirects are not followed. The whole has ten seconds, and the answer 64 KiB. A hook's requests go over one connection
for as long as its receiver keeps it.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import SplitResult
from uuid import UUID

import httptools

from tasks import webhook_urls
from tasks.queries.webhook_outcomes import Outcome
from tasks.webhooks import connections
from tasks.webhooks.connections import READ_BYTES, Connection, Refused

TIMEOUT_SECONDS = 10.0
MOST_BYTES = 64 * 1024
# For so long a connection is kept that nothing is sent over. A receiver closes its own side sooner, or later.
IDLE_SECONDS = 10.0


class Client:
    """What the requests of one hook go through, one after the other."""

    def __init__(self) -> None:
        self._kept: Connection | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send a body to a URL, and return what came of it. Nothing that a receiver does is raised."""
        started = time.monotonic()
        answer = _Answer()
        error = None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._exchange(url, headers, body, answer)
        except TimeoutError:
            error = "timeout"
        except Refused as refused:
            error = refused.code
        except ssl.SSLError:  # before OSError, whose kind it is
            error = "tls"
        except (OSError, asyncio.IncompleteReadError):
            error = "connection"
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            error = "malformed"
        # Once the head is there, the receiver has said what it has to say, however its body goes on.
        if answer.status is not None:
            error = None
        elif error is None:
            error = "malformed" if answer.has_begun else "connection"
        return Outcome(answer.status, error, round((time.monotonic() - started) * 1000))

    def close(self) -> None:
        """Let go of the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, answer: "_Answer") -> None:
        try:
            parts = webhook_urls.split(url)
        except webhook_urls.UrlRefused:
            raise Refused("url") from None
        request = _head(parts, headers, len(body)) + body
        kept = self._kept
        if kept is not None and kept.leads_to(parts) and await self._ask_again(kept, request, answer):
            return
        self.close()
        await self._ask(await connections.connect(parts), request, answer)

    async def _ask_again(self, kept: Connection, request: bytes, answer: "_Answer") -> bool:
        """Ask over the connection that is kept; False where its receiver has closed it, as it may at any time."""
        try:
            await self._ask(kept, request, answer)
        except OSError:
            if answer.has_begun:
                raise
        return answer.has_begun

    async def _ask(self, connection: Connection, request: bytes, answer: "_Answer") -> None:
        self._kept = None
        try:
            connection.writer.write(request)
            await connection.writer.drain()
            await _read(connection.reader, answer)
            if answer.is_kept:
                self._kept = connection
        finally:
            if self._kept is None:
                connection.close()


class _Idle(NamedTuple):
    """A client that nobody has just now."""

    client: Client
    since: float


class Clients:
    """A client for each hook, kept between its turns."""

    def __init__(self) -> None:
        self._idle: dict[UUID, _Idle] = {}  # the one that has waited for longest first
        self._is_closed = False

    @contextmanager
    def lend(self, hook: UUID) -> Iterator[Client]:
        """Hand out a client for a hook; it is nobody else's meanwhile."""
        idle = self._idle.pop(hook, None)
        client = Client() if idle is None else idle.client
        try:
            yield client
        finally:
            if self._is_closed or hook in self._idle:
                client.close()
            else:
                self._idle[hook] = _Idle(client, time.monotonic())

    def let_go(self) -> None:
        """Close what nobody has used for some seconds."""
        latest = time.monotonic() - IDLE_SECONDS
        for hook in [hook for hook, idle in self._idle.items() if idle.since < latest]:
            self._idle.pop(hook).client.close()

    def close(self) -> None:
        """Close all; what is lent is closed when it comes back."""
        self._is_closed = True
        for idle in self._idle.values():
            idle.client.close()
        self._idle.clear()


def _head(parts: SplitResult, headers: Mapping[str, str], length: int) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = {
        "Host": parts.netloc,
        "User-Agent": "todo-webhooks/1",
        "Content-Type": "application/json",
        "Content-Length": str(length),
        "Accept": "*/*",
        **headers,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target} HTTP/1.1\r\n{text}\r\n".encode("ascii")


async def _read(reader: asyncio.StreamReader, answer: "_Answer") -> None:
    """Read an answer to its end, or as far as anybody reads it."""
    left = MOST_BYTES
    while left > 0 and not answer.is_complete:
        data = await reader.read(min(left, READ_BYTES))
        if not data:
            return
        left -= len(data)
        answer.feed(data)


class _Answer:
    """What is known of an answer so far; its parser calls it."""

    def __init__(self) -> None:
        self.status: int | None = None  # of the final one, once its head is there (RFC 9110, section 15.2)
        self.has_begun = False
        self.is_complete = False
        self.is_kept = False  # the connection, for another request
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take in a piece. Raises HttpParserError."""
        self.has_begun = True
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self.status is None:
            self.status = status

    def on_message_begin(self) -> None:
        self.is_kept = False  # of what comes unasked nobody knows what it answers

    def on_message_complete(self) -> None:
        is_first = self.status is not None and not self.is_complete
        self.is_kept = is_first and self._parser.should_keep_alive()
        self.is_complete = self.status is not None
