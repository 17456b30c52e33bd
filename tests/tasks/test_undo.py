"""Undo: whatever a request has changed, all or nothing, as a new change."""

import random
from typing import Any

import pytest

from tests.support.http.operations import operations
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_changes_model import Server

[UNDO] = [operation for operation in operations() if operation.id == "undo_change"]
_BOOKS = ("version", "updated_at", "position")
_REMINDERS = [{"at": "2027-01-03T08:00:00Z"}]


async def undo(person: Person, number: Any, status: int = 200) -> dict[str, Any]:
    response = await person.http.post(f"/v1/changes/{number}/undo")
    assert response.status_code == status, response.text
    assert UNDO.conforms(response)
    answer: dict[str, Any] = response.json()
    return answer


async def held(person: Person) -> dict[str, Any]:
    """Return all that is there, the trash too, without what every write changes."""
    found: dict[str, Any] = {}
    for path in ("/v1/tasks", "/v1/tasks?deleted=true", "/v1/lists", "/v1/lists?deleted=true"):
        for row in (await person.http.get(path)).json()["items"]:
            found[row["id"]] = {name: value for name, value in row.items() if name not in _BOOKS}
    return found


async def places(person: Person) -> list[str]:
    """Return the titles of tasks and the names of lists by position."""
    found = []
    for path in ("/v1/tasks?sort=position", "/v1/lists"):
        found += [row.get("title", row.get("name")) for row in (await person.http.get(path)).json()["items"]]
    return found


async def household(person: Person) -> dict[str, str]:
    """Make two lists and a tree: a parent with two children, one of which has a child, and a task beside."""
    home, work = await person.list("Home"), await person.list("Work")
    parent = await person.task("Parent", list_id=home["id"])
    child = await person.task("Child", parent_id=parent["id"])
    second = await person.task("Second child", parent_id=parent["id"])
    grandchild = await person.task("Grandchild", parent_id=child["id"])
    beside = await person.task("Beside", list_id=home["id"], labels=["errand"], due_on="2026-12-24")
    series = await person.task("Series", due_on="2027-01-04", recurrence={"rule": "FREQ=DAILY"}, reminders=_REMINDERS)
    made = {"home": home, "work": work, "parent": parent, "child": child, "second": second, "series": series}
    return {name: row["id"] for name, row in {**made, "grandchild": grandchild, "beside": beside}.items()}


CHANGES: dict[str, tuple[str, str, Any]] = {
    "update": ("PATCH", "/v1/tasks/{beside}", {"title": "New", "priority": "urgent", "due_on": None, "labels": []}),
    "complete": ("POST", "/v1/tasks/{parent}/complete", None),
    "delete": ("DELETE", "/v1/tasks/{parent}", None),
    "move to a list": ("POST", "/v1/tasks/{parent}/move", {"list_id": "{work}"}),
    "move under another": ("POST", "/v1/tasks/{child}/move", {"parent_id": "{beside}"}),
    "move within": ("POST", "/v1/tasks/{beside}/move", {"first": True}),
    "rename a label": ("PATCH", "/v1/labels/errand", {"name": "shop"}),
    "update a list": ("PATCH", "/v1/lists/{home}", {"name": "House", "color": "#aabbcc", "is_archived": True}),
    "delete a list with its tasks": ("DELETE", "/v1/lists/{home}?tasks=delete", None),
    "delete a list and keep its tasks": ("DELETE", "/v1/lists/{home}?tasks=move", None),
    "move a list": ("POST", "/v1/lists/{work}/move", {"first": True}),
    "complete an occurrence": ("POST", "/v1/tasks/{series}/complete", {"occurrence": "2027-01-04"}),
    "skip an occurrence": ("POST", "/v1/tasks/{series}/skip", {"occurrence": "2027-01-04"}),
    "another rule": ("PATCH", "/v1/tasks/{series}", {"recurrence": {"rule": "FREQ=WEEKLY"}, "reminders": []}),
    "no rule": ("PATCH", "/v1/tasks/{series}", {"recurrence": None}),
}


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**ids)
    return {name: filled(part, ids) for name, part in value.items()} if isinstance(value, dict) else value


async def change(person: Person, ids: dict[str, str], name: str) -> str:
    method, path, body = CHANGES[name]
    content = {} if body is None else {"json": filled(body, ids)}
    response = await person.http.request(method, path.format(**ids), **content)
    assert response.is_success, response.text
    return response.headers["Change-No"]


@pytest.mark.parametrize("name", CHANGES)
async def test_each_kind_of_change_is_undone_and_done_again(alice: Person, name: str) -> None:
    ids = await household(alice)
    before, order = await held(alice), await places(alice)
    number = await change(alice, ids, name)
    changed, new_order = await held(alice), await places(alice)
    assert (changed, new_order) != (before, order)

    answer = await alice.http.post(f"/v1/changes/{number}/undo")

    assert answer.status_code == 200, answer.text
    undone = await held(alice)
    made = undone.keys() - before.keys()  # by the change: they go to the trash, as the copy of an occurrence does
    assert {name: row for name, row in undone.items() if name not in made} == before
    assert all(undone[name]["deleted_at"] for name in made)
    assert await places(alice) == order
    assert {item["id"] for item in answer.json()["items"]} <= before.keys() | made
    assert answer.headers["Affected"] == str(len(answer.json()["items"]))

    await undo(alice, answer.headers["Change-No"])
    assert {row["id"]: row["title"] for row in (await held(alice)).values() if "title" in row} == {
        row["id"]: row["title"] for row in changed.values() if "title" in row
    }
    for identity, row in (await held(alice)).items():
        assert row | {"deleted_at": bool(row["deleted_at"])} == changed[identity] | {
            "deleted_at": bool(changed[identity]["deleted_at"])
        }


@pytest.mark.parametrize("seed", range(4))
async def test_any_change_that_is_undone_leaves_what_was_there(alice: Person, seed: int) -> None:
    """Whatever the tree and the trash look like meanwhile; a time of deletion alone is a new one."""

    async def state() -> tuple[list[dict[str, Any]], list[str]]:
        rows = [row | {"deleted_at": bool(row["deleted_at"])} for _, row in sorted((await held(alice)).items())]
        return rows, await places(alice)

    chance, undone = random.Random(seed), 0
    with connect(autocommit=True) as direct:
        server = Server(alice, [alice.http], chance, direct)
        acts = [server.change, server.change, server.delete, server.restore, server.move, server.delete_list]
        for _ in range(40):
            await server.create()
            before, number = await state(), await last_number(alice)
            await chance.choice(acts)()
            changed = await last_number(alice)
            if changed > number and chance.random() < 0.6:
                await undo(alice, changed)
                assert await state() == before
                undone += 1
    assert undone > 5


async def last_number(person: Person) -> int:
    page = (await person.http.get("/v1/history?limit=1")).json()
    return page["items"][0]["change_no"] if page["items"] else 0


async def test_what_was_created_goes_to_the_trash(alice: Person) -> None:
    task = await alice.task("New")

    answer = await undo(alice, 1)

    assert [(item["id"], item["deleted"]) for item in answer["items"]] == [(task["id"], True)]
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).status_code == 404
    await undo(alice, 2)
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json()["title"] == "New"


async def test_a_batch_is_undone_as_a_whole(alice: Person) -> None:
    task = await alice.task("Old")
    list_id, task_id = "019aaab2-4c00-7c3e-9d52-000000000001", "019aaab2-4c00-7c3e-9d52-000000000002"
    before = await held(alice)
    answer = await alice.http.post(
        "/v1/tasks/batch",
        json={
            "operations": [
                {"kind": "list", "op": "create", "id": list_id, "data": {"name": "New"}},
                {"op": "create", "id": task_id, "data": {"title": "In it", "list_id": list_id}},
                {"op": "update", "id": task["id"], "data": {"title": "Changed", "list_id": list_id}},
                {"op": "update", "id": task["id"], "data": {"title": "Changed twice"}},
                {"op": "complete", "id": task["id"]},
            ]
        },
    )
    assert answer.status_code == 200, answer.text

    await undo(alice, answer.json()["results"][1]["change_no"])  # any number of it will do

    after = await held(alice)
    assert after[task["id"]] == before[task["id"]]
    assert after[list_id]["deleted_at"]
    assert after[task_id]["deleted_at"]


async def test_what_has_changed_since_is_a_conflict_and_the_rest_is_not(alice: Person) -> None:
    task = await alice.task("First")
    path = f"/v1/tasks/{task['id']}"
    number = (await alice.http.patch(path, json={"title": "Second", "priority": "high"})).headers["Change-No"]
    await alice.http.patch(path, json={"due_on": "2026-12-24"})
    later = (await alice.http.patch(path, json={"title": "Third"})).headers["Change-No"]

    problem = await undo(alice, number, 409)

    assert problem["code"] == "undo-conflict"
    assert problem["conflicts"] == [{"kind": "task", "id": task["id"], "members": ["title"]}]
    assert (await alice.http.get(path)).json()["title"] == "Third"
    await undo(alice, later)
    await undo(alice, number, 409)  # the undo is a change of the title, too
    assert (await alice.http.get(path)).json()["title"] == "Second"


async def test_at_most_twenty_conflicts_are_told(alice: Person) -> None:
    operations = [{"op": "create", "data": {"title": f"Task {number}"}} for number in range(25)]
    await alice.http.post("/v1/tasks/batch", json={"operations": operations})
    await alice.http.patch("/v1/labels/none", json={"name": "x"})
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE tasks SET title = 'New' WHERE user_id = %s", [alice.id])

    problem = await undo(alice, 1, 409)

    assert len(problem["conflicts"]) == 20


async def test_what_a_rule_refuses_is_a_conflict(alice: Person) -> None:
    """The list that the task was in before is gone."""
    home = await alice.list("Home")
    task = await alice.task(list_id=home["id"])
    number = (await alice.http.post(f"/v1/tasks/{task['id']}/move", json={"list_id": None})).headers["Change-No"]
    await alice.http.delete(f"/v1/lists/{home['id']}")

    problem = await undo(alice, number, 409)

    assert problem["conflicts"] == [{"kind": "task", "id": task["id"], "members": []}]


async def test_a_place_that_is_taken_is_the_last_one(alice: Person) -> None:
    first, second, third = [await alice.task(title) for title in ("First", "Second", "Third")]
    number = (await alice.http.post(f"/v1/tasks/{first['id']}/move", json={"after": third["id"]})).headers["Change-No"]
    assert await places(alice) == ["Second", "Third", "First"]
    with connect(autocommit=True) as direct:
        take = "UPDATE tasks SET position = '!' || %s WHERE user_id = %s AND id = %s"
        direct.execute(take, [first["position"], alice.id, second["id"]])

    await undo(alice, number)

    assert await places(alice) == ["Second", "Third", "First"]


async def test_what_is_purged_or_not_logged_any_more_is_not_undoable(alice: Person) -> None:
    gone = await alice.task("Gone")
    task = await alice.task()
    await alice.http.delete(f"/v1/tasks/{gone['id']}")
    with connect(autocommit=True) as direct:
        direct.execute("DELETE FROM tasks WHERE user_id = %s AND id = %s", [alice.id, gone["id"]])
        direct.execute("DELETE FROM changes WHERE user_id = %s AND change_no = 2", [alice.id])

    for number in (1, 2, 3):
        assert (await undo(alice, number, 409))["code"] == "not-undoable"
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).status_code == 200


async def test_an_action_of_which_the_log_has_lost_the_beginning_is_not_undoable(alice: Person) -> None:
    await alice.http.post("/v1/tasks/batch", json={"operations": [{"op": "create", "data": {"title": "x"}}] * 3})
    with connect(autocommit=True) as direct:
        direct.execute("DELETE FROM changes WHERE user_id = %s AND change_no = 1", [alice.id])

    assert (await undo(alice, 3, 409))["code"] == "not-undoable"


async def test_numbers_that_are_nobodys_are_404(alice: Person, bob: Person) -> None:
    for number in range(3):
        await bob.task(f"Task {number}")
    await alice.task()

    assert (await undo(alice, 2, 404))["code"] == "not-found"
    await undo(alice, 2**63 - 1, 404)
    for number in ("0", "-1", "x", str(2**63)):
        response = await alice.http.post(f"/v1/changes/{number}/undo")
        assert response.status_code == 422, number


async def test_with_a_key_it_happens_once(alice: Person) -> None:
    await alice.task()
    answers = [await alice.http.post("/v1/changes/1/undo", headers={"Idempotency-Key": "undo-once"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotency-Replayed"] == "true"


async def test_reading_is_no_right_to_undo(alice: Person) -> None:
    await alice.task()
    reader = await alice.token_for("tasks:read")

    assert (await alice.http.post("/v1/changes/1/undo", headers=reader)).status_code == 403
