"""One request to a receiver: to addresses of the public network only, and no more than it needs to know of the answer.

The name is resolved once. All addresses must be public, and one of those is connected to, so that a name which means
something else a moment later leads nowhere; TLS checks the name against the certificate all the same. Redirects are
not followed. The whole has ten seconds, and the answer 64 KiB.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult

import certifi
import httptools

from tasks import webhook_urls
from tasks.queries.webhook_outcomes import Outcome

TIMEOUT_SECONDS = 10.0
MOST_BYTES = 64 * 1024
_READ = 16 * 1024
# A name whose servers do not answer holds a thread for half a minute, three times as long as its delivery has: so three
# times as many as are delivered to at a time. A thread is made where none is idle.
_RESOLVERS = 768


class Refused(Exception):
    """Nothing was sent; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Place(NamedTuple):
    """Where to connect to."""

    address: str
    port: int


async def post(url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Send a body to a URL, and return what came of it. Nothing that a receiver does is raised."""
    started = time.monotonic()
    answer = _Answer()
    error = None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await _exchange(url, headers, body, answer)
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


async def _exchange(url: str, headers: Mapping[str, str], body: bytes, answer: "_Answer") -> None:
    try:
        parts = webhook_urls.split(url)
    except webhook_urls.UrlRefused:
        raise Refused("url") from None
    places = await _resolve(parts)
    reader, writer = await _connect(places, parts)
    try:
        writer.write(_head(parts, headers, len(body)) + body)
        await writer.drain()
        await _read(reader, answer)
    finally:
        writer.transport.abort()


async def _resolve(parts: SplitResult) -> Sequence[_Place]:
    """Return the places that a host means, all of which are public, or of a host that is exempt. Raises Refused."""
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    literal = webhook_urls.as_address(host)
    try:
        found = [str(literal)] if literal else await _in_thread(host, port)
    except (socket.gaierror, UnicodeError):
        raise Refused("name") from None
    if not webhook_urls.is_exempt(host):
        for address in found:
            if not webhook_urls.is_public(ip_address(address)):
                raise Refused("private")
    return [_Place(address, port) for address in found]


async def _in_thread(host: str, port: int) -> list[str]:
    return await asyncio.get_running_loop().run_in_executor(_resolvers(), _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@cache
def _resolvers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="webhook-names")


async def _connect(places: Sequence[_Place], parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of these places that takes it."""
    context, name = (tls(), parts.hostname) if parts.scheme == "https" else (None, None)
    for place in places[:-1]:
        with suppress(OSError):  # refused, and no way there, too
            return await asyncio.open_connection(place.address, place.port, ssl=context, server_hostname=name)
    last = places[-1]
    return await asyncio.open_connection(last.address, last.port, ssl=context, server_hostname=name)


@cache
def tls() -> ssl.SSLContext:
    """Return what checks certificates and their names, against the authorities that browsers trust."""
    return ssl.create_default_context(cafile=certifi.where())


def _head(parts: SplitResult, headers: Mapping[str, str], length: int) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = {
        "Host": parts.netloc,
        "User-Agent": "todo-webhooks/1",
        "Content-Type": "application/json",
        "Content-Length": str(length),
        "Accept": "*/*",
        "Connection": "close",
        **headers,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target} HTTP/1.1\r\n{text}\r\n".encode("ascii")


async def _read(reader: asyncio.StreamReader, answer: "_Answer") -> None:
    """Read an answer to its end, or as far as anybody reads it."""
    left = MOST_BYTES
    while left > 0 and not answer.is_complete:
        data = await reader.read(min(left, _READ))
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
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take in a piece. Raises HttpParserError."""
        self.has_begun = True
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self.status is None:
            self.status = status

    def on_message_complete(self) -> None:
        self.is_complete = self.status is not None
