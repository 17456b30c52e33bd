"""What one account may fill the disk with."""

import uuid
from collections.abc import Iterator

import pytest

from tasks.queries import writes
from tests.support.people import Person
from tests.support.postgres.databases import connect

MOST = 3


def allow(most: int) -> None:
    with connect() as connection:
        connection.execute(f"CREATE OR REPLACE FUNCTION most_tasks() RETURNS bigint LANGUAGE sql STABLE RETURN {most}")


@pytest.fixture
def _few(database: None) -> Iterator[None]:
    allow(MOST)
    yield
    allow(200_000)


@pytest.fixture
def _all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "uuid7", lambda: uuid.UUID(int=uuid.uuid4().int >> 8 << 8))


@pytest.mark.usefixtures("_few", "_all_are_counted")
async def test_an_account_holds_so_many_tasks_and_no_more(alice: Person, bob: Person) -> None:
    paths = [f"/v1/tasks/{(await alice.task(f'Task {number}'))['id']}" for number in range(MOST)]
    await alice.http.delete(paths[0])  # the trash fills the disk, too

    refused = await alice.http.post("/v1/tasks", json={"title": "One more"})
    batch = {"operations": [{"op": "create", "data": {"title": "One more"}}, {"op": "complete", "id": paths[1][-36:]}]}
    of_batch = await alice.http.post("/v1/tasks/batch?atomic=false", json=batch)

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "too_many_tasks")
    assert [result["status"] for result in of_batch.json()["results"]] == [422, 200]
    assert (await alice.http.patch(paths[2], json={"title": "Changed"})).status_code == 200
    assert await bob.task()
    with connect() as connection:
        connection.execute("DELETE FROM tasks WHERE user_id = %s AND deleted_at IS NOT NULL", [alice.id])
    assert await alice.task("Room again")


@pytest.mark.usefixtures("_few")
async def test_one_in_so_many_is_counted(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "uuid7", lambda: uuid.UUID(int=uuid.uuid4().int | 1))

    assert [await alice.task(f"Task {number}") for number in range(MOST + 2)]
