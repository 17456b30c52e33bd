"""Let nobody into the database, while many clients press: what is refused must be forgotten."""

import asyncio
import time
from collections import Counter

from tests.faults.client import Client, Lost
from tests.faults.lab import DIRECT, Lab, Outcome
from tests.faults.scenarios.soak_stays_flat import rise, sample_until
from todoproject.database import embedded

LETTER = "j"
CLAIM = "However long the database lets nobody in, every request is answered 503, and memory stays flat"

_MINUTES = 10
_CLIENTS, _CLIENTS_OF_THE_SHORT_FORM = 300, 60
_PAUSE_SECONDS = 0.1
_WARM_UP = 0.2  # of the time: every client has been refused, several times
# Before it was mended, 300 clients made 106 MiB into 1,068 in a minute.
_SHARE, _SHORT_SHARE = 0.03, 0.15
_RECOVERY_SECONDS = 15


async def run(lab: Lab) -> Outcome:
    application, outcome = await lab.application(DIRECT), Outcome()
    account = await application.register()
    count = _CLIENTS_OF_THE_SHORT_FORM if lab.is_short else _CLIENTS
    clients = [Client(application.port, account.token) for _ in range(count)]
    await asyncio.gather(*(_ask(client, 0) for client in clients))  # all are connected, and the pools are full
    minutes, statuses = lab.length(_MINUTES), Counter[int]()
    deadline = time.monotonic() + minutes * 60
    await lab.cluster.query(f"ALTER ROLE {embedded.OWNER} NOLOGIN")
    try:
        await lab.cluster.end_all_backends()
        pressing = [asyncio.create_task(_press(client, deadline, statuses)) for client in clients]
        samples = await sample_until(deadline, lab, application)
        await asyncio.gather(*pressing)
    finally:
        await lab.cluster.query(f"ALTER ROLE {embedded.OWNER} LOGIN")
    recovery = await _recovery(clients[0])
    warm = [sample for sample in samples if sample.seconds > _WARM_UP * samples[-1].seconds]
    growth = rise([sample.seconds for sample in warm], [sample.memory_kib for sample in warm])
    share = _SHORT_SHARE if lab.is_short else _SHARE
    outcome.require(growth < share * warm[0].memory_kib, f"memory grows: {growth / 1024:.1f} MiB")
    outcome.require(statuses.keys() <= {503}, f"answered {dict(statuses)}")
    outcome.require(recovery < _RECOVERY_SECONDS, f"well again only after {recovery:.1f} s")
    outcome.require(application.last_words is None, f"the server ended by itself: {application.last_words}")
    outcome.counts = {
        "minutes": minutes,
        "clients": count,
        "answered 503": statuses[503],
        "answered otherwise or not at all": statuses.total() - statuses[503],
        "memory": f"{warm[0].memory_kib / 1024:.1f} MiB warm, {warm[-1].memory_kib / 1024:.1f} at the end",
        "memory's trend": f"{growth / 1024:+.2f} MiB",
        "descriptors": warm[-1].descriptors,
        "well again after": f"{recovery:.1f} s",
    }
    for client in clients:
        client.close()
    return outcome


async def _press(client: Client, deadline: float, statuses: Counter[int]) -> None:
    number = 0
    while time.monotonic() < deadline:
        statuses[await _ask(client, number)] += 1
        number += 1
        await asyncio.sleep(_PAUSE_SECONDS)


async def _ask(client: Client, number: int) -> int:
    """Read or write; return the status, 0 where the connection broke."""
    try:
        if number % 2:
            return (await client.ask("POST", "/v1/tasks", {"title": "Is anybody there?"})).status
        return (await client.ask("GET", "/v1/tasks")).status
    except Lost:
        return 0


async def _recovery(client: Client) -> float:
    """Return after how many seconds somebody is answered well again."""
    started = time.monotonic()
    for _ in range(20 * _RECOVERY_SECONDS):
        if await _ask(client, 0) == 200:
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - started
