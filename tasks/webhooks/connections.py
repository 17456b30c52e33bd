"""Connections to receivers: to addresses of the public network only.

The name is resolved once for each connection. All addresses must be public, and one of those is connected to, so that a
name which means something else a moment later leads nowhere; TLS checks the name against the certificate all the same.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult

import certifi

from tasks import webhook_urls

READ_BYTES = 16 * 1024
# A connection is kept no longer: what its name means may have changed.
_LONGEST_SECONDS = 60.0
# A name whose servers do not answer holds a thread for half a minute, three times as long as its delivery has: so three
# times as many as there are places for hooks in trouble, and as many as there are for others, which are so afterwards.
# A thread is made where none is idle.
_RESOLVERS = 1024


class Refused(Exception):
    """Nothing was sent; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Place(NamedTuple):
    """Where to connect to."""

    address: str
    port: int


@dataclass(frozen=True)
class Connection:
    """An open connection to where a URL leads."""

    origin: tuple[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened: float = field(default_factory=time.monotonic)

    def leads_to(self, parts: SplitResult) -> bool:
        """Tell whether a request may be sent over it once more; the receiver may close it meanwhile all the same."""
        is_open = not self.reader.at_eof() and not self.writer.is_closing()
        return is_open and self.origin == origin(parts) and time.monotonic() - self.opened < _LONGEST_SECONDS

    def close(self) -> None:
        """Drop it, whatever is under way."""
        self.writer.transport.abort()


def origin(parts: SplitResult) -> tuple[str, str]:
    """Return what of a URL says where to connect to."""
    return parts.scheme, parts.netloc


async def connect(parts: SplitResult) -> Connection:
    """Connect to where a URL leads. Raises Refused, and OSError."""
    reader, writer = await _connect(await _resolve(parts), parts)
    return Connection(origin(parts), reader, writer)


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
            return await _open(place, context, name)
    return await _open(places[-1], context, name)


async def _open(
    place: _Place, context: ssl.SSLContext | None, name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(place.address, place.port, ssl=context, server_hostname=name, limit=READ_BYTES)


@cache
def tls() -> ssl.SSLContext:
    """Return what checks certificates and their names, against the authorities that browsers trust."""
    return ssl.create_default_context(cafile=certifi.where())
