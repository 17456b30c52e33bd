"""Keep a gentle load up for a long time, and watch what the workers hold."""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.faults.application import Account, Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome

LETTER = "e"
CLAIM = "Memory, sockets and connections stay flat under load"

_MINUTES = 30
_PER_SECOND = 50
_LANES = 5
_SAMPLES = 120  # over the whole time
_WARM_UP = 0.2  # of the time: caches fill, pools grow to what the load needs
# Flat: the least-squares line through what was measured after the warm-up rises by at most this, over that time.
# 2 % of the memory is what the allocator moves by itself; a descriptor or a connection may be under way.
_MEMORY_SHARE = 0.02
_SHORT_MEMORY_SHARE = 0.10  # in seconds, warming up has not ended
_DESCRIPTORS = 3.0
_CONNECTIONS = 3.0


@dataclass(frozen=True)
class Sample:
    seconds: float
    memory_kib: int
    descriptors: int
    connections: int


async def run(lab: Lab) -> Outcome:
    application, outcome = await lab.application(), Outcome()
    accounts = [await application.register() for _ in range(_LANES)]
    minutes = lab.length(_MINUTES)
    deadline = time.monotonic() + minutes * 60
    lanes = [asyncio.create_task(_ask_until(deadline, application, account, outcome)) for account in accounts]
    samples = await sample_until(deadline, lab, application)
    requests = sum(await asyncio.gather(*lanes))
    _judge(samples, outcome, _SHORT_MEMORY_SHARE if lab.is_short else _MEMORY_SHARE)
    outcome.counts = {"minutes": minutes, "requests": requests} | outcome.counts
    return outcome


async def sample_until(deadline: float, lab: Lab, application: Application) -> list[Sample]:
    samples, started = [], time.monotonic()
    interval = (deadline - started) / _SAMPLES
    while (now := time.monotonic()) < deadline:
        connections = await lab.cluster.sessions()
        samples.append(Sample(now - started, application.memory_kib, application.descriptors, connections))
        of = f"{(now - started) / 60:.1f} of {(deadline - started) / 60:.1f} minutes"
        lab.say(f"{of}, {samples[-1].memory_kib // 1024} MiB")
        await asyncio.sleep(interval)
    return samples


async def _ask_until(deadline: float, application: Application, account: Account, outcome: Outcome) -> int:
    """Create, change, list and delete at an even rate; return how many requests it was."""
    client, task_id, requests = Client(application.port, account.token), "", 0
    while time.monotonic() < deadline:
        if not task_id:
            answer = await client.ask("POST", "/v1/tasks", {"title": f"Task {requests}"})
            task_id = answer.document["id"]
        elif random.random() < 0.25:
            answer = await client.ask("DELETE", f"/v1/tasks/{task_id}")
            task_id = ""
        elif random.random() < 0.5:
            answer = await client.ask("PATCH", f"/v1/tasks/{task_id}", {"description": str(requests)})
        else:
            answer = await client.ask("GET", "/v1/tasks?limit=50")
        outcome.require(answer.status < 300, f"answered {answer.status}: {answer.body[:200]!r}")
        requests += 1
        if requests % 50 == 0:  # clients come and go
            client.close()
        await asyncio.sleep(random.uniform(0, 2 * _LANES / _PER_SECOND))
    client.close()
    return requests


def _judge(samples: list[Sample], outcome: Outcome, memory_share: float) -> None:
    warm = [sample for sample in samples if sample.seconds > _WARM_UP * samples[-1].seconds]
    times = [sample.seconds for sample in warm]
    memory = rise(times, [sample.memory_kib for sample in warm])
    descriptors = rise(times, [sample.descriptors for sample in warm])
    connections = rise(times, [sample.connections for sample in warm])
    outcome.counts = {
        "memory": f"{warm[0].memory_kib / 1024:.1f} MiB warm, {warm[-1].memory_kib / 1024:.1f} at the end",
        "memory's trend": f"{memory / 1024:+.2f} MiB",
        "descriptors": f"{warm[-1].descriptors}, trend {descriptors:+.1f}",
        "connections": f"{warm[-1].connections}, trend {connections:+.1f}",
    }
    outcome.require(memory < memory_share * warm[0].memory_kib, f"memory grows: {memory / 1024:.1f} MiB")
    outcome.require(descriptors < _DESCRIPTORS, f"descriptors grow: {descriptors:.1f}")
    outcome.require(connections < _CONNECTIONS, f"connections grow: {connections:.1f}")


def rise(times: list[float], values: list[int]) -> float:
    """Return by how much the least-squares line through the values rises over the times."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    slope = sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / sum(
        (t - middle) ** 2 for t in times
    )
    return slope * (times[-1] - times[0])
