"""Change passwords under a key, and kill PostgreSQL the moment it is acknowledged."""

import asyncio
from uuid import uuid4

from tests.faults.application import PASSWORD, Application
from tests.faults.client import Client
from tests.faults.lab import Lab, Outcome

LETTER = "m"
CLAIM = "A change of the password that was acknowledged, with a key or without, is there after a crash"

# What is committed asynchronously stays in memory for so long that every crash loses it.
_LAZY = {"synchronous_commit": "on", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
_USUAL = {"synchronous_commit": "on"}
_CRASHES, _CRASHES_OF_THE_SHORT_FORM = 6, 1
_PEOPLE = 4  # half of them with a key


async def run(lab: Lab) -> Outcome:
    # The count of an attempt may be lost; it is made only where there is a limit.
    application = await lab.application(LOGIN_LIMIT="1000/60")
    outcome = Outcome({"crashes": 0, "changes acknowledged": 0, "lost": 0})
    await _restart(lab, "fast", _LAZY)
    try:
        for _ in range(_CRASHES_OF_THE_SHORT_FORM if lab.is_short else _CRASHES):
            await _crash(lab, application, outcome)
    finally:
        await _restart(lab, "fast", _USUAL)
    outcome.require(outcome.counts["changes acknowledged"], "no change was acknowledged")
    return outcome


async def _crash(lab: Lab, application: Application, outcome: Outcome) -> None:
    emails = [f"changes-{uuid4().hex}@example.com" for _ in range(_PEOPLE)]
    clients = [await _registered(application, email) for email in emails]
    await lab.cluster.query("CHECKPOINT")  # the accounts themselves are to survive
    new = f"{PASSWORD} {uuid4().hex}"
    statuses = await asyncio.gather(*(_change(client, new, number) for number, client in enumerate(clients)))
    await _restart(lab, "immediate", _LAZY)
    acknowledged = [email for email, status in zip(emails, statuses, strict=True) if status == 204]
    lost = [email for email in acknowledged if not await _logs_in(application, email, new)]
    for name, number in (("crashes", 1), ("changes acknowledged", len(acknowledged)), ("lost", len(lost))):
        outcome.counts[name] = int(outcome.counts[name]) + number
    outcome.require(not lost, f"{len(lost)} acknowledged changes are lost")
    for client in clients:
        client.close()


async def _restart(lab: Lab, shutdown: str, options: dict[str, str]) -> None:
    await lab.cluster.stop(shutdown)
    await lab.cluster.start(**options)


async def _registered(application: Application, email: str) -> Client:
    client = Client(application.port)
    answer = await _until_served(client, "/v1/auth/register", {"email": email, "password": PASSWORD}, 201)
    client.close()
    return Client(application.port, answer["token"])


async def _change(client: Client, new: str, number: int) -> int:
    key = str(uuid4()) if number % 2 else ""
    body = {"current_password": PASSWORD, "new_password": new}
    return (await client.ask("POST", "/v1/me/password", body, key=key)).status


async def _logs_in(application: Application, email: str, password: str) -> bool:
    client = Client(application.port)
    found = await _until_served(client, "/v1/auth/login", {"email": email, "password": password}, 200, 201)
    client.close()
    return "token" in found


async def _until_served(client: Client, path: str, body: dict[str, str], *wanted: int) -> dict[str, str]:
    """Ask again while the server has yet to notice that its database is back; return the document."""
    for _ in range(60):
        answer = await client.ask("POST", path, body)
        if answer.status != 503:
            break
        await asyncio.sleep(0.5)
    return dict(answer.document) if answer.status in wanted else {}
