"""Let a crowd send a byte a second, say nothing, stop in the middle, and read no answer, beside people who just ask."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.application import Account, Application
from tests.faults.client import Client, Lost
from tests.faults.lab import DIRECT, Lab, Outcome
from todoproject.serving.protocol import HEAD_SECONDS, PROGRESS_SECONDS, WRITE_SECONDS

LETTER = "n"
CLAIM = "Slow, silent and greedy clients are let go in time, and who asks beside them notices nothing"

_MINUTES, _SHORT_MINUTES = 5, 0.3
_EACH_KIND, _EACH_KIND_IN_SHORT = 150, 20
_PEOPLE = 4
_GRACE_SECONDS = 10  # the machine may be busy, too
_WARM_UP = 0.3  # of the time: each slow client has been let go once
_SHARE = 0.25  # of the workers' memory: unfinished bodies and unread answers are bounded, and their buffers stay
_ANSWERS_UNREAD = 60  # of a third of a MiB each
_HEAD = b"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"

Slow = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def run(lab: Lab) -> Outcome:
    application, outcome = await lab.application(DIRECT), Outcome()
    account = await application.register()
    minutes = lab.minutes or (_SHORT_MINUTES if lab.is_short else _MINUTES)
    crowd = _Crowd(application, account, time.monotonic() + minutes * 60)
    count = _EACH_KIND_IN_SHORT if lab.is_short else _EACH_KIND
    slow = [asyncio.create_task(crowd.come_again(kind)) for kind in crowd.kinds for _ in range(count)]
    people = [asyncio.create_task(crowd.ask()) for _ in range(_PEOPLE)]
    await asyncio.sleep(_WARM_UP * minutes * 60)
    warm = application.memory_kib
    await asyncio.gather(*people)
    growth = application.memory_kib - warm
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    outcome.failures = crowd.wrong[:20]
    outcome.require(crowd.statuses.keys() == {200, 201}, f"people beside them were answered {dict(crowd.statuses)}")
    outcome.require(growth < _SHARE * warm, f"memory grows: {growth / 1024:.1f} MiB")
    outcome.require(application.last_words is None, f"the server ended by itself: {application.last_words}")
    outcome.counts = {
        "minutes": minutes,
        "slow at once": len(slow),
        **{f"{kind}: let go": crowd.let_go[kind] for kind in crowd.kinds},
        "held too long": len(crowd.wrong),
        "requests beside them": crowd.statuses.total(),
        "slowest of these": f"{crowd.slowest:.2f} s",
        "memory": f"{warm / 1024:.1f} MiB warm, {growth / 1024:+.1f} at the end",
    }
    return outcome


@dataclass
class _Crowd:
    """Slow clients that come again when they are let go, from an address of their own, and people who ask."""

    application: Application
    account: Account
    until: float
    let_go: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def kinds(self) -> dict[str, tuple[Slow, float]]:
        """What each kind does, and after how many seconds it has to be let go."""
        return {
            "silent": (_say_nothing, HEAD_SECONDS),
            "a head, a byte a second": (_drip, HEAD_SECONDS),
            "a body that stops": (_stop, PROGRESS_SECONDS),
            "an answer that is not read": (self._read_nothing, WRITE_SECONDS),
        }

    async def come_again(self, kind: str) -> None:
        act, seconds = self.kinds[kind]
        while True:
            began = time.monotonic()
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.application.port, local_addr=("127.0.0.2", 0), limit=1024
                )
                try:
                    async with asyncio.timeout(seconds + _GRACE_SECONDS):
                        await act(reader, writer)
                    self.let_go[kind] += 1
                except TimeoutError:
                    self.wrong.append(f"{kind}: held for {time.monotonic() - began:.0f} s")
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.1)

    async def _read_nothing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask for more than all buffers hold, which the system's own grow for, and go on asking until it is over."""
        ask = f"GET /v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.account.token}\r\n\r\n"
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's streams cannot say so
        writer.write(ask.encode() * _ANSWERS_UNREAD)
        while not writer.transport.is_closing():
            await asyncio.sleep(1)
            writer.write(ask.encode())

    async def ask(self) -> None:
        client = Client(self.application.port, self.account.token)
        while time.monotonic() < self.until:
            began = time.monotonic()
            for method, path, body in (("GET", "/v1/me", None), ("POST", "/v1/tasks", {"title": "In good time"})):
                try:
                    self.statuses[(await client.ask(method, path, body)).status] += 1
                except Lost:
                    self.statuses[0] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.05)
        client.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _end(reader)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ended = asyncio.ensure_future(_end(reader))
    for byte in _HEAD:
        writer.write(bytes([byte]))
        if (await asyncio.wait([ended], timeout=1))[0]:
            break
    await ended


async def _stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 200_000)
    await _end(reader)


async def _end(reader: asyncio.StreamReader) -> None:
    """Wait until the server has said what it has to say, and closed."""
    with suppress(ConnectionError):
        while await reader.read(4096):
            pass
