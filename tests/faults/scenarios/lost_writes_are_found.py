"""The control of the first claim: where PostgreSQL is told that it may lose what it has acknowledged, we see it."""

import asyncio

from tests.faults.lab import Lab, Outcome
from tests.faults.ledger import Ledger
from tests.faults.writers import rows_of, writing

LETTER = "a"
CLAIM = "The control: with `synchronous_commit=off` the same harness does find lost writes"

# It acknowledges before it has written, and then writes as seldom as it can be told to.
_CARELESS = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
_CAREFUL = {"synchronous_commit": "on"}
_WRITERS = 8
_TRIES = 5  # by chance everything may have been written a moment before the crash
_SECONDS_OF_WRITING = 1


async def run(lab: Lab) -> Outcome:
    await lab.application()
    crashes, acknowledged, wrong = 0, 0, list[str]()
    await _restart(lab, _CARELESS)
    while not wrong and crashes < _TRIES:
        ledger, wrong = await _crash(lab)
        crashes, acknowledged = crashes + 1, acknowledged + ledger.acknowledged
    await _restart(lab, _CAREFUL)
    outcome = Outcome({"crashes": crashes, "writes acknowledged": acknowledged, "found lost": len(wrong)})
    outcome.require(wrong, "no loss was found: the harness is blind")
    return outcome


async def _restart(lab: Lab, options: dict[str, str]) -> None:
    await lab.cluster.stop("fast")
    await lab.cluster.start(**options)


async def _crash(lab: Lab) -> tuple[Ledger, list[str]]:
    application, ledger = await lab.application(), Ledger()
    accounts = [await application.register() for _ in range(_WRITERS)]
    await lab.cluster.query("CHECKPOINT")  # the accounts themselves are to survive
    async with writing(application.port, accounts, ledger):
        await asyncio.sleep(_SECONDS_OF_WRITING)
        await lab.cluster.stop("immediate")
    await lab.cluster.start()
    return ledger, ledger.audit(await rows_of(lab.cluster, accounts))
