"""The log of changes: what each was, who made it, and what was there before."""

import asyncio
from importlib import import_module
from typing import Any

import httpx
import psycopg
import pytest

from tasks.models import Task, TaskList
from tests.support.http.operations import operations
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.staff import act, in_thread, root_client

BY_ID = {operation.id: operation for operation in operations()}


async def history(person: Person, path: str = "", **parameters: Any) -> list[dict[str, Any]]:
    response = await person.http.get(f"/v1{path}/history", params=parameters)
    assert response.status_code == 200, response.text
    name = "list_history" if not path else "list_task_history" if "tasks" in path else "list_list_history"
    assert BY_ID[name].conforms(response)
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def execute(statement: Any, *values: Any) -> Any:
    with connect(autocommit=True) as direct:
        found = direct.execute(statement, values)
        return found.fetchall() if found.description else found.rowcount


async def test_each_change_is_told_newest_first_with_what_it_changed(alice: Person, bob: Person) -> None:
    await bob.task("Not hers")
    answer = await alice.http.post("/v1/tasks", json={"title": "Buy milk"}, headers={"X-Request-ID": "the-first"})
    task = answer.json()
    path = f"/v1/tasks/{task['id']}"
    await alice.http.patch(path, json={"priority": "high", "due_at": "2026-12-24T09:00:00+01:00"})
    await alice.http.post(f"{path}/complete")
    await alice.http.post(f"{path}/complete")  # changes nothing
    await alice.http.post(f"{path}/reopen")
    await alice.http.delete(path)
    await alice.http.post(f"{path}/restore")

    found = await history(alice)

    assert [entry["event"] for entry in found] == ["restored", "deleted", "reopened", "completed", "updated", "created"]
    assert [entry["change_no"] for entry in found] == [6, 5, 4, 3, 2, 1]
    assert {(entry["kind"], entry["id"], entry["action"] == entry["change_no"]) for entry in found} == {
        ("task", task["id"], True)
    }
    created, updated = found[-1], found[-2]
    assert created["request_id"] == "the-first"
    assert created["actor"] == {"kind": "token", "name": "login"}
    assert created["at"] == task["created_at"]
    assert created["changes"]["title"] == {"from": None, "to": "Buy milk"}
    assert updated["changes"] == {
        "priority": {"from": "none", "to": "high"},
        "due_at": {"from": None, "to": "2026-12-24T08:00:00.000000Z"},
    }
    completed_at = found[3]["changes"]["completed_at"]["to"]
    assert found[2]["changes"] == {
        "is_completed": {"from": True, "to": False},
        "completed_at": {"from": completed_at, "to": None},
    }
    assert await history(alice, f"/tasks/{task['id']}") == found


async def test_the_history_of_one_thing_and_its_pages(alice: Person) -> None:
    task, other = await alice.task("0"), await alice.task("Other")
    for number in range(1, 6):
        await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": str(number)})
        await alice.http.patch(f"/v1/tasks/{other['id']}", json={"title": f"Other {number}"})

    for path in ("", f"/tasks/{task['id']}"):
        whole, found, cursor = await history(alice, path), [], None
        while cursor != "":
            asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await alice.http.get(f"/v1{path}/history", params=asked)).json()
            found, cursor = [*found, *page["items"]], page["next_cursor"] or ""
        assert found == whole
        assert len(whole) == (12 if not path else 6)
    titles = [entry["changes"]["title"] for entry in await history(alice, f"/tasks/{task['id']}")]
    assert [(title["from"], title["to"]) for title in titles] == [
        *((str(number - 1), str(number)) for number in range(5, 0, -1)),
        (None, "0"),
    ]


async def test_lists_have_a_history_too(alice: Person) -> None:
    in_list = await alice.list("Home")
    await alice.http.patch(f"/v1/lists/{in_list['id']}", json={"is_archived": True})
    await alice.list("Work")
    await alice.http.post(f"/v1/lists/{in_list['id']}/move", json={"after": (await alice.list("Last"))["id"]})
    await alice.http.delete(f"/v1/lists/{in_list['id']}")

    found = await history(alice, f"/lists/{in_list['id']}")

    assert [entry["event"] for entry in found] == ["deleted", "moved", "updated", "created"]
    assert found[2]["changes"]["is_archived"] == {"from": False, "to": True}


async def test_what_a_request_changes_is_one_action(alice: Person) -> None:
    parent = await alice.task("Parent")
    children = [await alice.task(f"Child {number}", parent_id=parent["id"]) for number in range(3)]
    answer = await alice.http.post(f"/v1/tasks/{parent['id']}/complete")
    await alice.task("Another request")

    found = [entry for entry in await history(alice) if entry["event"] == "completed"]

    assert {entry["action"] for entry in found} == {5}
    assert [entry["change_no"] for entry in found] == [8, 7, 6, 5]
    assert answer.headers["Change-No"] == "8"
    assert found[-1]["id"] == parent["id"]
    assert {entry["id"] for entry in found[:-1]} == {child["id"] for child in children}


async def test_strangers_and_gone_things_have_no_history(alice: Person, charlie: Person) -> None:
    task = await alice.task()
    execute("DELETE FROM tasks WHERE user_id = %s AND id = %s", alice.id, (gone := await alice.task())["id"])

    for person, identity in ((charlie, task["id"]), (alice, gone["id"])):
        assert (await person.http.get(f"/v1/tasks/{identity}/history")).status_code == 404
    assert await history(charlie) == []
    assert (await alice.http.get(f"/v1/lists/{task['id']}/history")).status_code == 404
    cursor = (await alice.http.get("/v1/history?limit=1")).json()["next_cursor"]
    for path in ("/v1/tasks", f"/v1/tasks/{task['id']}/history", "/v1/changes"):
        assert (await alice.http.get(path, params={"cursor": cursor})).status_code == 400
    assert (await charlie.http.get("/v1/history", params={"cursor": cursor})).status_code == 400


async def test_what_is_purged_leaves_that_it_was_and_not_what(alice: Person) -> None:
    task, kept = await alice.task("Secret"), await alice.task("Kept")
    for title in ("More secret", "Most secret"):
        await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": title})
    await alice.http.delete(f"/v1/tasks/{task['id']}")
    execute("DELETE FROM tasks WHERE user_id = %s AND deleted_at IS NOT NULL", alice.id)

    found = await history(alice)

    assert [(entry["event"], entry["changes"]) for entry in found if entry["id"] == task["id"]] == [
        (event, {}) for event in ("deleted", "updated", "updated", "created")
    ]
    assert "ecret" not in str(execute("SELECT changes::text FROM changes WHERE user_id = %s", alice.id))
    assert [entry["changes"]["title"]["to"] for entry in found if entry["id"] == kept["id"]] == ["Kept"]


async def test_who_it_was(alice: Person, client: httpx.AsyncClient) -> None:
    task = await alice.task()
    script = await alice.token_for("tasks:write")
    await client.patch(f"/v1/tasks/{task['id']}", json={"title": "By a script"}, headers=script)
    execute("UPDATE tasks SET title = 'By SQL' WHERE user_id = %s", alice.id)

    found = await history(alice, f"/tasks/{task['id']}")

    assert [entry["actor"] for entry in found] == [
        {"kind": "system", "name": None},
        {"kind": "token", "name": "script"},
        {"kind": "token", "name": "login"},
    ]
    execute("DELETE FROM access_tokens WHERE user_id = %s AND name = 'script'", alice.id)
    assert (await history(alice))[1]["actor"] == {"kind": "token", "name": None}


def _complete_as_staff(task_id: str) -> None:
    act(root_client(), "tasks_task", "complete", Task.objects.get(id=task_id))


async def test_staff_are_told_as_staff_and_not_by_name(alice: Person) -> None:
    task = await alice.task()

    await asyncio.to_thread(in_thread, _complete_as_staff, task["id"])

    found = await history(alice, f"/tasks/{task['id']}")
    assert [(entry["event"], entry["actor"]) for entry in found] == [
        ("completed", {"kind": "staff", "name": None}),
        ("created", {"kind": "token", "name": "login"}),
    ]
    assert found[0]["request_id"]


# --- The trigger ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "columns"), [(Task, "TASK_COLUMNS"), (TaskList, "LIST_COLUMNS")], ids=["tasks", "lists"]
)
def test_every_column_is_logged(model: Any, columns: str) -> None:
    """A new one has to be named in the trigger, or its changes are missed by history and undo."""
    books = {"key", "id", "user_id", "created_at", "updated_at", "version", "change_no", "sort_due", "sort_title"}
    names = {field.column for field in model._meta.concrete_fields}

    assert names - books == {*getattr(import_module("tasks.migrations.0038_history"), columns)}


async def test_the_chain_of_a_thing_is_whole(alice: Person) -> None:
    tasks = [await alice.task(f"Task {number}") for number in range(3)]
    for verb in ("complete", "reopen", "complete"):
        for task in tasks:
            await alice.http.post(f"/v1/tasks/{task['id']}/{verb}")
    execute("UPDATE tasks SET title = title || '!' WHERE user_id = %s", alice.id)

    log = execute("SELECT change_no, previous, version, entity_id FROM changes WHERE user_id = %s ORDER BY 1", alice.id)
    rows = dict(execute("SELECT id, change_no FROM tasks WHERE user_id = %s", alice.id))

    last: dict[Any, tuple[int | None, int]] = {}
    for number, previous, version, identity in log:
        assert (previous, version - 1) == last.get(identity, (None, 0))
        last[identity] = (number, version)
    assert {identity: number for identity, (number, _) in last.items()} == rows
    assert [number for number, *_ in log] == list(range(1, len(log) + 1))


async def test_spacing_anew_is_logged_as_that_and_not_shown(alice: Person) -> None:
    first, second, third = [await alice.task(f"Task {number}") for number in range(3)]
    put = "UPDATE tasks SET position = '!a0' || repeat('1', 98) || %s WHERE user_id = %s AND id = %s"
    execute(put, "1", alice.id, first["id"])
    execute(put, "2", alice.id, second["id"])
    await alice.http.post(f"/v1/tasks/{third['id']}/move", json={"after": first["id"]})

    assert execute("SELECT event FROM changes WHERE user_id = %s", alice.id).count(("respaced",)) == 2
    shown = await history(alice)
    assert shown[0]["event"] == "moved"
    assert "respaced" not in {entry["event"] for entry in shown}
    assert [entry["event"] for entry in await history(alice, f"/tasks/{first['id']}")] == ["moved", "created"]


def test_a_statement_that_writes_many_rows_logs_each(database: None) -> None:
    with connect() as session:
        session.execute(
            "INSERT INTO users (id, email, password, timezone, is_staff, is_active, is_superuser) VALUES"
            " ('019aaab2-4c00-7c3e-9d52-7a3f6d1b8e99', 'log@example.com', '!', 'UTC', false, true, false)"
        )
        session.execute(
            "INSERT INTO tasks (key, id, user_id, title) SELECT gen_random_uuid(), gen_random_uuid(),"
            " '019aaab2-4c00-7c3e-9d52-7a3f6d1b8e99', 'x' FROM generate_series(1, 50)"
        )
        session.execute("UPDATE tasks SET title = 'y' WHERE user_id = '019aaab2-4c00-7c3e-9d52-7a3f6d1b8e99'")
        found = session.execute(
            "SELECT event, count(*), min(change_no), max(change_no), min(action), max(action) FROM changes"
            " WHERE user_id = '019aaab2-4c00-7c3e-9d52-7a3f6d1b8e99' GROUP BY event ORDER BY event"
        ).fetchall()
        session.rollback()

    assert found == [("created", 50, 1, 50, 1, 1), ("updated", 50, 51, 100, 1, 1)]  # one transaction, one action


async def test_what_is_undone_is_not_logged(alice: Person) -> None:
    answer = await alice.http.post(
        "/v1/tasks/batch",
        json={
            "operations": [
                {"op": "create", "data": {"title": "Stays"}},
                {"op": "complete", "id": "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e04"},
                {"op": "create", "data": {"title": "Stays, too"}},
            ]
        },
        params={"atomic": "false"},
    )
    assert answer.status_code == 207
    assert [(entry["change_no"], entry["action"]) for entry in await history(alice)] == [(2, 1), (1, 1)]


def test_the_role_of_requests_reads_its_own_log_and_writes_none(database: None) -> None:
    with connect() as session:
        session.execute("SET LOCAL ROLE todo_api")
        assert session.execute("SELECT count(*) FROM changes").fetchone() == (0,)
        for statement in ("DELETE FROM changes", "UPDATE changes SET event = ''", "INSERT INTO changes DEFAULT VALUES"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
                session.execute(statement.encode())
