"""Tasks over HTTP: create, read, list, change, complete, delete."""

from typing import Any

import httpx
import pytest

from tasks.schemas import TASK_MEMBERS, TaskPage
from tests.support.people import Person


async def test_created_task_comes_back_as_the_contract_says(alice: Person) -> None:
    response = await alice.http.post(
        "/v1/tasks", json={"title": "  Buy milk ", "priority": "high", "due_on": "2026-12-01"}
    )

    assert response.status_code == 201
    task = response.json()
    assert list(task) == list(TASK_MEMBERS)
    assert response.headers["Location"] == f"/v1/tasks/{task['id']}"
    assert response.headers["ETag"] == '"1"'
    assert task | {"title": "Buy milk", "priority": "high", "due_on": "2026-12-01", "version": 1} == task
    assert (await alice.http.get(response.headers["Location"])).json() == task


async def test_instant_is_given_back_in_utc(alice: Person) -> None:
    task = await alice.task(due_at="2026-12-01T10:00:00+02:00")

    assert task["due_at"] == "2026-12-01T08:00:00.000000Z"


async def test_patch_changes_only_what_it_names(alice: Person) -> None:
    task = await alice.task(description="two litres", priority="low")

    changed = (await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Buy oat milk"})).json()

    assert changed == task | {"title": "Buy oat milk", "version": 2, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > task["updated_at"]


async def test_patch_that_names_nothing_changes_nothing(alice: Person) -> None:
    task = await alice.task()

    assert (await alice.http.patch(f"/v1/tasks/{task['id']}", json={})).json() == task


async def test_null_clears_a_due_date(alice: Person) -> None:
    task = await alice.task(due_on="2026-12-01")

    response = await alice.http.patch(
        f"/v1/tasks/{task['id']}", json={"due_on": None, "due_at": "2026-12-01T08:00:00Z"}
    )

    assert (response.json()["due_on"], response.json()["due_at"]) == (None, "2026-12-01T08:00:00.000000Z")


async def test_null_clears_what_can_be_cleared(alice: Person) -> None:
    """RFC 7396: null removes a member; what is left is what a new task has that does not name it."""
    task = await alice.task(description="two litres", priority="high", is_completed=True, due_on="2026-12-01")
    nothing = dict.fromkeys(("description", "priority", "is_completed", "due_on", "due_at"))

    cleared = (await alice.http.patch(f"/v1/tasks/{task['id']}", json=nothing)).json()

    assert (cleared["description"], cleared["priority"], cleared["due_on"]) == ("", "none", None)
    assert (cleared["is_completed"], cleared["completed_at"]) == (False, None)


async def test_title_cannot_be_cleared(alice: Person) -> None:
    task = await alice.task()

    response = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": None})

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/title")


async def test_document_declares_what_the_operations_on_tasks_take_and_give(alice: Person) -> None:
    document = (await alice.http.get("/v1/openapi.json")).json()
    paths, schemas = document["paths"], document["components"]["schemas"]
    one, restore = paths["/v1/tasks/{task_id}"], paths["/v1/tasks/{task_id}/restore"]["post"]

    assert {parameter.get("name") for parameter in paths["/v1/tasks"]["get"]["parameters"]} - {None} == {
        *("limit", "cursor", "sort", "include", "is_completed", "priority", "due_before", "due_after", "due_on"),
        *("overdue", "created_after", "updated_after", "q", "deleted", "has_due", "completed_before"),
        *("completed_after", "list_id", "in_archived_list", "label", "external_id", "starts_before", "parent_id"),
        "is_recurring",
    }
    for operation, header, statuses in (
        (one["get"], "If-None-Match", {"200", "304", "404"}),
        (one["put"], "If-None-Match", {"200", "201", "404", "409", "412", "428"}),
        (one["put"], "If-Match", {"200"}),
        (one["patch"], "If-Match", {"200", "404", "412", "422"}),
        (one["delete"], "If-Match", {"204", "404", "412"}),
        (restore, "If-Match", {"200", "404", "412"}),
    ):
        assert header in {parameter.get("name") for parameter in operation["parameters"]}
        assert statuses <= set(operation["responses"])
    assert not any("default" in member for member in schemas["TaskPatch"]["properties"].values())
    assert all(schemas[name]["example"] for name in ("Task", "TaskCreate", "TaskPatch", "TaskPage"))


async def test_completing_is_safe_to_repeat(alice: Person) -> None:
    task = await alice.task()

    first = (await alice.http.post(f"/v1/tasks/{task['id']}/complete")).json()
    second = (await alice.http.post(f"/v1/tasks/{task['id']}/complete")).json()

    assert first["is_completed"] is True
    assert first["completed_at"] is not None
    assert second == first


async def test_reopened_task_has_no_completion_time(alice: Person) -> None:
    task = await alice.task(is_completed=True)
    assert task["completed_at"] is not None

    reopened = (await alice.http.post(f"/v1/tasks/{task['id']}/reopen")).json()

    assert (reopened["is_completed"], reopened["completed_at"]) == (False, None)


async def test_deleted_task_is_gone(alice: Person) -> None:
    task = await alice.task()

    assert (await alice.http.delete(f"/v1/tasks/{task['id']}")).status_code == 204

    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).status_code == 404
    assert (await alice.http.delete(f"/v1/tasks/{task['id']}")).status_code == 404
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []


async def pages(http: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Follow the cursors from the first page to the last and return all items."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = TaskPage.model_validate((await http.get("/v1/tasks", params=query | cursor)).json()).model_dump(
            mode="json"
        )
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_pages_hold_every_task_once_in_order(alice: Person, sort: str) -> None:
    tasks = [await alice.task(f"Task {number}") for number in range(7)]

    listed = await pages(alice.http, limit=3, sort=sort)

    assert [task["id"] for task in listed] == [task["id"] for task in tasks][:: -1 if sort[0] == "-" else 1]


async def test_list_is_filtered(alice: Person) -> None:
    await alice.task("low", priority="low")
    await alice.task("high", priority="high")
    await alice.task("done", priority="high", is_completed=True)

    assert [task["title"] for task in await pages(alice.http, priority="high", is_completed="false")] == ["high"]


async def test_foreign_edited_or_misplaced_cursor_is_refused(alice: Person, bob: Person) -> None:
    for number in range(3):
        await alice.task(f"Task {number}")
    cursor = (await alice.http.get("/v1/tasks?limit=1")).json()["next_cursor"]

    answers = [
        await bob.http.get("/v1/tasks", params={"cursor": cursor}),
        await alice.http.get("/v1/tasks", params={"cursor": cursor, "priority": "high"}),
        await alice.http.get("/v1/tasks", params={"cursor": cursor[:-1] + ("A" if cursor[-1] != "A" else "B")}),
        await alice.http.get("/v1/tasks", params={"cursor": "nonsense"}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "invalid-cursor")] * 4
