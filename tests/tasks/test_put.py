"""PUT: a task under an id that the client has made, or one replaced as a whole."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tasks.models import Task as TaskModel
from tasks.schemas import KEPT
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect, owner_held

CREATE = {"If-None-Match": "*"}


async def put(person: Person, task_id: object, headers: dict[str, str], **task: Any) -> httpx.Response:
    return await person.http.put(f"/v1/tasks/{task_id}", json=task, headers=headers)


@pytest.mark.parametrize("make", [uuid.uuid4, lambda: uuid.uuid5(uuid.NAMESPACE_URL, str(uuid.uuid4())), uuid.uuid1])
async def test_task_is_created_under_the_clients_id(alice: Person, make: Any) -> None:
    task_id = str(make())

    response = await put(alice, task_id, CREATE, title="Offline", due_on="2026-12-01")

    assert response.status_code == 201, response.text
    task = response.json()
    assert (task["id"], task["title"], task["version"]) == (task_id, "Offline", 1)
    assert (response.headers["Location"], response.headers["ETag"]) == (f"/v1/tasks/{task_id}", '"1"')
    assert (await alice.http.get(f"/v1/tasks/{task_id}")).json() == task


async def test_id_in_capitals_is_the_same_id(alice: Person) -> None:
    task_id = str(uuid.uuid4())

    created = await put(alice, task_id.upper(), CREATE, title="From a phone")

    assert (created.json()["id"], created.headers["Location"]) == (task_id, f"/v1/tasks/{task_id}")
    assert (await alice.http.get(f"/v1/tasks/{task_id.upper()}")).json() == created.json()
    assert_problem(await put(alice, task_id, CREATE, title="Again"), 412)


async def test_repeated_creation_is_refused_with_the_task_that_is_there(alice: Person) -> None:
    """A client whose answer was lost learns from the 412 that its task has arrived."""
    task_id = uuid.uuid4()
    task = (await put(alice, task_id, CREATE, title="Once")).json()

    again = await put(alice, task_id, CREATE, title="Twice")

    assert assert_problem(again, 412)["task"] == task
    assert again.headers["ETag"] == '"1"'
    assert (await alice.http.get(f"/v1/tasks/{task_id}")).json() == task


async def test_refused_creation_is_no_change(alice: Person) -> None:
    """Clients that synchronise by the owner's counter have nothing to fetch."""
    task_id = uuid.uuid4()
    for _ in range(3):
        await put(alice, task_id, CREATE, title="Once")

    with connect() as connection:
        assert connection.execute("SELECT change_no FROM users WHERE id = %s", [alice.id]).fetchone() == (1,)


async def test_of_fifty_concurrent_creations_one_succeeds(alice: Person) -> None:
    task_id = uuid.uuid4()

    async with owner_held(alice.id):
        requests = [asyncio.create_task(put(alice, task_id, CREATE, title=f"Number {n}")) for n in range(50)]
    answers = await asyncio.gather(*requests)

    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 49
    (winner,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert all(answer.json()["task"] == winner for answer in answers if answer.status_code == 412)
    assert len((await alice.http.get("/v1/tasks")).json()["items"]) == 1


async def test_replacement_sets_what_it_names_and_resets_the_rest(alice: Person) -> None:
    task = await alice.task(description="two litres", priority="high", due_on="2026-12-01", is_completed=True)

    response = await put(alice, task["id"], {"If-Match": '"1"'}, title="Replaced", priority="low")

    assert response.status_code == 200, response.text
    after = response.json()
    kept = {
        name: task[name]
        for name in ("id", "created_at", "deleted_at", "position", "occurrence", "recurrence_of", *KEPT)
    }
    assert after == kept | {
        "title": "Replaced",
        "description": "",
        "is_completed": False,
        "completed_at": None,
        "priority": "low",
        "due_on": None,
        "due_at": None,
        "updated_at": after["updated_at"],
        "version": 2,
    }


async def test_replacement_by_the_same_changes_nothing(alice: Person) -> None:
    task = await alice.task(is_completed=True)

    response = await put(alice, task["id"], {"If-Match": "*"}, title=task["title"], is_completed=True)

    assert response.json() == task


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 428),
        ({"If-None-Match": "*", "If-Match": "*"}, 400),
        ({"If-None-Match": '"1"'}, 400),
        ({"If-None-Match": ""}, 400),
        ({"If-Match": "1"}, 400),
        ({"If-Match": '"2"'}, 412),
        ({"If-Match": 'W/"1"'}, 412),
    ],
)
async def test_precondition_is_required_and_kept(alice: Person, headers: dict[str, str], status: int) -> None:
    task = await alice.task()

    assert_problem(await put(alice, task["id"], headers, title="Never"), status)

    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_bad_token_is_told_before_the_missing_precondition(alice: Person) -> None:
    await alice.http.post("/v1/auth/logout")

    assert_problem(await put(alice, uuid.uuid4(), {}, title="x"), 401)


@pytest.mark.parametrize("task_id", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"])
async def test_nil_and_max_are_nobodys_id(alice: Person, task_id: str) -> None:
    assert assert_problem(await put(alice, task_id, CREATE, title="x"), 422)["errors"][0]["parameter"] == "task_id"


@pytest.mark.parametrize("headers", [{"If-Match": "*"}, {"If-Match": '"1"'}])
async def test_replacing_what_is_not_there_is_a_404(alice: Person, headers: dict[str, str]) -> None:
    assert_problem(await put(alice, uuid.uuid4(), headers, title="x"), 404)


async def test_id_of_a_deleted_task_is_taken(alice: Person) -> None:
    task = await alice.task()
    await alice.http.delete(f"/v1/tasks/{task['id']}")

    assert assert_problem(await put(alice, task["id"], CREATE, title="Again"), 409)["code"] == "task-deleted"
    assert_problem(await put(alice, task["id"], {"If-Match": "*"}, title="Again"), 404)
    assert [found["title"] for found in (await alice.http.get("/v1/tasks?deleted=true")).json()["items"]] == [
        "Buy milk"
    ]


async def test_task_named_like_the_marker_of_deletion_is_not_taken_for_deleted(alice: Person) -> None:
    task = await alice.task('"deleted_at":null')
    await alice.http.delete(f"/v1/tasks/{task['id']}")

    assert_problem(await put(alice, task["id"], CREATE, title="Again"), 409)


# --- Strangers ------------------------------------------------------------------------------------


async def test_id_of_a_stranger_is_as_free_as_any(alice: Person, charlie: Person) -> None:
    """Charlie's answers are the same, but for the id, whether Alice has it, had it, or nobody does."""
    taken, deleted, free = (await alice.task())["id"], (await alice.task())["id"], str(uuid.uuid4())
    await alice.http.delete(f"/v1/tasks/{deleted}")
    before = (await alice.http.get(f"/v1/tasks/{taken}")).json()

    for headers, status in (
        ({"If-Match": "*"}, 404),
        ({}, 428),
        (CREATE, 201),
        (CREATE, 412),
        ({"If-Match": '"1"'}, 200),
    ):
        answers = []
        for task_id in (taken, deleted, free):
            response = await put(charlie, task_id, headers | {"X-Request-ID": "same"}, title=f"Charlie's {status}")
            assert response.status_code == status, response.text
            body = response.json()
            for document in (body, body.get("task", {})):
                document.update(dict.fromkeys({"created_at", "updated_at", "position"} & document.keys()))
            own = {"location": None, "change-no": None}  # the number counts what Charlie has done before
            answers.append((str(body).replace(task_id, free), {**response.headers, **own}))
        assert answers[0] == answers[1] == answers[2]

    assert (await alice.http.get(f"/v1/tasks/{taken}")).json() == before
    mine = await charlie.http.get(f"/v1/tasks/{taken}")
    assert mine.json()["title"] == "Charlie's 200"


async def test_two_owners_of_one_id_never_meet(alice: Person, bob: Person) -> None:
    task_id = str(uuid.uuid4())
    for person, title in ((alice, "Alice's"), (bob, "Bob's")):
        assert (await put(person, task_id, CREATE, title=title)).status_code == 201

    await bob.http.patch(f"/v1/tasks/{task_id}", json={"priority": "high"})
    await bob.http.delete(f"/v1/tasks/{task_id}")

    task = (await alice.http.get(f"/v1/tasks/{task_id}")).json()
    assert (task["title"], task["priority"], task["version"]) == ("Alice's", "none", 1)


async def test_staff_find_every_task_of_an_id(alice: Person, bob: Person) -> None:
    task_id = uuid.uuid4()
    for person in (alice, bob):
        await put(person, task_id, CREATE, title="Same")

    with connect() as connection:
        rows = connection.execute("SELECT key FROM tasks WHERE id = %s", [task_id]).fetchall()

    assert len({key for (key,) in rows}) == 2
    assert TaskModel._meta.pk.name == "key"
