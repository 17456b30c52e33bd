"""How many connections this process holds, of whom, and how much of their unfinished bodies.

A connection costs a descriptor whether it says anything or not. Where there are too many, those without a request give
way, the longest silent first; where all have one, a few more are let in for the sake of health probes.
"""

import asyncio
import resource
from collections import Counter
from typing import Any, Protocol

from django.conf import settings

from todoproject.http import problems
from todoproject.http.client_address import ProxiedScopes, limited_as
from todoproject.http.problems import UNAVAILABLE, Problem

RESERVE = 16  # connections beyond the limit, for /health
_OTHER_FILES = 128  # database, log, metrics, static files, the accounts of the system itself
MAX_HELD_BYTES = 64 * 1024 * 1024  # of unfinished bodies, in all
MAX_UNREAD_BYTES = 256 * 1024 * 1024  # of answers that their clients have not taken yet, in all
_UNREAD_SECONDS = 60.0  # whoever takes longer for an answer may have to ask again
_SMALL_BYTES = 16 * 1024  # a body that holds less is never given up for the sake of others


class Connection(Protocol):
    """What is counted here, as todoproject/serving/protocol.py has it."""

    client: tuple[str, int] | None
    transport: asyncio.Transport
    address: str  # what it is counted under; empty: a trusted proxy's
    number: int  # they are counted
    is_reserved: bool
    is_streaming: bool
    held_bytes: int
    unread_since: float
    unread_bytes: int  # of our answers, at the last check

    @property
    def has_request(self) -> bool: ...

    @property
    def is_reading_head(self) -> bool: ...

    @property
    def since(self) -> float: ...

    def check(self, now: float) -> None: ...

    def has_input(self) -> bool: ...

    def refuse(self, problem: Problem) -> None: ...


# In one of so many checks a stream has its turn: nothing is looked for but a minute in which its client takes nothing.
STREAM_TURNS = 10

_connections: set[Connection] = set()
# Those that a check goes through: streams apart, of which there may be thousands.
_ordinary: set[Connection] = set()
_streams: list[set[Connection]] = [set() for _ in range(STREAM_TURNS)]
_by_address: Counter[str] = Counter()
_held_bytes = 0
_unread_bytes = 0


def limit() -> int:
    """Return how many connections this process may hold: MAX_CONNECTIONS, or what its descriptors allow."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    allowed = max(64, descriptors - _OTHER_FILES - settings.DATABASE_POOL_SIZE - RESERVE)
    return min(settings.MAX_CONNECTIONS, allowed)


def limit_by_address() -> int:
    """Return how many of them one address may hold: MAX_CONNECTIONS_PER_ADDRESS, or three quarters of all."""
    return settings.MAX_CONNECTIONS_PER_ADDRESS or max(1, limit() * 3 // 4)


def enter(connection: Connection) -> Problem | None:
    """Count a new connection, or return why it cannot stay."""
    host = connection.client[0] if connection.client else ""
    connection.address = "" if not host or _PROXIES.trusts(host) else limited_as(host)
    _connections.add(connection)
    _ordinary.add(connection)
    _by_address[connection.address] += 1
    if connection.address and _by_address[connection.address] > limit_by_address():
        return None if _make_room(connection.address, connection) else _full("This address has too many connections.")
    if len(_connections) > limit() and not _make_room(None, connection):
        connection.is_reserved = True
        if len(_connections) > limit() + RESERVE:
            return _full("There are too many connections.")
    return None


def leave(connection: Connection) -> None:
    """Forget a connection."""
    release(connection)
    note_unread(connection, 0)
    if connection in _connections:
        _connections.discard(connection)
        _ordinary.discard(connection)
        _turn_of(connection).discard(connection)
        _by_address[connection.address] -= 1
        if not _by_address[connection.address]:
            del _by_address[connection.address]


def exempt(connection: Connection) -> None:
    """Count a stream's connection no longer against its address: the stream is counted by account and by process."""
    connection.is_streaming = True
    _ordinary.discard(connection)
    _turn_of(connection).add(connection)
    if connection.address:
        _by_address[connection.address] -= 1
        if not _by_address[connection.address]:
            del _by_address[connection.address]
        connection.address = ""
        _by_address[""] += 1


def due(check: int) -> list[Connection]:
    """Return the connections that the check of this number looks at."""
    return [*_ordinary, *_streams[check % STREAM_TURNS]]


def note_unread(connection: Connection, size: int) -> None:
    """Take in how many bytes of our answers a client has not taken yet."""
    global _unread_bytes  # noqa: PLW0603 -- one number for the process
    _unread_bytes += size - connection.unread_bytes
    connection.unread_bytes = size


def hold(connection: Connection, size: int) -> None:
    """Count bytes of a body that is not complete; where that is too much, the longest under way is given up."""
    global _held_bytes  # noqa: PLW0603 -- one number for the process
    connection.held_bytes += size
    _held_bytes += size
    if _held_bytes > MAX_HELD_BYTES:
        large = [other for other in _connections if other.held_bytes > _SMALL_BYTES]
        if large:
            min(large, key=lambda other: other.since).refuse(_full("Too many bodies are under way."))


def release(connection: Connection) -> None:
    """Take back what `hold` has counted."""
    global _held_bytes  # noqa: PLW0603 -- as above
    _held_bytes -= connection.held_bytes
    connection.held_bytes = 0


def shed(now: float) -> None:
    """Where answers that nobody reads are too much, let go of the largest of those that have been for a minute."""
    too_much = _unread_bytes - MAX_UNREAD_BYTES
    if too_much <= 0:
        return
    slow = [other for other in _connections if now - other.unread_since > _UNREAD_SECONDS]
    for largest in sorted(slow, key=lambda other: other.unread_bytes, reverse=True):
        too_much -= largest.unread_bytes
        largest.transport.abort()
        if too_much <= 0:
            return


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer, as an ASGI application, a request on a connection that was let in for health probes."""
    response = problems.respond(_full("There are too many connections."), scope["path"])
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"content-length", str(len(response.content)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def _turn_of(connection: Connection) -> set[Connection]:
    return _streams[connection.number % STREAM_TURNS]


def _make_room(address: str | None, newcomer: Connection) -> bool:
    """Close the connection that has been without a request for longest, of this address or of all."""
    candidates = [
        other
        for other in _connections
        if other is not newcomer and not other.has_request and address in (None, other.address)
    ]
    for other in sorted(candidates, key=lambda other: other.since):
        if other.is_reading_head or not other.has_input():  # else a request has just come in
            leave(other)
            other.transport.abort()
            return True
    return False


def _full(detail: str) -> Problem:
    return Problem(UNAVAILABLE, detail, headers={"Retry-After": "1"})


_PROXIES = ProxiedScopes(settings.TRUSTED_PROXIES)
