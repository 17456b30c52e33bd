"""A task sent back as it was given: what only the server writes is compared, and never silently ignored."""

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person

CREATE = {"If-None-Match": "*"}
OTHER_TIME = "2020-01-01T00:00:00Z"
EDGES_OF_TIME = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
)


async def send(person: Person, method: str, task: dict[str, Any], body: dict[str, Any]) -> Any:
    headers = {"If-Match": "*"} if method == "PUT" else {}
    return await person.http.request(method, f"/v1/tasks/{task['id']}", json=body, headers=headers)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_task_can_be_sent_back_as_it_was_given(alice: Person, method: str) -> None:
    task = await alice.task(is_completed=True, due_on="2026-12-01")

    same = await send(alice, method, task, task)
    changed = await send(alice, method, task, task | {"title": "Changed"})

    assert (same.status_code, same.json()) == (200, task)
    assert (changed.status_code, changed.json()["title"], changed.json()["version"]) == (200, "Changed", 2)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_times_are_compared_as_instants_by_the_millisecond(alice: Person, method: str) -> None:
    task = await alice.task()
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    cut = {name: datetime.fromisoformat(task[name]).astimezone(elsewhere) for name in ("created_at", "updated_at")}

    answer = await send(
        alice, method, task, task | {name: cut[name].isoformat(timespec="milliseconds") for name in cut}
    )

    assert (answer.status_code, answer.json()) == (200, task)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", "5c7b4b65-56cf-4184-932f-92d776df21d4"),
        ("created_at", OTHER_TIME),
        ("completed_at", OTHER_TIME),
        ("deleted_at", OTHER_TIME),
    ],
)
async def test_what_only_the_server_writes_is_refused_where_it_differs(
    alice: Person, method: str, member: str, value: str
) -> None:
    task = await alice.task()

    problem = assert_problem(await send(alice, method, task, {"title": "Never", member: value}), 422)

    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(f"#/{member}", "read-only")]
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("member", ["version", "updated_at"])
async def test_older_state_is_told_with_the_task_as_it_is(alice: Person, method: str, member: str) -> None:
    old = await alice.task()
    new = (await alice.http.patch(f"/v1/tasks/{old['id']}", json={"title": "New"})).json()

    problem = assert_problem(await send(alice, method, old, {"title": "Never", member: old[member]}), 412)

    assert problem["task"] == new
    assert (await alice.http.get(f"/v1/tasks/{old['id']}")).json() == new


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("version", [2**31 - 1, 2**31, 1072522074789, 2**63, 10**100])
async def test_version_that_no_task_can_have_is_another_state(alice: Person, method: str, version: int) -> None:
    """Known to have failed: 500, the database has no such integer."""
    task = await alice.task()
    operation = {"op": "update", "id": task["id"], "data": {"title": "Never", "version": version}}

    assert_problem(await send(alice, method, task, {"title": "Never", "version": version}), 412)
    assert_problem(await alice.http.post("/v1/tasks/batch", json={"operations": [operation]}), 412)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("member", "value"),
    [
        *((name, at) for name in ("created_at", "updated_at", "completed_at", "deleted_at") for at in EDGES_OF_TIME),
        ("position", "z" * 5_000),
        ("position", ""),
        ("position", "🙂"),
        ("occurrence", "9999-12-31"),
        ("occurrence", "0001-01-01T00:00:00.000000Z"),
        ("recurrence_of", "00000000-0000-0000-0000-000000000000"),
    ],
)
async def test_no_value_of_a_read_only_member_is_too_odd_to_compare(
    alice: Person, method: str, member: str, value: str
) -> None:
    task = await alice.task()

    answer = await send(alice, method, task, {"title": "Never", member: value})

    assert answer.status_code in {412, 422}, answer.text
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_precondition_is_looked_at_first(alice: Person) -> None:
    task = await alice.task()
    body = {"title": "Never", "created_at": OTHER_TIME}
    url = f"/v1/tasks/{task['id']}"

    assert_problem(await alice.http.put(url, json=body), 428)
    assert_problem(await alice.http.put(url, json=body, headers={"If-Match": '"7"'}), 412)
    assert_problem(await alice.http.put(url, json=body, headers=CREATE), 412)
    assert_problem(await alice.http.put(url, json=body, headers={"If-Match": '"1"'}), 422)
    assert_problem(await alice.http.patch(f"/v1/tasks/{uuid.uuid4()}", json=body), 404)


async def test_creation_takes_the_id_of_its_path_and_no_other_of_them(alice: Person) -> None:
    task_id = str(uuid.uuid4())
    url = f"/v1/tasks/{task_id}"

    for wrong in ({"id": str(uuid.uuid4())}, {"version": 1}, {"created_at": OTHER_TIME}, {"deleted_at": None}):
        problem = assert_problem(await alice.http.put(url, json={"title": "x", **wrong}, headers=CREATE), 422)
        assert [error["pointer"] for error in problem["errors"]] == [f"#/{name}" for name in wrong]
    created = await alice.http.put(url, json={"title": "x", "id": task_id.upper()}, headers=CREATE)

    assert (created.status_code, created.json()["id"]) == (201, task_id)


async def test_patch_of_nothing_else_compares_and_leaves_the_task(alice: Person) -> None:
    task = await alice.task()

    assert (await send(alice, "PATCH", task, {"version": 1})).json() == task
    assert_problem(await send(alice, "PATCH", task, {"version": 2}), 412)
    assert_problem(await send(alice, "PATCH", task, {"version": "1"}), 422)
    assert_problem(await send(alice, "PATCH", task, {"id": None}), 422)


async def test_batch_compares_them_too(alice: Person) -> None:
    task = await alice.task()
    operation = {"op": "update", "id": task["id"], "data": task | {"title": "New"}}

    same = await alice.http.post("/v1/tasks/batch", json={"operations": [operation]})
    operation["data"] = {"title": "Never", "completed_at": OTHER_TIME}
    other = await alice.http.post("/v1/tasks/batch", json={"operations": [operation]})

    assert same.json()["results"][0]["body"]["title"] == "New"
    problem = assert_problem(other, 422)
    assert (problem["operation"], problem["errors"][0]["pointer"]) == (0, "#/operations/0/data/completed_at")
