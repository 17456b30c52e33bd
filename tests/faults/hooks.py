"""A receiver of webhooks that keeps what it is sent, and what is wrong with that.

The audit is pure: it takes the log of changes as it is, so that tests can show it one in which something is wrong.
"""

import asyncio
import base64
import hashlib
import hmac
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.receivers import Received, read_request

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_BROKEN = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
# A first try that is answered 500 is repeated after five seconds, and holds up its hook for so long.
_BROKEN_SHARE = 0.01
# So long it takes for an answer, at most: whoever delivers is killed with something under way.
_SLOWEST_SECONDS = 0.1
# A request that was on its way when its hook was deleted.
_GRACE_SECONDS = 0.5


class Event(NamedTuple):
    """What the log of changes says has happened."""

    change_no: int
    type: str
    entity: str


class Arrival(NamedTuple):
    """A request that has come to a hook."""

    at: float  # seconds since 1970
    id: str
    event: Event
    is_signed: bool
    is_taken: bool  # answered with a 2xx


@dataclass
class Hook:
    """A webhook, what has come to it, and until when anything may."""

    id: str
    owner: str
    secret: str
    deleted_at: float | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)  # the numbers of what was answered with a 2xx

    def hear(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        if arrival.is_taken:
            self.taken.add(arrival.event.change_no)

    def audit(self, log: Iterable[Event]) -> list[str]:
        """Return what is wrong with what has come, given all that has happened since the hook was made."""
        wrong = list(self._wrong_arrivals())
        wanted = {event.change_no: event for event in log}
        missed = sorted(wanted.keys() - self.taken) if self.deleted_at is None else []
        if missed:
            wrong.append(f"{len(missed)} of {len(wanted)} events never came, the first of them {missed[0]}")
        strangers = (it.event for it in self.arrivals if wanted.get(it.event.change_no) != it.event)
        wrong += [f"{event} came, and has not happened" for event in strangers]
        return [f"hook {self.id}: {sentence}" for sentence in wrong]

    def _wrong_arrivals(self) -> Iterable[str]:
        ids: dict[int, set[str]] = defaultdict(set)
        first: list[int] = []
        for arrival in self.arrivals:
            number = arrival.event.change_no
            if not arrival.is_signed:
                yield f"event {number} is not signed right"
            if self.deleted_at is not None and arrival.at > self.deleted_at + _GRACE_SECONDS:
                yield f"event {number} came {arrival.at - self.deleted_at:.2f} s after the hook was deleted"
            if number not in ids:
                first.append(number)
            ids[number].add(arrival.id)
        if first != sorted(first):
            yield "events came out of order"
        if any(len(found) > 1 for found in ids.values()) or len(set.union(set(), *ids.values())) != len(ids):
            yield "an event and its id are not one to one"


def early(arrivals: Iterable[Arrival], due: Mapping[str, float]) -> list[str]:
    """Return which reminders came before their time, which is given in seconds since 1970, by task."""
    return [
        f"the reminder of {it.event.entity} came {due[it.event.entity] - it.at:.2f} s early"
        for it in arrivals
        if it.event.type == "task.reminder" and it.at < due.get(it.event.entity, 0.0)
    ]


class Ears:
    """What listens: each hook has a path of its own. A few first tries are answered 500."""

    def __init__(self) -> None:
        self.port = 0
        self.hooks: dict[str, Hook] = {}  # by path
        self._seen: set[str] = set()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await read_request(reader)
                hook = self.hooks[request.target]
                is_first = request.headers["webhook-id"] not in self._seen
                self._seen.add(request.headers["webhook-id"])
                is_taken = not is_first or random.random() >= _BROKEN_SHARE
                hook.hear(_arrival(request, hook.secret, is_taken=is_taken))
                await asyncio.sleep(random.uniform(0, _SLOWEST_SECONDS))
                writer.write(_OK if is_taken else _BROKEN)
                await writer.drain()
        writer.close()


def _arrival(request: Received, secret: str, *, is_taken: bool) -> Arrival:
    document, headers = request.document, request.headers
    data = document["data"]
    return Arrival(
        time.time(),
        headers["webhook-id"],
        Event(data["change_no"], document["type"], data["id"]),
        is_signed(headers, request.body, secret),
        is_taken,
    )


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Verify as a receiver does (Standard Webhooks 1.0, "Verifying signatures")."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_now = abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    return is_now and f"v1,{wanted}" in headers["webhook-signature"].split(" ")


@asynccontextmanager
async def listening() -> AsyncIterator[Ears]:
    """Listen at a port of this machine while the block runs."""
    ears = Ears()
    server = await asyncio.start_server(ears.serve, "127.0.0.1", 0)
    ears.port = server.sockets[0].getsockname()[1]
    yield ears
    server.close()
