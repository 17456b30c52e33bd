"""Let everybody write who can: clients, batches, keyed requests, staff, SQL, the purge, people who leave."""

import asyncio
import io
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from django.core.management import call_command
from django.db import connections

from tests.faults.application import PASSWORD, Account, Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome
from tests.faults.ledger import Ledger
from tests.faults.writers import rows_of, writing
from tests.support.staff import root_client

LETTER = "i"
CLAIM = "However many write to the same few accounts: no deadlock, no 500, and every acknowledged write is there"

_MINUTES = 10
_ACCOUNTS, _WRITERS_EACH = 3, 3
_SHARED = "shared "  # how the titles begin of tasks that staff, SQL and the purge change, and no ledger counts
_OF_STAFF = 12  # such tasks of each account
# An account that is erased under a write is 401; a race that is lost too often, or a lock too long, is 503.
_ALLOWED = {200, 201, 204, 207, 401, 404, 409, 503}
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'todo'"


async def run(lab: Lab) -> Outcome:
    storm = _Storm(lab, await lab.application())
    await storm.prepare()
    before = (await lab.cluster.query(_DEADLOCKS))[0][0]
    ledger, started = Ledger(), time.monotonic()
    people = [account for account in storm.accounts for _ in range(_WRITERS_EACH)]
    async with writing(storm.application.port, people, ledger):
        await storm.blow()
    await asyncio.sleep(1)  # the server tells its counts a moment later
    outcome = storm.outcome
    rows = [row for row in await rows_of(lab.cluster, storm.accounts) if not row.title.startswith(_SHARED)]
    outcome.failures += ledger.audit(rows)
    deadlocks = (await lab.cluster.query(_DEADLOCKS))[0][0] - before
    outcome.require(deadlocks == 0, f"{deadlocks} deadlocks")
    outcome.failures += storm.application.errors[-5:]
    outcome.counts = {
        "minutes": round((time.monotonic() - started) / 60, 2),
        "writes acknowledged": ledger.acknowledged,
        "lost, doubled or half done": len(outcome.failures),
        "deadlocks": deadlocks,
        **dict(sorted(storm.done.items())),
        "refused for the moment (503)": storm.statuses[503],
    }
    return outcome


class _Storm:
    """What is done beside the writers with a ledger, to the same accounts, until the time is over."""

    def __init__(self, lab: Lab, application: Application) -> None:
        self.outcome, self.application = Outcome(), application
        self.accounts: list[Account] = []
        self.done: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._lab = lab
        self._until = 0.0

    async def prepare(self) -> None:
        self.accounts = [await self.application.register() for _ in range(_ACCOUNTS)]
        for account in self.accounts:
            await self._fill(account)

    async def blow(self) -> None:
        """Do everything at once until the time is over."""
        minutes = self._lab.length(_MINUTES)
        self._until = time.monotonic() + minutes * 60
        works = {
            "tokens made and ended": self._token,
            "accounts erased under their writes": self._erase,
            "statements of SQL over all accounts": self._sql,
            "actions of staff": self._staff,
            "purges": self._purge,
        }
        async with asyncio.TaskGroup() as group:
            for name, work in works.items():
                group.create_task(self._repeat(name, work))
            while (left := self._until - time.monotonic()) > 0:
                self._lab.say(f"{left:.0f} s left, {self.done.total()} things done beside the writers")
                await asyncio.sleep(min(left, 10))

    async def _repeat(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while time.monotonic() < self._until:
            await work()
            self.done[name] += 1
            await asyncio.sleep(random.uniform(0, 0.1))

    async def _ask(self, client: Client, method: str, path: str, document: object = None) -> int:
        answer = await client.ask(method, path, document)
        self.statuses[answer.status] += 1
        self.outcome.require(answer.status in _ALLOWED, f"{method} {path}: {answer.status}, {answer.body[:200]!r}")
        return answer.status

    async def _fill(self, account: Account) -> None:
        """Give an account the tasks that staff, SQL and the purge change."""
        client = Client(self.application.port, account.token)
        tasks = [{"op": "create", "data": {"title": f"{_SHARED}{number}"}} for number in range(_OF_STAFF)]
        await self._ask(client, "POST", "/v1/tasks/batch", {"operations": tasks})
        client.close()

    async def _token(self) -> None:
        client = Client(self.application.port, random.choice(self.accounts).token)
        answer = await client.ask("POST", "/v1/tokens", {"name": "storm", "scopes": ["tasks:read"]})
        self.statuses[answer.status] += 1
        if answer.status == 201:
            await self._ask(client, "DELETE", f"/v1/tokens/{answer.document['id']}")
        client.close()

    async def _erase(self) -> None:
        leaving = await self.application.register()
        clients = [Client(self.application.port, leaving.token) for _ in range(4)]
        await asyncio.gather(
            *(self._ask(client, "POST", "/v1/tasks", {"title": "Last words"}) for client in clients[1:]),
            self._ask(clients[0], "DELETE", "/v1/me", {"password": PASSWORD}),
        )
        for client in clients:
            client.close()

    async def _sql(self) -> None:
        """What an operator does, with the owners first; a part of it is old enough to be purged."""
        ids = [account.id for account in self.accounts]
        await self._lab.cluster.query(
            "WITH owners AS MATERIALIZED ("
            "  SELECT id FROM todo.users WHERE id = ANY (%s::uuid[]) ORDER BY id FOR NO KEY UPDATE)"
            " UPDATE todo.tasks SET description = gen_random_uuid()::text,"
            "        deleted_at = CASE WHEN random() < 0.2 THEN now() - interval '400 days' END"
            " WHERE starts_with(title, %s) AND user_id IN (SELECT id FROM owners)",
            [ids, _SHARED],
        )

    async def _staff(self) -> None:
        keys = await self._lab.cluster.query(
            "SELECT key::text FROM todo.tasks WHERE starts_with(title, %s) ORDER BY random() LIMIT 8", [_SHARED]
        )
        if keys:
            status = await asyncio.to_thread(_act, [key for (key,) in keys])
            self.outcome.require(status in (200, 302), f"staff were answered {status}")

    async def _purge(self) -> None:
        await asyncio.to_thread(_purge)
        await self._fill(random.choice(self.accounts))
        await asyncio.sleep(0.5)


def _act(keys: list[str]) -> int:
    """Do something to tasks of several people, over the admin of this process, whose database is the same."""
    try:
        action = random.choice(("complete", "reopen", "remove", "restore"))
        form = {"action": action, "_selected_action": keys, "index": "0"}
        return root_client().post("/admin/tasks/task/?deleted=all", form).status_code
    finally:
        connections.close_all()


def _purge() -> None:
    try:
        call_command("purge", verbosity=0, stdout=io.StringIO())
    finally:
        connections.close_all()
