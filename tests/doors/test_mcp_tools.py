"""The tools for agents: what each does, what it tells, and that undo takes exactly that back."""

from typing import Any

import pytest

from doors.mcp.tools import TOOLS
from tests.doors.test_mcp_door import call
from tests.support.people import Person


async def _task(person: Person, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = (await person.http.get(f"/v1/tasks/{task_id}")).json()
    return task


# --- Reading --------------------------------------------------------------------------------------


async def test_finds_tasks_by_what_people_say(alice: Person) -> None:
    home = await alice.list("Home")
    milk = await alice.task("Buy milk", list_id=home["id"], labels=["shop"], priority="high", due_on="2026-12-01")
    parent = await alice.task("Plan the trip")
    child = await alice.task("Book a train", parent_id=parent["id"])
    done = await alice.task("Done", is_completed=True)

    async def found(**asked: Any) -> set[str]:
        return {task["id"] for task in (await call(alice, "find_tasks", **asked))["tasks"]}

    assert await found() == {milk["id"], parent["id"], child["id"]}
    assert await found(query="milk") == {milk["id"]}
    assert await found(list="home") == await found(list=home["id"]) == {milk["id"]}
    assert await found(list="inbox") == {parent["id"], child["id"]}
    assert await found(label=["SHOP"], priority=["high", "low"]) == {milk["id"]}
    assert await found(due_on="2026-12-01") == await found(due_before="2026-12-02") == {milk["id"]}
    assert await found(parent_id=parent["id"]) == {child["id"]}
    assert await found(is_completed=True) == {done["id"]}
    assert done["id"] in await found(is_completed=None)
    assert await found(query=None, list=None, sort="title") == await found()


async def test_tells_a_task_in_short(alice: Person) -> None:
    made = await alice.task("Buy milk", due_on="2026-12-01", recurrence={"rule": "FREQ=DAILY"})
    (told,) = (await call(alice, "find_tasks"))["tasks"]
    assert told == {
        "id": made["id"],
        "title": "Buy milk",
        "is_completed": False,
        "list_id": None,
        "due_on": "2026-12-01",
        "occurrence": "2026-12-01",
        "repeats": "FREQ=DAILY",
    }


async def test_pages_go_on_where_they_ended(alice: Person) -> None:
    for number in range(3):
        await alice.task(str(number))
    first = await call(alice, "find_tasks", limit=2, sort="title")
    second = await call(alice, "find_tasks", limit=2, sort="title", cursor=first["next_cursor"])
    assert [task["title"] for task in first["tasks"] + second["tasks"]] == ["0", "1", "2"]
    assert "next_cursor" not in second
    refused = await call(alice, "find_tasks", expects_error=True, cursor="made up")
    assert refused["code"] == "invalid-cursor"


@pytest.mark.parametrize(
    ("tool", "fits", "beyond"),
    [
        ("find_tasks", {"limit": 100}, {"limit": 101}),
        ("find_tasks", {"limit": 1}, {"limit": 0}),
        ("find_tasks", {"query": "m" * 200}, {"query": "m" * 201}),
        ("find_tasks", {"label": ["errand"] * 20}, {"label": ["errand"] * 21}),
        ("find_tasks", {"priority": ["low"] * 5}, {"priority": ["low"] * 6}),
        ("agenda", {"days": 31}, {"days": 32}),
        ("agenda", {"days": 1}, {"days": 0}),
    ],
)
async def test_what_may_be_asked_for_ends_where_the_tool_says(
    alice: Person, tool: str, fits: dict[str, Any], beyond: dict[str, Any]
) -> None:
    await call(alice, tool, **fits)
    refused = await call(alice, tool, expects_error=True, **beyond)
    assert (refused["code"], refused["error"].partition(":")[0]) == ("invalid", *beyond)


async def test_agenda_tells_the_owners_days(alice: Person) -> None:
    await alice.http.patch("/v1/me", json={"timezone": "Pacific/Kiritimati"})  # where it is tomorrow already
    now = (await call(alice, "agenda"))["now"]
    assert now.endswith("+14:00")
    today = now[:10]
    there = await alice.list("Home")
    late, due, never = (
        await alice.task("Late", due_on="2020-01-01"),
        await alice.task("Due", due_on=today),
        await alice.task("Never"),
    )

    archived = await alice.list("Archived")
    await alice.task("Out of sight", list_id=archived["id"], due_on=today)
    await alice.http.patch(f"/v1/lists/{archived['id']}", json={"is_archived": True})
    await alice.task("Done", due_on=today, is_completed=True)

    told = await call(alice, "agenda", days=1)

    assert [task["id"] for task in told["overdue"]] == [late["id"]]
    assert [task["id"] for task in told["coming"]] == [due["id"]]
    assert never["id"] not in str(told)
    assert (told["lists"], told["is_whole"]) == ([{"id": there["id"], "name": "Home"}], True)


# --- Writing, and taking it back ------------------------------------------------------------------


async def test_adds_a_task_and_takes_it_back(alice: Person) -> None:
    home = await alice.list("Home")
    told = await call(
        alice, "add_task", title="Water", list="HOME", due_on="2026-12-01", repeats="FREQ=DAILY", labels=["a"]
    )
    task = await _task(alice, told["task"]["id"])
    assert (task["title"], task["list_id"], task["labels"]) == ("Water", home["id"], ["a"])
    assert task["recurrence"]["rule"] == "FREQ=DAILY"

    undone = await call(alice, "undo", change_no=told["change_no"])

    assert (undone["deleted"], undone["affected"]) == ([task["id"]], 1)
    assert (await call(alice, "find_tasks"))["tasks"] == []
    again = await call(alice, "undo", change_no=undone["change_no"])
    assert [each["title"] for each in again["tasks"]] == ["Water"]


async def test_changes_a_task_and_takes_it_back(alice: Person) -> None:
    before = await alice.task("Old", description="d", due_on="2026-12-01", priority="low", labels=["a"])
    told = await call(
        alice,
        "change_task",
        task_id=before["id"],
        title="New",
        due_on=None,
        due_at="2026-12-02T09:00:00+01:00",
        labels=["b"],
    )
    assert told["task"]["due_at"] == "2026-12-02T08:00:00.000000Z"
    assert (told["task"]["title"], told["task"]["labels"], told["task"]["priority"]) == ("New", ["b"], "low")

    await call(alice, "undo", change_no=told["change_no"])

    after = await _task(alice, before["id"])
    moving = {"version", "updated_at"}
    assert {name: after[name] for name in after.keys() - moving} == {
        name: before[name] for name in before.keys() - moving
    }


async def test_completes_and_opens_again(alice: Person) -> None:
    parent = await alice.task("Parent")
    child = await alice.task("Child", parent_id=parent["id"])

    told = await call(alice, "complete_task", task_id=parent["id"])

    assert (told["task"]["is_completed"], told["affected"]) == (True, 2)
    assert (await call(alice, "complete_task", task_id=parent["id"]))["change_no"] is None
    await call(alice, "undo", change_no=told["change_no"])
    assert not (await _task(alice, child["id"]))["is_completed"]
    await call(alice, "complete_task", task_id=child["id"])
    opened = await call(alice, "change_task", task_id=child["id"], is_completed=False)
    assert opened["task"]["is_completed"] is False


async def test_a_series_is_completed_by_its_occurrence(alice: Person) -> None:
    series = await alice.task("Daily", due_on="2026-12-01", recurrence={"rule": "FREQ=DAILY"})
    unsaid = await call(alice, "complete_task", expects_error=True, task_id=series["id"])
    assert unsaid["code"] == "precondition-required"

    for _ in range(2):  # a repeat does no harm
        told = await call(alice, "complete_task", task_id=series["id"], occurrence="2026-12-01")
        assert told["task"]["due_on"] == "2026-12-02"

    assert len((await call(alice, "find_tasks", is_completed=True))["tasks"]) == 1


async def test_moves_a_task_and_takes_it_back(alice: Person) -> None:
    home = await alice.list("Home")
    first, second = await alice.task("First"), await alice.task("Second")

    told = await call(alice, "move_task", task_id=second["id"], before=first["id"], list=None)
    assert (await _task(alice, second["id"]))["position"] < first["position"]
    await call(alice, "undo", change_no=told["change_no"])
    assert (await _task(alice, second["id"]))["position"] > first["position"]

    moved = await call(alice, "move_task", task_id=first["id"], list="home")
    assert moved["task"]["list_id"] == home["id"]
    assert (await call(alice, "move_task", task_id=first["id"], list="inbox"))["task"]["list_id"] is None
    under = await call(alice, "move_task", task_id=first["id"], parent_id=second["id"])
    assert under["task"]["parent_id"] == second["id"]
    assert "parent_id" not in (await call(alice, "move_task", task_id=first["id"], parent_id=None))["task"]
    nowhere = await call(alice, "move_task", expects_error=True, task_id=first["id"])
    assert "Give a list, a parent" in nowhere["error"]


async def test_lists_are_told_where_a_name_is_none_or_two(alice: Person) -> None:
    first = await alice.list("Home")
    none = await call(alice, "add_task", expects_error=True, title="x", list="Hoem")
    assert none["error"] == "list: There is no such list. Lists: inbox, Home."
    await alice.list("HOME")
    two = await call(alice, "add_task", expects_error=True, title="x", list="home")
    assert two["error"] == "list: Several lists are called home: give the id. Lists: inbox, Home, HOME."
    assert (await call(alice, "add_task", title="x", list=first["id"]))["task"]["list_id"] == first["id"]


async def test_undo_of_what_has_changed_since_is_refused_in_words(alice: Person) -> None:
    told = await call(alice, "add_task", title="x")
    task_id = told["task"]["id"]
    changed = await call(alice, "change_task", task_id=task_id, title="y")
    await call(alice, "change_task", task_id=task_id, title="z")

    refused = await call(alice, "undo", expects_error=True, change_no=changed["change_no"])

    assert (refused["code"], refused["conflicts"][0]["id"]) == ("undo-conflict", task_id)
    assert "changed again since" in refused["error"]
    assert (await call(alice, "undo", expects_error=True, change_no=10**9))["code"] == "not-found"


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS.values() if tool.writes])
async def test_a_dry_run_tells_what_would_happen_and_does_nothing(alice: Person, tool: str) -> None:
    task = await alice.task("Task")
    await alice.task("Child", parent_id=task["id"])
    number = int((await alice.http.patch(f"/v1/tasks/{task['id']}", json={"priority": "high"})).headers["Change-No"])
    arguments: dict[str, dict[str, Any]] = {
        "add_task": {"title": "New"},
        "change_task": {"task_id": task["id"], "title": "Changed"},
        "complete_task": {"task_id": task["id"]},
        "move_task": {"task_id": task["id"], "first": True},
        "undo": {"change_no": number},
    }
    before = (await alice.http.get("/v1/changes?limit=500")).json()

    tried = await call(alice, tool, dry_run=True, **arguments[tool])

    assert (await alice.http.get("/v1/changes?limit=500")).json() == before
    assert (tried["dry_run"], "change_no" in tried) == (True, False)
    done = await call(alice, tool, **arguments[tool])
    assert tried["would_affect"] == done["affected"] > 0
    assert isinstance(done["change_no"], int)
