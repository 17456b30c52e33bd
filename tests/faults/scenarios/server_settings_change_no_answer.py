"""Let the database's operator, its provider or its clock change the rules: what we say stays true."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from urllib.parse import quote

from tests.faults.application import Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome
from tests.faults.ledger import Ledger
from tests.faults.writers import rows_of, writing
from todoproject.database import embedded

LETTER = "k"
CLAIM = "Serializable, `lock_timeout`, read-only and a clock set back: an answer says done only for what is there"

_WRITERS = 12
_SECONDS, _SECONDS_OF_THE_SHORT_FORM = 20, 3
_ROUNDS, _ROUNDS_OF_THE_SHORT_FORM = 10, 2


async def run(lab: Lab) -> Outcome:
    outcome, application = Outcome(), await lab.application()
    for name, play in {
        "serializable": _serializable,
        "lock_timeout": _lock_timeout,
        "read-only": _read_only,
        "clock set back": _clock,
    }.items():
        lab.say(name)
        outcome.counts[name] = await play(lab, application, outcome)
    outcome.failures += application.errors[-5:]
    return outcome


@asynccontextmanager
async def _role_has(lab: Lab, name: str, value: str) -> AsyncIterator[None]:
    """Give the role of DATABASE_URL a setting, as an operator would; every session is a new one that has it."""
    await lab.cluster.query(f"ALTER ROLE {embedded.OWNER} SET {name} = '{value}'")
    await lab.cluster.end_all_backends()
    try:
        yield
    finally:
        await lab.cluster.query(f"ALTER ROLE {embedded.OWNER} RESET {name}")
        await lab.cluster.end_all_backends()


async def _serializable(lab: Lab, application: Application, outcome: Outcome) -> str:
    """As in the case that lost a quarter of what was acknowledged."""
    accounts, ledger = [await application.register() for _ in range(_WRITERS)], Ledger()
    async with (
        _role_has(lab, "default_transaction_isolation", "serializable"),
        writing(application.port, accounts, ledger),
    ):
        await asyncio.sleep(_SECONDS_OF_THE_SHORT_FORM if lab.is_short else _SECONDS)
    wrong = ledger.audit(await rows_of(lab.cluster, accounts))
    outcome.failures += [f"serializable: {sentence}" for sentence in wrong]
    outcome.require(ledger.acknowledged > _WRITERS, "serializable: hardly anything was written")
    return f"{ledger.acknowledged:,} writes acknowledged, {len(wrong)} of them not as told"


async def _lock_timeout(lab: Lab, application: Application, outcome: Outcome) -> str:
    """Hold the person's row: a token that is said to be made or ended must be."""
    refused = untrue = 0
    async with _role_has(lab, "lock_timeout", "1s"):
        for _ in range(_ROUNDS_OF_THE_SHORT_FORM if lab.is_short else _ROUNDS):
            account = await application.register()
            first, second = (Client(application.port, account.token) for _ in range(2))
            async with lab.cluster.holding(f"SELECT FROM todo.users WHERE id = '{account.id}' FOR UPDATE"):
                made, ended = await asyncio.gather(
                    first.ask("POST", "/v1/tokens", {"name": "waits", "scopes": ["account"]}),
                    second.ask("POST", "/v1/auth/logout"),
                )
            refused += [made.status, ended.status].count(503)
            works = (await first.ask("GET", "/v1/me")).status == 200
            untrue += (ended.status == 204) is works
            if made.status == 201:
                untrue += (await Client(application.port, made.document["token"]).ask("GET", "/v1/me")).status != 200
            outcome.require({made.status, ended.status} <= {201, 204, 503}, f"lock_timeout: {made}, {ended}")
            first.close()
            second.close()
    outcome.require(untrue == 0, f"lock_timeout: {untrue} answers are not true")
    return f"{refused} answered 503, {untrue} answers untrue"


async def _read_only(lab: Lab, application: Application, outcome: Outcome) -> str:
    """Reads go on, with tokens too whose last use ought to be written down."""
    account = await application.register()
    client = Client(application.port, account.token)
    await lab.cluster.query(
        "UPDATE todo.access_tokens SET last_used_at = now() - interval '1 hour' WHERE user_id = %s", [account.id]
    )
    reads, writes = [], []
    async with _role_has(lab, "default_transaction_read_only", "on"):
        for _ in range(_ROUNDS):
            reads.append((await client.ask("GET", "/v1/tasks")).status)
            reads.append((await client.ask("GET", "/health/ready")).status)
            writes.append((await client.ask("POST", "/v1/tasks", {"title": "No"})).status)
    outcome.require(set(reads) == {200}, f"read-only: reads are answered {sorted(set(reads))}")
    outcome.require(set(writes) == {503}, f"read-only: writes are answered {sorted(set(writes))}")
    written = (await client.ask("POST", "/v1/tasks", {"title": "Yes"})).status
    outcome.require(written == 201, f"read-only: a write afterwards is answered {written}")
    client.close()
    return f"{reads.count(200)} of {len(reads)} reads answered, {writes.count(503)} of {len(writes)} writes refused"


async def _clock(lab: Lab, application: Application, outcome: Outcome) -> str:
    """As if the clock had been two hours ahead until now: what changes next must still be found as a change."""
    account = await application.register()
    client = Client(application.port, account.token)
    task = (await client.ask("POST", "/v1/tasks", {"title": "Before"})).document
    ahead = "UPDATE todo.users SET changed_at = now() + interval '2 hours' WHERE id = %s RETURNING changed_at"
    [(last,)] = await lab.cluster.query(ahead, [account.id])
    found = 0
    for number in range(_ROUNDS):
        changed = (await client.ask("PATCH", f"/v1/tasks/{task['id']}", {"title": f"After {number}"})).document
        listed = await client.ask("GET", f"/v1/tasks?updated_after={quote(last.isoformat())}")
        found += [item["title"] for item in listed.document["items"]] == [changed["title"]]
        last = datetime.fromisoformat(changed["updated_at"])
    outcome.require(found == _ROUNDS, f"clock: {_ROUNDS - found} changes were missed")
    client.close()
    return f"{found} of {_ROUNDS} changes found by `updated_after`"
