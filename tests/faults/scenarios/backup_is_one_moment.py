"""Back up while people write, restore, and hold what comes back against what they had asked and were told."""

import asyncio
import copy
import os
import sys
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.application import Account
from tests.faults.lab import POOLED, Lab, Outcome
from tests.faults.ledger import Fate, Ledger, Row
from tests.faults.writers import writing
from tests.support.processes.servers import ROOT

LETTER = "f"
CLAIM = "A backup under load holds one moment, whole and consistent, and restores to exactly that"

_WRITERS = 8
_WRITES_BEFORE = 40  # acknowledged before each backup begins
_ROUNDS = {False: 10, True: 1}
_ROWS = """
SELECT user_id::text, id::text, title, description, version, deleted_at IS NOT NULL
  FROM todo.tasks WHERE user_id = ANY (%s::uuid[])
"""
# Each write of a task takes the owner's next number, makes one version and is logged: in any one moment all have come
# as far. The owner's own number goes on after a restore.
_UNEVEN = """
SELECT id::text, logged, last, newest, versions
  FROM (SELECT u.id, (SELECT count(*) FROM todo.changes c WHERE c.user_id = u.id) AS logged,
               (SELECT coalesce(max(c.change_no), 0) FROM todo.changes c WHERE c.user_id = u.id) AS last,
               coalesce(max(t.change_no), 0)::bigint AS newest, coalesce(sum(t.version), 0)::bigint AS versions
          FROM todo.users u LEFT JOIN todo.tasks t ON t.user_id = u.id
         WHERE u.id = ANY (%s::uuid[]) GROUP BY u.id) AS counted
 WHERE logged <> versions OR last <> newest OR last <> logged
"""


async def run(lab: Lab) -> Outcome:
    outcome, ledger = Outcome(), Ledger()
    application = await lab.application()
    accounts = [await application.register() for _ in range(_WRITERS)]
    befores: list[tuple[Path, Ledger]] = []
    meanwhile = 0
    async with writing(application.port, accounts, ledger):
        for number in range(_ROUNDS[lab.is_short]):
            lab.say(f"backup {number + 1}")
            await _written(ledger, _WRITES_BEFORE)
            befores.append((lab.folder / f"backup-{number}.dump", copy.deepcopy(ledger)))
            during = ledger.acknowledged
            await _manage(lab, outcome, "backup", str(befores[-1][0]))
            outcome.require(ledger.acknowledged > during, "nobody could write while the backup was taken")
            meanwhile += ledger.acknowledged - during
    tasks = 0
    for number, (path, before) in enumerate(befores):
        lab.say(f"restore {number + 1}")
        tasks += await _restore(lab, outcome, accounts, path, before, ledger)
    lab.say("verifybackup")
    await _manage(lab, outcome, "verifybackup", str(befores[-1][0]))
    outcome.failures += ledger.refusals
    outcome.counts = {
        "backups": len(befores),
        "writes acknowledged meanwhile": meanwhile,
        "tasks restored": tasks,
        "different, lost or half done": len(outcome.failures),
    }
    return outcome


async def _restore(
    lab: Lab, outcome: Outcome, accounts: list[Account], path: Path, before: Ledger, after: Ledger
) -> int:
    """Restore a backup, which compares it with the dump's snapshot, and audit it; return how many tasks it has."""
    name = path.stem.replace("-", "_")
    if not await _manage(lab, outcome, "restore", str(path), "--database", name):
        return 0
    ids = [account.id for account in accounts]
    rows = [Row(*row) for row in await _query(lab, name, _ROWS, [ids])]
    outcome.failures += _lost(before, rows)
    outcome.failures += _all_unknown(after).audit(rows)
    for owner, logged, last, newest, writes in await _query(lab, name, _UNEVEN, [ids]):
        outcome.failures.append(
            f"{owner}: {logged} logged, the last is {last}; tasks tell of {writes}, and of {newest}"
        )
    await lab.cluster.query(f"DROP DATABASE {name} WITH (FORCE)")
    return len(rows)


def _lost(before: Ledger, rows: list[Row]) -> list[str]:
    """Return what was acknowledged before the backup began, and is not in it."""
    versions = {row.title: row.version for row in rows}
    return [
        f"{title!r} was written {done} times before the backup, which has version {versions.get(title)}"
        for title, entry in before.tasks.items()
        if (done := sum(write.fate is Fate.ACKNOWLEDGED for write in entry.writes)) > versions.get(title, 0)
    ]


def _all_unknown(ledger: Ledger) -> Ledger:
    """Return a ledger in which all may have come before the backup or after it: what is left must be consistent."""
    found = copy.deepcopy(ledger)
    found.refusals.clear()
    for entry in found.tasks.values():
        for write in entry.writes:
            write.fate = Fate.UNKNOWN
    return found


async def _written(ledger: Ledger, count: int) -> None:
    wanted = ledger.acknowledged + count
    async with asyncio.timeout(60):
        while ledger.acknowledged < wanted:  # noqa: ASYNC110 -- the writers know nothing of us
            await asyncio.sleep(0.01)


async def _manage(lab: Lab, outcome: Outcome, *arguments: str) -> bool:
    """Run a command as an operator does, with the pooler's URL; return whether it succeeded."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", *arguments, "--verbosity=0"),
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": lab.url(POOLED)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    outcome.require(process.returncode == 0, f"{' '.join(arguments)} failed: {errors.decode().strip()}")
    return process.returncode == 0


async def _query(lab: Lab, database: str, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    where = f"host={lab.cluster.socket.parent} user=postgres dbname={database}"
    async with await psycopg.AsyncConnection.connect(where) as connection:
        return await (await connection.execute(query, parameters)).fetchall()
