"""Replace all workers again and again under load, through the pooler, and let no client repeat anything."""

import asyncio
import os
import signal
from pathlib import Path

from tests.faults.application import WORKERS, Application
from tests.faults.lab import Lab, Outcome
from tests.support.http.load import Load

LETTER = "g"
CLAIM = "A rolling restart under load leaves no request without its answer, and no acknowledged write is lost"

_RESTARTS = 20
_RESTARTS_OF_THE_SHORT_FORM = 1
_PATIENCE_SECONDS = 120  # for one restart, on a machine that many share


async def run(lab: Lab) -> Outcome:
    outcome, application = Outcome({"restarts": 0}), await lab.application()
    account = await application.register()
    async with Load(application.port, {"Authorization": f"Bearer {account.token}"}, clients=16) as load:
        for _ in range(_RESTARTS_OF_THE_SHORT_FORM if lab.is_short else _RESTARTS):
            lab.say(f"restart {outcome.counts['restarts']}")
            await _restart(application, outcome)
    persisted = await lab.cluster.query("SELECT id::text FROM todo.tasks WHERE user_id = %s", [account.id])
    lost = set(load.written) - {row[0] for row in persisted}
    outcome.counts |= {"requests": sum(load.answers.values()), "writes": len(load.written), "lost writes": len(lost)}
    outcome.counts |= {"unanswered": len(load.failures), "slowest": f"{load.slowest:.2f} s"}
    outcome.require(not load.failures, f"requests failed: {load.failures[:3]}")
    outcome.require(not lost, f"{len(lost)} acknowledged writes are lost")
    outcome.require(load.closed_politely, "no connection was closed: the workers were not replaced")
    return outcome


async def _restart(application: Application, outcome: Outcome) -> None:
    before = set(application.workers)
    os.kill(_parent(min(before)), signal.SIGHUP)
    for _ in range(_PATIENCE_SECONDS * 10):
        await asyncio.sleep(0.1)
        now = application.workers
        if len(now) == WORKERS and not before & set(now):
            outcome.counts["restarts"] = int(outcome.counts["restarts"]) + 1
            return
    outcome.require(False, f"the workers were not replaced within {_PATIENCE_SECONDS} s")


def _parent(process: int) -> int:
    """Return the supervisor of a worker (proc(5): the fields behind the name, which may hold anything)."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
