"""All writers at once on the same few people's tasks: nobody locks anybody out."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable

import httpx
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from tasks.models import Task
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from tests.support.staff import root_client

SECONDS = 4.0
AT_LEAST = 6  # writes of each kind, however slow the machine is


def deadlocks() -> int:
    with connect(autocommit=True) as session:
        session.execute("SELECT pg_stat_clear_snapshot()")
        row = session.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


class Storm:
    """People with tasks, and what is done to them until the time is over and each has been done often enough."""

    def __init__(self, people: list[Person], tasks: dict[str, list[str]], ids: list[str]) -> None:
        self.people, self.tasks, self.ids = people, tasks, ids
        self.statuses: list[int] = []

    async def repeat(self, write: Callable[[Person], Awaitable[httpx.Response]]) -> None:
        until, done = asyncio.get_running_loop().time() + SECONDS, 0
        while done < AT_LEAST or asyncio.get_running_loop().time() < until:
            done += 1
            self.statuses.append((await write(random.choice(self.people))).status_code)

    def some(self, person: Person, count: int) -> list[str]:
        return random.sample(self.tasks[person.id], count)

    async def patch(self, person: Person) -> httpx.Response:
        headers = random.choice(({}, {"If-Match": '"1", "2", "3"'}, {"Idempotency-Key": uuid.uuid4().hex}))
        path = f"/v1/tasks/{self.some(person, 1)[0]}"
        return await person.http.patch(path, json={"title": uuid.uuid4().hex}, headers=headers)

    async def batch(self, person: Person) -> httpx.Response:
        operations = [
            {"op": "update", "id": task, "data": {"title": uuid.uuid4().hex}} for task in self.some(person, 5)
        ]
        atomic = random.choice(("true", "false"))
        return await person.http.post(f"/v1/tasks/batch?atomic={atomic}", json={"operations": operations})

    async def create_as(self, person: Person) -> httpx.Response:
        path = f"/v1/tasks/{random.choice(self.ids)}"
        return await person.http.put(path, json={"title": "New"}, headers={"If-None-Match": "*"})

    async def token(self, person: Person) -> httpx.Response:
        made = await person.http.post("/v1/tokens", json={"name": "script", "scopes": ["account"]})
        if made.status_code != 201:
            return made
        path = f"/v1/tokens/{made.json()['id']}"
        return await person.http.request(random.choice(("POST", "DELETE")), path + random.choice(("", "/rotate")))

    def staff(self) -> None:
        """Rename and delete tasks of several people, in whatever order the page has them."""
        client = root_client()
        keys = list(Task.objects.filter(user__in=[person.id for person in self.people]).values_list("pk", flat=True))
        for _ in range(12):
            _act(client, [str(key) for key in random.sample(keys, min(8, len(keys)))])
        connections.close_all()

    def bulk(self) -> None:
        """What an operator does in SQL, with the owners first."""
        ids = sorted(person.id for person in self.people)
        for _ in range(12):
            with connect() as session:
                session.execute("SELECT FROM users WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE", [ids])
                session.execute("UPDATE tasks SET title = title || '.' WHERE user_id = ANY (%s)", [ids])

    def purge(self) -> None:
        for _ in range(6):
            with connect(autocommit=True) as session:
                session.execute("SELECT pg_sleep(0.2)")
            call_command("purge", verbosity=0)
        connection.close()


def _act(client: Client, keys: list[str]) -> None:
    action = random.choice(("complete", "reopen", "remove", "restore"))
    chosen = {"action": action, "_selected_action": keys}
    answer = client.post("/admin/tasks/task/?deleted=all", {**chosen, "index": "0", "confirmed": "1"})
    assert answer.status_code in (200, 302)


@pytest.mark.slow
async def test_in_a_storm_of_all_writers_there_is_no_deadlock(
    orm: None, alice: Person, bob: Person, charlie: Person
) -> None:
    people = [alice, bob]
    tasks = {person.id: [(await person.task(f"Task {n}"))["id"] for n in range(12)] for person in [*people, charlie]}
    storm = Storm(people, tasks, [str(uuid.uuid4()) for _ in range(20)])
    before = deadlocks()

    async def erase_charlie() -> None:
        writers = [asyncio.create_task(storm.patch(charlie)) for _ in range(6)]
        await charlie.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
        assert {answer.status_code for answer in await asyncio.gather(*writers)} <= {200, 401, 404, 412, 503}

    writes = (storm.patch, storm.patch, storm.batch, storm.batch, storm.create_as, storm.token)
    await asyncio.gather(
        *(storm.repeat(write) for write in writes),
        *(asyncio.to_thread(work) for work in (storm.staff, storm.bulk, storm.purge)),
        erase_charlie(),
    )
    await asyncio.sleep(1)  # the server tells its counts a moment later

    assert deadlocks() == before
    assert len(storm.statuses) > 20
    assert set(storm.statuses) <= {200, 201, 204, 207, 401, 404, 405, 409, 412, 503}
