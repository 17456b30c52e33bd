"""How many deliveries a second does one process make, and how long do others wait where a receiver hangs?

Each hook is another owner's. What there is to deliver is written first, then a background process delivers it alone.
For the second figure a server does both in its one process, as it is run by itself: owners write by turns, first alone,
then beside one whose hooks are never answered.
"""

import asyncio
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import fill, operations, processes, receiver
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.load import http_request
from bench.peers import OURS, ROOT, Peer, python
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.receiver import Receiver
from bench.servers import Server

HOOKS = (2, 8)
EVENTS = 4_000  # of each round, over all hooks
WRITERS = 8
HANGING = 4  # hooks of the one owner: as many as are delivered to at once
_WRITES_PER_SECOND = 16
_SECONDS = 12  # longer than a request may hang
_BATCH = 100
_WAIT_SECONDS = 60


def _environment(url: str) -> dict[str, str]:
    """Return production's settings but for one: there nothing is sent over plain HTTP."""
    plain = {"ENVIRONMENT": "development", "LOG_FORMAT": "json", "WEBHOOK_PRIVATE_HOSTS": "127.0.0.1"}
    return OURS.family.environment(url) | plain | {"BACKGROUND": "false"}


def _both_environment(url: str) -> dict[str, str]:
    return _environment(url) | {"BACKGROUND": "true"}


PEER: Peer = replace(OURS, name="webhooks", family=replace(OURS.family, environment=_environment))
BOTH: Peer = replace(PEER, family=replace(OURS.family, environment=_both_environment))


@dataclass(frozen=True)
class Rate:
    """What one process has delivered."""

    hooks: int
    round: int
    events: int
    per_second: float
    cpu_us: float  # of the process, for each


@dataclass(frozen=True)
class Delays:
    """From a write's answer to its event, in milliseconds."""

    events: int
    p50_ms: float
    max_ms: float


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Deliver to two hooks and to eight by turns, then beside hooks that hang."""
    progress.begin("preparing accounts with webhooks")
    fill.prepare(postgres, PEER, Sizes(100, 1_000), progress.tell)
    bearers = [PEER.bearer(user) for user in operations.targets(postgres, PEER.name).users]
    if len(bearers) < sum(HOOKS) + WRITERS + 1:
        raise BenchError(f"there are {len(bearers)} accounts for webhooks, and {sum(HOOKS) + WRITERS + 1} are wanted")
    return {
        "rates": asyncio.run(_rates(postgres, plan, progress, bearers[: sum(HOOKS)])),
        "delays": asyncio.run(_delays(postgres, plan, progress, bearers[sum(HOOKS) :])),
    }


async def _rates(postgres: Postgres, plan: Plan, progress: Progress, bearers: list[str]) -> list[dict[str, Any]]:
    url, log = postgres.url(PEER.name), plan.logs / "webhooks.log"
    owners = {HOOKS[0]: bearers[: HOOKS[0]], HOOKS[1]: bearers[HOOKS[0] :]}
    found = []
    async with receiver.listening() as ears:
        with Server(PEER, url, 1, log) as server:
            await _make(server, bearers, ears.url)
            steps = [(turn, hooks) for turn in range(plan.rounds) for hooks in HOOKS]
            for turn, hooks in progress.track(steps, "delivering"):
                progress.note(f"{hooks} hooks")
                await asyncio.to_thread(_write, server, owners[hooks], f"{turn}-{hooks}")
                ears.arrivals.clear()
                with _worker(url, log) as worker:
                    used = await _delivered(ears, worker)
                moments = sorted(ears.arrivals.values())
                rate = EVENTS / (moments[-1] - moments[0])
                found.append(asdict(Rate(hooks, turn, EVENTS, rate, 1e6 * used / EVENTS)))
    return found


async def _make(server: Server, bearers: Sequence[str], url: str, each: int = 1) -> None:
    """Make webhooks of each owner."""
    body = json.dumps({"url": url, "events": ["task.created"]}).encode()
    for bearer in bearers:
        for _ in range(each):
            await asyncio.to_thread(_ask, server, "POST", "/v1/webhooks", bearer, body, 201)


def _write(server: Server, bearers: Sequence[str], name: str) -> None:
    count = EVENTS // len(bearers)
    for owner, bearer in enumerate(bearers):
        for first in range(0, count, _BATCH):
            titles = [f"{name}-{owner}-{number}" for number in range(first, min(first + _BATCH, count))]
            document = {"operations": [{"op": "create", "data": {"title": title}} for title in titles]}
            _ask(server, "POST", "/v1/tasks/batch", bearer, json.dumps(document).encode(), 200)


def _ask(server: Server, method: str, path: str, bearer: str, body: bytes, wanted: int) -> None:
    status, answer = server.ask(http_request(method, path, bearer, body))
    if status != wanted:
        raise BenchError(f"{method} {path} was answered {status}: {answer[:200]!r}")


@contextmanager
def _worker(url: str, log: Path) -> Iterator[int]:
    """Run a background process alone; yield its number."""
    environment = {**os.environ, **_environment(url)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            python("manage.py", "runworker"), cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(_WAIT_SECONDS)


async def _delivered(ears: Receiver, worker: int) -> float:
    """Wait until all has come; return the process's processor seconds since the first."""
    deadline, before = time.perf_counter() + _WAIT_SECONDS, None
    while len(ears.arrivals) < EVENTS:
        if time.perf_counter() > deadline:
            raise BenchError(f"{EVENTS} events were to be delivered, and {len(ears.arrivals)} were")
        await asyncio.sleep(0.01)
        if before is None and ears.arrivals:
            before = processes.cpu_seconds(worker)
    return processes.cpu_seconds(worker) - (before or 0)


async def _delays(postgres: Postgres, plan: Plan, progress: Progress, bearers: list[str]) -> dict[str, Any]:
    hanging, writers = bearers[0], bearers[1 : WRITERS + 1]
    progress.begin("writing beside hooks that hang")
    async with receiver.listening() as ears, receiver.listening(answers=False) as deaf:
        with Server(BOTH, postgres.url(PEER.name), 1, plan.logs / "webhooks-both.log") as server:
            await _make(server, writers, ears.url)
            await _make(server, [hanging], deaf.url, HANGING)
            await _told(server, writers, ears, "warm", 2)
            alone = await _told(server, writers, ears, "alone", _SECONDS)
            task = json.dumps({"title": "hangs"}).encode()
            await asyncio.to_thread(_ask, server, "POST", "/v1/tasks", hanging, task, 201)
            beside = await _told(server, writers, ears, "beside", _SECONDS)
            if not deaf.arrivals:
                raise BenchError("nothing has come to where it was to hang")
    return {"hanging": HANGING, "alone": asdict(alone), "beside": asdict(beside)}


async def _told(server: Server, bearers: Sequence[str], ears: Receiver, name: str, seconds: int) -> Delays:
    """Write as one owner after the other; return how long after the answer each event has come."""
    written: dict[str, float] = {}
    began = time.perf_counter()
    for number in range(seconds * _WRITES_PER_SECOND):
        await asyncio.sleep(max(0.0, began + number / _WRITES_PER_SECOND - time.perf_counter()))
        title = f"{name} {number}"
        body = json.dumps({"title": title}).encode()
        await asyncio.to_thread(_ask, server, "POST", "/v1/tasks", bearers[number % len(bearers)], body, 201)
        written[title] = time.perf_counter()
    deadline = time.perf_counter() + _WAIT_SECONDS
    while not written.keys() <= ears.arrivals.keys():
        if time.perf_counter() > deadline:
            raise BenchError(f"{len(written)} events were to be delivered beside others")
        await asyncio.sleep(0.01)
    delays = [max(0.0, 1e3 * (ears.arrivals[title] - moment)) for title, moment in written.items()]
    return Delays(len(delays), statistics.median(delays), max(delays))
