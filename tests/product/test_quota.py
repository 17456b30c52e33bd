"""What one account may fill the disk with: tasks, lists, labels, stored answers, ended tokens."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tasks.queries import writes
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect

# The functions that say how many, each with the number that it was made with.
QUOTAS = {"most_tasks": 200_000, "most_lists": 5_000, "most_labels": 5_000, "most_answer_bytes": 128 * 1024 * 1024}
MOST = 3


def allow(function: str, most: int) -> None:
    with connect() as connection:
        connection.execute(f"CREATE OR REPLACE FUNCTION {function}() RETURNS bigint LANGUAGE sql STABLE RETURN {most}")


@pytest.fixture
def _few(database: None) -> Iterator[None]:
    yield from with_few("most_tasks", "most_lists", "most_labels")


@pytest.fixture
def _few_labels(database: None) -> Iterator[None]:
    """Leave room for tasks: one in 256 of them is counted, so few of them would be refused by chance."""
    yield from with_few("most_labels")


def with_few(*functions: str) -> Iterator[None]:
    for function in functions:
        allow(function, MOST)
    yield
    for function in functions:
        allow(function, QUOTAS[function])


def time_passes(person: Person) -> None:
    """Let the minutes pass for which an account is taken to be full."""
    until = ", ".join(f"{what}_full_until = {what}_full_until - interval '6 minutes'" for what in KINDS)
    run(f"UPDATE users SET {until} WHERE id = %s", person.id)


KINDS = ("tasks", "labels", "answers")


def run(statement: str, *values: Any) -> Any:
    """Execute it as the owner of the tables, and return the first row that a query has."""
    with connect() as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchone() if cursor.description else None


def found(answer: httpx.Response) -> tuple[int, str]:
    document = answer.json()
    return answer.status_code, document["errors"][0]["code"] if document.get("errors") else document.get("code", "")


@pytest.fixture
def _all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "uuid7", lambda: uuid.UUID(int=uuid.uuid4().int >> 8 << 8))


@pytest.fixture
def _few_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "uuid7", lambda: uuid.UUID(int=uuid.uuid4().int | 1))


def test_quotas_are_those_that_the_pages_tell(database: None) -> None:
    for function, most in QUOTAS.items():
        assert run(f"SELECT {function}()") == (most,)


# --- Tasks ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_few", "_all_are_counted")
async def test_an_account_holds_so_many_tasks_and_no_more(alice: Person, bob: Person) -> None:
    paths = [f"/v1/tasks/{(await alice.task(f'Task {number}'))['id']}" for number in range(MOST)]
    await alice.http.delete(paths[0])  # the trash fills the disk, too

    refused = await alice.http.post("/v1/tasks", json={"title": "One more"})
    batch = {"operations": [{"op": "create", "data": {"title": "One more"}}, {"op": "complete", "id": paths[1][-36:]}]}
    of_batch = await alice.http.post("/v1/tasks/batch?atomic=false", json=batch)

    assert found(refused) == (422, "too_many_tasks")
    assert [result["status"] for result in of_batch.json()["results"]] == [422, 200]
    changed = await alice.http.patch(paths[2], json={"title": "Changed"})
    tag = {"If-Match": changed.headers["ETag"]}
    assert (await alice.http.put(paths[2], json={"title": "Put"}, headers=tag)).status_code == 200
    assert await bob.task()
    run("DELETE FROM tasks WHERE user_id = %s AND deleted_at IS NOT NULL", alice.id)
    time_passes(alice)
    assert await alice.task("Room again")


@pytest.mark.usefixtures("_few", "_few_are_counted")
async def test_one_in_so_many_is_counted(alice: Person) -> None:
    assert [await alice.task(f"Task {number}") for number in range(MOST + 2)]


@pytest.mark.usefixtures("_few", "_few_are_counted")
async def test_once_an_account_is_found_full_no_other_task_goes_on(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in 256 was refused, and all others were made: without an end."""
    with monkeypatch.context() as patch:
        patch.setattr(writes, "uuid7", lambda: uuid.UUID(int=uuid.uuid4().int >> 8 << 8))
        for number in range(MOST):
            await alice.task(f"Task {number}")

    answers = [await alice.http.post("/v1/tasks", json={"title": "More"}) for _ in range(5)]
    time_passes(alice)
    answers += [await alice.http.post("/v1/tasks", json={"title": "More"}) for _ in range(5)]

    # After a while one goes through, since it counts, and the next are refused again.
    assert [answer.status_code for answer in answers] == [422] * 5 + [201] + [422] * 4


@pytest.mark.usefixtures("_few", "_all_are_counted")
async def test_a_transaction_that_finds_the_account_full_keeps_the_note(alice: Person) -> None:
    """Refused within it, its end would undo the note, and the next transaction would go as far."""
    create = {"operations": [{"op": "create", "data": {"title": f"Task {number}"}} for number in range(MOST + 2)]}

    answers = [await alice.http.post("/v1/tasks/batch", json=create) for _ in range(4)]

    # It is counted once in a transaction, by its first task: so the second one finds out, and goes through.
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422]


# --- Lists and labels -------------------------------------------------------------------------------


@pytest.mark.usefixtures("_few")
async def test_an_account_holds_so_many_lists_and_no_more(alice: Person, bob: Person) -> None:
    lists = [await alice.list(f"List {number}") for number in range(MOST)]
    assert (await alice.http.delete(f"/v1/lists/{lists[0]['id']}")).status_code == 204

    refused = await alice.http.post("/v1/lists", json={"name": "One more"})
    batch = {"operations": [{"kind": "list", "op": "create", "data": {"name": "One more"}}]}
    of_batch = await alice.http.post("/v1/tasks/batch", json=batch)

    assert found(refused) == found(of_batch) == (422, "too_many_lists")
    assert (await alice.http.patch(f"/v1/lists/{lists[1]['id']}", json={"name": "Changed"})).status_code == 200
    assert await bob.list()
    run("DELETE FROM lists WHERE user_id = %s AND deleted_at IS NOT NULL", alice.id)
    assert await alice.list("Room again")


async def fill_with_labels(person: Person, most: int = 1500) -> list[dict[str, Any]]:
    """Write labels until the account is found full, which is by chance."""
    tasks = [await person.task("Labelled", labels=[f"label {number}"]) for number in range(MOST)]
    for number in range(most):
        if number % 8 == 0 and run("SELECT labels_full_until FROM users WHERE id = %s", person.id) != (None,):
            return tasks
        for labels in (["label 0", "label 1"], ["label 0"]):
            await person.http.patch(f"/v1/tasks/{tasks[0]['id']}", json={"labels": labels})
    raise AssertionError("nobody has counted")


@pytest.mark.usefixtures("_few_labels")
async def test_an_account_has_so_many_labels_and_no_more(alice: Person, bob: Person) -> None:
    tasks = await fill_with_labels(alice)
    paths = [f"/v1/tasks/{task['id']}" for task in tasks]

    refused = [
        await alice.http.patch(paths[0], json={"labels": ["label 0", "new"]}),
        await alice.http.post("/v1/tasks", json={"title": "Labelled", "labels": ["new"]}),
        await alice.http.post(f"{paths[0]}/labels", json={"add": ["new"]}),
        await alice.http.patch("/v1/labels/label 1", json={"name": "new"}),
    ]

    assert [found(answer) for answer in refused] == [(422, "too_many_labels")] * 4
    # What others have already, and less, may be written; so may what has nothing to do with labels.
    assert (await alice.http.patch(paths[0], json={"labels": ["label 1"]})).status_code == 200
    assert await alice.task("Labelled", labels=["label 2", "label 1"])
    assert await alice.task("Not labelled")
    assert await bob.task(labels=["new"])
    assert (await alice.http.patch("/v1/labels/label 1", json={"name": "label 2"})).status_code == 200
    time_passes(alice)
    assert (await alice.http.patch(paths[0], json={"labels": ["new"]})).status_code == 200
    assert run("SELECT labels_full_until FROM users WHERE id = %s", alice.id) == (None,)


@pytest.mark.usefixtures("_few_labels")
async def test_full_of_labels_for_as_long_as_that_is_so(alice: Person) -> None:
    tasks = await fill_with_labels(alice)
    paths = [f"/v1/tasks/{task['id']}" for task in tasks]

    time_passes(alice)
    statuses = [
        (await alice.http.patch(path, json={"labels": [f"new {number}", "label 1"]})).status_code
        for number, path in enumerate(paths)
    ]

    assert statuses == [200, 422, 422]


# --- Stored answers ---------------------------------------------------------------------------------


async def keyed(person: Person, key: str, title: str = "Keyed") -> httpx.Response:
    return await person.http.post("/v1/tasks", json={"title": title}, headers={"Idempotency-Key": key})


@pytest.fixture
def _little_is_stored(database: None) -> Iterator[None]:
    allow("most_answer_bytes", 100_000)
    yield
    allow("most_answer_bytes", QUOTAS["most_answer_bytes"])


async def fill_with_answers(person: Person) -> str:
    """Have an answer stored, and a large one, which is counted for certain; return the key of the first."""
    key, headers = uuid.uuid4().hex, {"Idempotency-Key": uuid.uuid4().hex}
    assert (await keyed(person, key)).status_code == 201
    operations = [{"op": "create", "data": {"title": "x", "description": "y" * 9_000}} for _ in range(100)]
    large = await person.http.post("/v1/tasks/batch", json={"operations": operations}, headers=headers)
    assert large.is_success, large.text
    return key


@pytest.mark.usefixtures("_little_is_stored")
async def test_an_account_stores_so_much_in_a_day_and_no_more(alice: Person, bob: Person) -> None:
    key = await fill_with_answers(alice)

    refused = [await keyed(alice, uuid.uuid4().hex, "Refused") for _ in range(3)]
    again = await keyed(alice, key)

    assert {answer.status_code for answer in refused} == {409}
    assert assert_problem(refused[0], 409)["code"] == "too-many-answers"
    assert "Refused" not in (await alice.http.get("/v1/tasks?limit=200")).text
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert await alice.task("Without a key")
    assert (await keyed(bob, uuid.uuid4().hex)).status_code == 201
    time_passes(alice)
    assert [(await keyed(alice, uuid.uuid4().hex)).status_code for _ in range(3)] == [201, 409, 409]
    run("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours' WHERE user_id = %s", alice.id)
    time_passes(alice)
    assert [(await keyed(alice, uuid.uuid4().hex)).status_code for _ in range(3)] == [201] * 3


# --- Ended tokens -----------------------------------------------------------------------------------


async def test_of_ended_tokens_the_last_thousand_are_kept(alice: Person) -> None:
    with connect() as connection:
        connection.execute(
            "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes, revoked_at)"
            " SELECT gen_random_uuid(), %s, 'personal', 'loop', sha256((%s || n)::bytea), '{account}', now()"
            " FROM generate_series(1, 2000) AS n",
            [alice.id, alice.id],
        )

    count = "SELECT count(*) FROM access_tokens WHERE user_id = %s AND revoked_at IS NOT NULL"
    assert run(count, alice.id) == (1000,)
    assert (await alice.http.get("/v1/me")).status_code == 200
