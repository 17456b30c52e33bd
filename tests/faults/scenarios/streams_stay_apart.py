"""Let two owners write as fast as they can, and listen to both at streams of one and the same worker."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.application import Account, Application
from tests.faults.client import Client
from tests.faults.lab import DIRECT, Lab, Outcome
from tests.faults.told import Told, Written

LETTER = "r"
CLAIM = "The streams of two owners in one worker: each is told all of its owner's changes, in order, and nobody else's"

_CHANGES = {False: 100_000, True: 4_000}  # of both
_BATCH = 100
_LANES = 2  # writers of each owner
# Of each owner, and one that leaves after so many changes, and goes on where it was. An account may have ten, and one
# that has left counts until that is noticed.
_STREAMS = 6
_LEAVES_AFTER = 700
# What is written last is told long before that, unless it was missed.
_TOLD_SECONDS = 120


async def run(lab: Lab) -> Outcome:
    settings = {"STREAM_LIFETIME_SECONDS": "3600", "LIVE_POLL_SECONDS": "1", "MAX_CONNECTIONS_PER_ADDRESS": "100"}
    application = await lab.application(DIRECT, workers=1, **settings)
    owners = [_Owner(await application.register()) for _ in range(2)]
    # The control: somebody who takes the second owner's stream for the first one's.
    control = Told(owners[0].account.id)
    async with asyncio.TaskGroup() as tasks:
        listeners = [tasks.create_task(_listen(application, owner, told)) for owner in owners for told in owner.staying]
        listeners += [tasks.create_task(_come_back(application, owner)) for owner in owners]
        listeners.append(tasks.create_task(_listen(application, owners[1], control)))
        await _until(lambda: all(told.cursor for owner in owners for told in (*owner.everybody, control)))
        began = time.monotonic()
        await _write_all(lab, application, owners)
        written = time.monotonic()
        await _until(lambda: all(len(told) >= len(owner.written) for owner in owners for told in owner.everybody))
        spent = f"{written - began:.0f} s, and {time.monotonic() - written:.1f} s more"
        for listener in listeners:
            listener.cancel()
    return _outcome(owners, control, spent)


def _outcome(owners: "list[_Owner]", control: Told, spent: str) -> Outcome:
    everybody = [told for owner in owners for told in owner.everybody]
    outcome = Outcome()
    outcome.counts = {
        "changes": sum(len(owner.written) for owner in owners),
        "streams": len(everybody),
        "events": sum(map(len, everybody)),
        "came back": sum(owner.returns for owner in owners),
        "at the wrong owner": sum(told.strangers for told in everybody),
        "at the wrong owner in the control": control.strangers,
        "writing and telling": spent,
    }
    outcome.failures = [wrong for owner in owners for told in owner.everybody for wrong in told.audit(owner.written)]
    outcome.require(control.strangers == len(control) > 0, "who listens at the wrong stream was told nothing wrong")
    return outcome


@dataclass
class _Owner:
    """Somebody who writes, what they were told is written, and those who listen to it."""

    account: Account
    written: list[Written] = field(default_factory=list)
    returns: int = 0

    def __post_init__(self) -> None:
        self.staying = [Told(self.account.id) for _ in range(_STREAMS)]
        self.coming_back = Told(self.account.id)
        self.everybody = [*self.staying, self.coming_back]


async def _until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for a stated time at most; the audit says what is missing then."""
    for _ in range(_TOLD_SECONDS * 20):
        if condition():
            return
        await asyncio.sleep(0.05)


async def _write_all(lab: Lab, application: Application, owners: list[_Owner]) -> None:
    count = _CHANGES[lab.is_short] // len(owners) // _LANES
    lanes = [(owner, lane) for owner in owners for lane in range(_LANES)]
    await asyncio.gather(*(_write(lab, application, owner, count, lane) for owner, lane in lanes))


async def _write(lab: Lab, application: Application, owner: _Owner, count: int, lane: int) -> None:
    client = Client(application.port, owner.account.token)
    for first in range(lane * count, (lane + 1) * count, _BATCH):
        ordinals = range(first, min(first + _BATCH, (lane + 1) * count))
        operations = [{"op": "create", "data": {"title": f"{owner.account.id} {ordinal}"}} for ordinal in ordinals]
        answer = await client.ask("POST", "/v1/tasks/batch", {"operations": operations})
        if answer.status != 200:
            raise AssertionError(f"a batch was answered {answer.status}: {answer.body[:300]!r}")
        results = answer.document["results"]
        owner.written += map(Written, (result["change_no"] for result in results), ordinals)
        if first % 10_000 == 0:
            lab.say(f"{owner.account.id[-4:]}, lane {lane}: {first - lane * count:,} of {count:,} changes")
    client.close()


async def _listen(application: Application, owner: _Owner, told: Told, most: float = float("inf")) -> None:
    """Open a stream where this listener was, and read it until it has been told so many more, or for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", application.port)
    last = f"Last-Event-ID: {told.cursor.decode()}\r\n" if told.cursor else ""
    head = (
        f"GET /v1/changes/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {owner.account.token}\r\n{last}"
    )
    writer.write(f"{head}\r\n".encode())
    try:
        status = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        if status != b"200":
            raise AssertionError(f"a stream was answered {status.decode()}")
        until = len(told) + most
        while len(told) < until:
            told.take(await _block(reader))
    finally:
        writer.transport.abort()


async def _block(reader: asyncio.StreamReader) -> bytes:
    """Return the next block of a stream; each is a chunk of its own."""
    if not (size := await reader.readline()):
        raise AssertionError("a stream has ended by itself")
    block = await reader.readexactly(int(size, 16) + 2)
    return block[:-2]


async def _come_back(application: Application, owner: _Owner) -> None:
    while True:
        await _listen(application, owner, owner.coming_back, _LEAVES_AFTER)
        owner.returns += 1
