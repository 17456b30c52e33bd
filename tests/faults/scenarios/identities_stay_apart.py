"""Let two people take turns on connections that the pooler deals out anew for every transaction."""

import asyncio
import itertools
import random
from typing import Any

import psycopg

from tests.faults.application import Account, Application
from tests.faults.client import Answer, Client
from tests.faults.lab import DIRECT, POOLED, Lab, Outcome
from todoproject.database import embedded

LETTER = "d"
CLAIM = "Two identities that alternate through the pooler never see a row of each other"

_REQUESTS = {False: 100_000, True: 3_000}
_LOOKS = 40  # of the control; each session comes by several times
_SESSIONS = 5  # with fewer, what is left behind would come back to whom it belongs
_LANES = 8  # clients at a time, each of which changes its identity with every request


async def run(lab: Lab) -> Outcome:
    application = await lab.application(POOLED)
    people = [await _Person.make(application) for _ in range(2)]
    outcome = Outcome()
    numbers = itertools.count(1)
    total = _REQUESTS[lab.is_short]
    await asyncio.gather(*(_alternate(lab, application, people, numbers, total, outcome) for _ in range(_LANES)))
    outcome.require(not lab.proxy.connections(DIRECT), "the application goes past the pooler")
    leaks, sessions = await _control(lab)
    outcome.counts = {"requests": total, "leaks": len(outcome.failures), "leaks in the control": leaks}
    outcome.require(leaks and sessions >= _SESSIONS, f"{sessions} sessions, {leaks} leaks: the pooler hides them")
    return outcome


class _Person:
    """Somebody whose tasks all carry their id in the title."""

    def __init__(self, account: Account, task_id: str) -> None:
        self.account = account
        self.task_id = task_id

    @classmethod
    async def make(cls, application: Application) -> "_Person":
        account = await application.register()
        client = Client(application.port, account.token)
        answer = await client.ask("POST", "/v1/tasks", {"title": f"{account.id} first"})
        client.close()
        return cls(account, answer.document["id"])


async def _alternate(
    lab: Lab,
    application: Application,
    people: list[_Person],
    numbers: "itertools.count[int]",
    total: int,
    outcome: Outcome,
) -> None:
    clients = [Client(application.port, person.account.token) for person in people]
    while (number := next(numbers)) <= total:
        if number % 500 == 0:
            lab.say(f"{number:,} of {total:,} requests")
        me = number % 2
        problem = await _ask_one(clients[me], people[me], people[1 - me])
        outcome.require(problem is None, f"request {number}: {problem}")
    for client in clients:
        client.close()


async def _ask_one(client: Client, me: _Person, other: _Person) -> str | None:
    """Ask for something as `me`; return what is wrong with the answer. Refusals and errors leave no trace either."""
    path = f"/v1/tasks/{me.task_id}"
    match random.randrange(10):
        case 0:
            return _is_mine(await client.ask("POST", "/v1/tasks", {"title": f"{me.account.id} {random.random()}"}), me)
        case 1:
            return _is_mine(await client.ask("PATCH", path, {"description": str(random.random())}), me)
        case 2:
            answer = await client.ask("GET", "/v1/me")
            return None if answer.document["id"] == me.account.id else f"I am {answer.body!r}"
        case 3:
            return _is(404, await client.ask("GET", f"/v1/tasks/{other.task_id}"))
        case 4:
            return _is(404, await client.ask("PATCH", f"/v1/tasks/{other.task_id}", {"title": "Mine now"}))
        case 5:  # all or nothing: an error in the middle of a transaction, with a role taken on
            body = {"operations": [{"op": "complete", "id": me.task_id}, {"op": "delete", "id": other.task_id}]}
            return _is(404, await client.ask("POST", "/v1/tasks/batch", body))
        case 6:
            return _is_mine(await client.ask("GET", path), me)
        case _:
            return _are_mine(await client.ask("GET", "/v1/tasks?limit=10&sort=-created_at"), me)


def _is(status: int, answer: Answer) -> str | None:
    return None if answer.status == status else f"answered {answer.status}, not {status}: {answer.body[:300]!r}"


def _is_mine(answer: Answer, me: _Person) -> str | None:
    if answer.status not in (200, 201):
        return _is(200, answer)
    return _strange(answer.document, me)


def _are_mine(answer: Answer, me: _Person) -> str | None:
    if answer.status != 200:
        return _is(200, answer)
    tasks = answer.document["items"]
    return next((problem for task in tasks if (problem := _strange(task, me))), None if tasks else "nothing is mine")


def _strange(task: dict[str, Any], me: _Person) -> str | None:
    return None if task["title"].startswith(me.account.id) else f"somebody else's task: {task['title']}"


async def _control(lab: Lab) -> tuple[int, int]:
    """Leave a setting on a session, which the product never does, and look for it as another client.

    Return how often it shows, and how many sessions the pooler has dealt out meanwhile.
    """
    where = f"host={lab.pooler.socket.parent} port=6432 user={embedded.OWNER} dbname={embedded.DATABASE}"
    options: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}
    async with await psycopg.AsyncConnection.connect(where, **options) as one:
        await one.execute("SELECT set_config('faults.mark', 'left behind', false)")
    async with await psycopg.AsyncConnection.connect(where, **options) as another:
        seen = []
        for _ in range(_LOOKS):
            cursor = await another.execute("SELECT pg_backend_pid(), current_setting('faults.mark', true)")
            seen += await cursor.fetchall()
    return sum(mark == "left behind" for _, mark in seen), len({process for process, _ in seen})
