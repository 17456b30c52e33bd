"""Tasks by the ids that they have elsewhere."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect

PATH = "/v1/tasks/by-external-id"


async def test_put_creates_and_then_replaces(alice: Person, bob: Person) -> None:
    first = await alice.http.put(f"{PATH}/crm-1", json={"title": "Call", "labels": ["phone"], "priority": "high"})
    task = first.json()
    assert (first.status_code, first.headers["Location"]) == (201, f"/v1/tasks/{task['id']}")
    assert (task["external_id"], task["labels"], first.headers["ETag"]) == ("crm-1", ["phone"], '"1"')

    again = await alice.http.put(f"{PATH}/crm-1", json={"title": "Call back"})
    after = again.json()
    assert (again.status_code, after["id"], after["version"]) == (200, task["id"], 2)
    assert (after["title"], after["priority"], after["labels"]) == ("Call back", "none", ["phone"])
    assert (await bob.http.put(f"{PATH}/crm-1", json={"title": "His"})).status_code == 201


async def test_patch_changes_and_creates_where_there_is_none(alice: Person) -> None:
    assert_problem(await alice.http.patch(f"{PATH}/a", json={"priority": "low"}), 422)
    made = await alice.http.patch(f"{PATH}/a", json={"title": "New", "description": None})
    assert (made.status_code, made.json()["description"], made.json()["priority"]) == (201, "", "none")

    changed = await alice.http.patch(f"{PATH}/a", json={"priority": "low", "external_id": "a"})
    assert (changed.status_code, changed.json()["title"], changed.json()["priority"]) == (200, "New", "low")
    same = await alice.http.patch(f"{PATH}/a", json={})
    assert (same.status_code, same.json()) == (200, changed.json())


async def test_precondition_is_kept_where_it_is_given(alice: Person) -> None:
    task = await alice.task(external_id="a")

    stale = await alice.http.patch(f"{PATH}/a", json={"title": "x"}, headers={"If-Match": '"7"'})
    assert assert_problem(stale, 412)["task"] == task
    assert_problem(await alice.http.put(f"{PATH}/b", json={"title": "x"}, headers={"If-Match": "*"}), 404)
    back = await alice.http.put(f"{PATH}/a", json={**task, "title": "Sent back"})
    assert (back.status_code, back.json()["title"]) == (200, "Sent back")
    assert_problem(await alice.http.put(f"{PATH}/a", json=task), 412)


async def test_deleted_task_is_told_with_its_id(alice: Person) -> None:
    task = await alice.task(external_id="a")
    await alice.http.delete(f"/v1/tasks/{task['id']}")

    for method in ("PUT", "PATCH"):
        answer = await alice.http.request(method, f"{PATH}/a", json={"title": "x"})
        assert (assert_problem(answer, 409)["code"], answer.json()["id"]) == ("task-deleted", task["id"])


async def test_external_id_is_one_tasks_own_the_trash_included(alice: Person) -> None:
    task, other = await alice.task(external_id="a"), await alice.task(external_id="b")
    await alice.http.delete(f"/v1/tasks/{task['id']}")

    for answer in (
        await alice.http.post("/v1/tasks", json={"title": "x", "external_id": "a"}),
        await alice.http.patch(f"/v1/tasks/{other['id']}", json={"external_id": "a"}),
    ):
        assert (assert_problem(answer, 409)["code"], answer.json()["id"]) == ("external-id-taken", task["id"])
    assert (await alice.http.patch(f"/v1/tasks/{other['id']}", json={"external_id": None})).status_code == 200
    assert (await alice.task(external_id="b"))["external_id"] == "b"
    found = (await alice.http.get("/v1/tasks?external_id=b")).json()["items"]
    assert [row["external_id"] for row in found] == ["b"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("a", {"title": "x", "external_id": "b"}),
        ("a", {"title": "x", "external_id": None}),
        ("x" * 256, {"title": "x"}),
        ("%2E", {"title": "x"}),
    ],
)
async def test_what_is_no_external_id_of_the_task_is_refused(alice: Person, path: str, body: dict[str, Any]) -> None:
    assert_problem(await alice.http.put(f"{PATH}/{path}", json=body), 422)
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []


@pytest.mark.parametrize(
    "name", ["https://crm.example/deal?id=1#top", "a/b", "%2F", "complete", " spaced ", "🐄" * 255]
)
async def test_external_id_is_one_segment_or_a_parameter(alice: Person, name: str) -> None:
    first = await alice.http.put(f"{PATH}/{quote(name, safe='')}", json={"title": "x"})
    assert (first.status_code, first.json()["external_id"]) == (201, name)

    again = await alice.http.patch(PATH, params={"external_id": name}, json={"title": "y"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_database_keeps_them_apart_for_whoever_writes(alice: Person) -> None:
    await alice.task(external_id="a")
    with connect() as session:
        index = session.execute(
            "SELECT indisunique AND indisvalid FROM pg_index WHERE indexrelid = 'tasks_external_id_unique'::regclass"
        ).fetchone()
    assert index == (True,)


async def test_who_has_an_external_id_is_found_without_reading_the_account(alice: Person, bob: Person) -> None:
    insert = (
        "INSERT INTO tasks (key, id, user_id, title, external_id) SELECT gen_random_uuid(), gen_random_uuid(), %s,"
        " 'x', 'made-' || n FROM generate_series(%s::int, %s) AS n"
    )
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'tasks'::regclass"
    with connect() as session:
        # For the statistics everybody has one task, so that every index of an owner's tasks seems as good.
        session.execute("TRUNCATE tasks CASCADE")
        for person in (alice, bob):
            session.execute(insert, [person.id, 0, 0])
        session.execute("ANALYZE tasks")
        session.execute(insert, [alice.id, 1, 1000])
        before = session.execute(read).fetchone()
        session.execute(insert, [alice.id, 1001, 1010])
        after = session.execute(read).fetchone()
        session.rollback()
    assert before is not None
    assert after is not None
    assert after[0] - before[0] <= 10 * 2  # for each its last neighbour, and none with its id
