"""Kill everything there is, again and again, under concurrent writes."""

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field

from tests.faults.application import Application
from tests.faults.lab import DIRECT, POOLED, Lab, Outcome
from tests.faults.ledger import Ledger
from tests.faults.proxy import Cut
from tests.faults.writers import rows_of, writing

LETTER = "a"
CLAIM = "An acknowledged write is never lost, a repeated one is done once, a batch is never half done"

_WORKER, _APPLICATION, _POOLER = "worker killed", "application killed", "pooler killed"
_IMMEDIATE, _FAST = "PostgreSQL stopped, immediate", "PostgreSQL stopped, fast"
_SESSIONS, _CONNECTIONS = "all sessions terminated", "all connections broken"
# How often each happens: in the full form on each of two ways to the database, in the short form on one.
_FAULTS = {
    _WORKER: (6, 1),
    _APPLICATION: (2, 1),
    _POOLER: (4, 1),
    _IMMEDIATE: (12, 2),
    _FAST: (12, 2),
    _SESSIONS: (14, 3),
    _CONNECTIONS: (14, 3),
    **dict.fromkeys(Cut, (8, 2)),
}
_WRITERS = 8
# Every fault hits traffic: so many writes are acknowledged before it, since the one before.
_WRITES_BETWEEN = 10
# How long until writes are acknowledged again; only an application that starts anew on a busy machine needs seconds.
_RECOVERY_SECONDS = 60
_ERRORS_SHOWN = 5
_CUT_SECONDS = 10  # until a statement, or a COMMIT, comes by


@dataclass
class _Tally:
    """What happened on one way to the database, or on all."""

    ledger: Ledger = field(default_factory=Ledger)
    recoveries: list[float] = field(default_factory=list)
    replays: int = 0


async def run(lab: Lab) -> Outcome:
    outcome = Outcome()
    tallies = [await _play(lab, host, outcome) for host in ((POOLED,) if lab.is_short else (DIRECT, POOLED))]
    recoveries = [seconds for tally in tallies for seconds in tally.recoveries]
    outcome.counts = {
        "faults": len(recoveries),
        "writes acknowledged": sum(tally.ledger.acknowledged for tally in tallies),
        "outcome unknown to the client": sum(tally.ledger.unknown for tally in tallies),
        "batches": sum(len(tally.ledger.batches) for tally in tallies),
        "repeated and answered from store": sum(tally.replays for tally in tallies),
        "lost, doubled or half done": len(outcome.failures),
        "until writes go on": f"{statistics.median(recoveries or [0]):.2f} s (median), {max(recoveries or [0]):.1f} s",
    }
    return outcome


async def _play(lab: Lab, host: str, outcome: Outcome) -> _Tally:
    application = await lab.application(host)
    accounts = [await application.register() for _ in range(_WRITERS)]
    tally, plan = _Tally(), _plan(lab.is_short, host)
    async with writing(application.port, accounts, tally.ledger) as writers:
        for number, fault in enumerate(plan, start=1):
            lab.say(f"{number}/{len(plan)} {fault if isinstance(fault, str) else fault.value}")
            if not await _strike(lab, application, tally, fault):
                outcome.failures.append(f"around {fault!r} writes stopped for good")
            if (last_words := application.last_words) is not None:
                outcome.failures.append(f"around {fault!r} the server ended by itself: {last_words}")
                await application.start()
        tally.replays = sum(writer.replays for writer in writers)
    outcome.failures += tally.ledger.audit(await rows_of(lab.cluster, accounts))
    if tally.ledger.refusals:
        outcome.failures += application.errors[-_ERRORS_SHOWN:]
    return tally


def _plan(is_short: bool, host: str) -> list[str | Cut]:
    """Return the faults in an order that nobody has chosen."""
    faults = [fault for fault, counts in _FAULTS.items() for _ in range(counts[is_short])]
    chosen = [fault for fault in faults if fault != _POOLER or host == POOLED]
    random.shuffle(chosen)
    return chosen


async def _strike(lab: Lab, application: Application, tally: _Tally, fault: str | Cut) -> bool:
    """Break something while writes go on; return whether they went on before and after."""
    if await _written(application, tally.ledger, _WRITES_BETWEEN) is None:
        return False
    await _break(lab, application, fault)
    seconds = await _written(application, tally.ledger, 1)
    if seconds is None:
        return False
    tally.recoveries.append(seconds)
    return True


async def _written(application: Application, ledger: Ledger, count: int) -> float | None:
    """Wait until so many more writes are acknowledged; return the seconds it took, None where they never come."""
    started, wanted = time.monotonic(), ledger.acknowledged + count
    while ledger.acknowledged < wanted:
        if time.monotonic() - started > _RECOVERY_SECONDS or application.last_words is not None:
            return None
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def _break(lab: Lab, application: Application, fault: str | Cut) -> None:
    """Do one fault, and start again what does not start by itself."""
    match fault:
        case Cut():
            if not await lab.proxy.cut(fault, _CUT_SECONDS):
                raise RuntimeError(f"nothing came by that could be cut {fault.value}")
        case "worker killed":
            application.kill_worker()
        case "application killed":
            await application.kill()
            await application.start()
        case "pooler killed":
            await lab.pooler.kill()
            await lab.pooler.start()
        case "all sessions terminated":
            await lab.cluster.end_all_backends()
        case "all connections broken":
            lab.proxy.drop()
        case _:
            await lab.cluster.stop("fast" if fault == _FAST else "immediate")
            await lab.cluster.start()
