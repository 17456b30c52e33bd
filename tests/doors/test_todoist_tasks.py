"""Tasks through Todoist's door: what its clients send and read, and that the rules are the API's."""

import uuid
from typing import Any

import pytest

from doors.todoist.documents import order
from doors.todoist.dues import words
from tests.support.people import Person

API = "/api/v1"


async def _add(person: Person, content: str = "Buy milk", **members: Any) -> dict[str, Any]:
    response = await person.http.post(f"{API}/tasks", json={"content": content, **members})
    assert response.status_code == 200, response.text
    task: dict[str, Any] = response.json()
    return task


async def _ours(person: Person, task: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await person.http.get(f"/v1/tasks/{task['id']}")).json()
    return found


async def test_a_task_is_added_as_ours_and_read_as_todoists(alice: Person) -> None:
    home = await alice.list("Home")

    task = await _add(
        alice, "Call", description="Soon", labels=["phone"], priority=4, project_id=home["id"], due_date="2026-12-01"
    )

    ours = await _ours(alice, task)
    told = {name: ours[name] for name in ("title", "description", "labels", "priority", "list_id", "due_on")}
    assert told == {
        "title": "Call",
        "description": "Soon",
        "labels": ["phone"],
        "priority": "urgent",
        "list_id": home["id"],
        "due_on": "2026-12-01",
    }
    assert task["due"] == {
        "date": "2026-12-01",
        "string": "2026-12-01",
        "timezone": None,
        "lang": "en",
        "is_recurring": False,
    }
    assert task == (await alice.http.get(f"{API}/tasks/{task['id']}")).json()
    assert (task["content"], task["project_id"], task["added_by_uid"]) == ("Call", home["id"], alice.id)
    assert (task["section_id"], task["checked"], task["completed_at"]) == (None, False, None)


@pytest.mark.parametrize(("theirs", "ours"), [(1, "none"), (2, "medium"), (3, "high"), (4, "urgent")])
async def test_priorities_are_turned_round(alice: Person, theirs: int, ours: str) -> None:
    task = await _add(alice, priority=theirs)

    assert task["priority"] == theirs
    assert (await _ours(alice, task))["priority"] == ours


async def test_low_has_no_like_and_is_shown_as_medium(alice: Person) -> None:
    low = await alice.task(priority="low")

    assert (await alice.http.get(f"{API}/tasks/{low['id']}")).json()["priority"] == 2


@pytest.mark.parametrize(
    ("asked", "due_on", "due_at"),
    [
        ({"due_date": "2026-12-01"}, "2026-12-01", None),
        ({"due_string": "2026-12-01"}, "2026-12-01", None),
        ({"due_datetime": "2026-12-01T09:00:00Z"}, None, "2026-12-01T09:00:00.000000Z"),
        ({"due_string": "2026-12-01 09:00"}, None, "2026-12-01T08:00:00.000000Z"),
        ({"due_datetime": "2026-07-01T09:00:00"}, None, "2026-07-01T07:00:00.000000Z"),
        ({"due_datetime": "2026-12-01T09:00:00+05:00"}, None, "2026-12-01T04:00:00.000000Z"),
        ({"due_string": "no date"}, None, None),
    ],
)
async def test_a_due_is_a_day_or_a_time_by_the_owners_clock(
    alice: Person, asked: dict[str, str], due_on: str | None, due_at: str | None
) -> None:
    await alice.http.patch("/v1/me", json={"timezone": "Europe/Berlin"})

    ours = await _ours(alice, await _add(alice, **asked))

    assert (ours["due_on"], ours["due_at"]) == (due_on, due_at)


@pytest.mark.parametrize(
    ("member", "text"),
    [
        ("due_string", "tomorrow at 10"),
        ("due_string", "every day"),
        ("due_string", ""),
        ("due_date", "2026-02-30"),
        ("due_datetime", "2026-12-01T25:00:00"),
        ("due_datetime", "9999-12-31T23:59:59-12:00"),
        ("due_datetime", "0001-01-01T00:00:00"),
    ],
)
async def test_a_due_that_is_not_understood_is_refused_by_its_member(alice: Person, member: str, text: str) -> None:
    response = await alice.http.post(f"{API}/tasks", json={"content": "Call", member: text})

    assert response.status_code == 400, response.text
    assert [error["argument"] for error in response.json()["error_extra"]["errors"]] == [member]


async def test_an_update_changes_what_it_names(alice: Person) -> None:
    task = await _add(alice, labels=["a"], due_datetime="2026-12-01T09:00:00Z")

    changed = await alice.http.post(f"{API}/tasks/{task['id']}", json={"content": "Tea", "due_string": "no date"})

    assert changed.status_code == 200
    assert (changed.json()["content"], changed.json()["labels"], changed.json()["due"]) == ("Tea", ["a"], None)


async def test_close_and_reopen(alice: Person) -> None:
    task = await _add(alice)

    assert (await alice.http.post(f"{API}/tasks/{task['id']}/close")).status_code == 204
    assert (await alice.http.get(f"{API}/tasks/{task['id']}")).json()["checked"]
    assert (await alice.http.post(f"{API}/tasks/{task['id']}/reopen")).status_code == 204
    assert (await alice.http.get(f"{API}/tasks/{task['id']}")).json()["completed_at"] is None


async def test_a_repeated_close_completes_one_occurrence(alice: Person) -> None:
    daily = {"due_on": "2026-12-01", "recurrence": {"rule": "FREQ=DAILY", "missed": "keep"}}
    series = await alice.task(**daily)
    headers = {"X-Request-Id": str(uuid.uuid4())}

    first = [await alice.http.post(f"{API}/tasks/{series['id']}/close", headers=headers) for _ in range(3)]
    task = (await alice.http.get(f"{API}/tasks/{series['id']}")).json()

    assert [answer.status_code for answer in first] == [204] * 3
    assert (task["due"]["date"], task["due"]["is_recurring"], task["due"]["string"]) == (
        "2026-12-02",
        True,
        "every day",
    )
    await alice.http.post(f"{API}/tasks/{series['id']}/close", headers={"X-Request-Id": str(uuid.uuid4())})
    assert (await _ours(alice, task))["due_on"] == "2026-12-03"


async def test_postponing_keeps_the_rhythm_and_no_date_ends_it(alice: Person) -> None:
    series = await alice.task(due_on="2026-12-01", recurrence={"rule": "FREQ=WEEKLY;BYDAY=TU"})
    path = f"{API}/tasks/{series['id']}"

    postponed = (await alice.http.post(path, json={"due_date": "2026-12-03"})).json()
    assert (postponed["due"]["date"], postponed["due"]["string"]) == ("2026-12-03", "every tue")
    assert (await alice.http.post(path, json={"due_string": "no date"})).json()["due"] is None
    assert (await _ours(alice, series))["recurrence"] is None


async def test_a_task_moves_to_a_project_to_the_inbox_and_below_another(alice: Person) -> None:
    home, parent = await alice.list("Home"), await alice.task("Parent")
    task = await _add(alice)
    path = f"{API}/tasks/{task['id']}/move"

    assert (await alice.http.post(path, json={"project_id": home["id"]})).json()["project_id"] == home["id"]
    assert (await alice.http.post(path, json={"project_id": "inbox"})).json()["project_id"] == "inbox"
    assert (await alice.http.post(path, json={"parent_id": parent["id"]})).json()["parent_id"] == parent["id"]
    both = await alice.http.post(path, json={"parent_id": parent["id"], "project_id": "inbox"})
    assert both.status_code == 400


async def test_a_subtask_is_in_its_parents_project(alice: Person) -> None:
    home = await alice.list("Home")
    parent = await _add(alice, project_id=home["id"])

    child = await _add(alice, parent_id=parent["id"])

    assert (child["parent_id"], child["project_id"]) == (parent["id"], home["id"])


async def test_a_deleted_task_is_in_the_trash(alice: Person) -> None:
    task = await _add(alice)

    assert (await alice.http.delete(f"{API}/tasks/{task['id']}")).status_code == 204
    assert (await alice.http.get(f"{API}/tasks/{task['id']}")).status_code == 404
    assert (await alice.http.post(f"/v1/tasks/{task['id']}/restore")).status_code == 200


async def test_active_tasks_come_a_page_at_a_time(alice: Person) -> None:
    archived = await alice.list("Old")
    tasks = [await _add(alice, f"Task {number}") for number in range(5)]
    await alice.http.post(f"{API}/tasks/{tasks[0]['id']}/close")
    await alice.task("Put away", list_id=archived["id"])
    await alice.http.post(f"{API}/projects/{archived['id']}/archive")
    found, cursor, pages = [], "", 0

    while cursor is not None:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await alice.http.get(f"{API}/tasks", params=query)).json()
        found, cursor, pages = found + page["results"], page["next_cursor"], pages + 1

    assert (found, pages) == (tasks[1:], 2)
    assert (await alice.http.get(f"{API}/tasks?cursor=made-up")).status_code == 400


async def test_tasks_are_found_by_project_parent_label_section_and_ids(alice: Person) -> None:
    home = await alice.list("Home")
    here = await _add(alice, project_id=home["id"], labels=["x"])
    child = await _add(alice, parent_id=here["id"])
    inbox = await _add(alice)

    async def ids(**query: str) -> list[str]:
        page = await alice.http.get(f"{API}/tasks", params=query)
        return [task["id"] for task in page.json()["results"]]

    assert await ids(project_id=home["id"]) == [here["id"], child["id"]]
    assert await ids(project_id="inbox") == [inbox["id"]]
    assert await ids(parent_id=here["id"]) == [child["id"]]
    assert await ids(label="X") == [here["id"]]
    assert await ids(section_id="1") == []
    assert await ids(ids=f"{child['id']},{uuid.uuid4()},{inbox['id']}") == [child["id"], inbox["id"]]


async def test_completed_tasks_are_found_by_when_that_was_and_when_they_were_due(alice: Person) -> None:
    done = await _add(alice, "Done", due_date="2026-12-01")
    await _add(alice, "Open", due_date="2026-12-01")
    await alice.http.post(f"/v1/tasks/{done['id']}/complete", json={"completed_at": "2026-01-02T08:00:00Z"})

    async def found(by: str, since: str, until: str) -> list[str]:
        page = await alice.http.get(f"{API}/tasks/completed/by_{by}", params={"since": since, "until": until})
        assert page.status_code == 200, page.text
        return [task["content"] for task in page.json()["items"]]

    assert await found("completion_date", "2026-01-02T08:00:00Z", "2026-01-02T08:00:00Z") == ["Done"]
    assert await found("completion_date", "2026-01-02T08:00:01Z", "2026-01-03T08:00:00Z") == []
    assert await found("due_date", "2026-11-30T00:00:00Z", "2026-12-02T00:00:00Z") == ["Done"]
    assert await found("due_date", "2026-12-02T00:00:00Z", "2026-12-05T00:00:00Z") == []


@pytest.mark.parametrize(
    "member",
    ["section_id", "order", "day_order", "assignee_id", "deadline_date", "duration", "is_collapsed", "auto_reminder"],
)
async def test_what_has_no_like_is_refused_with_its_reason(alice: Person, member: str) -> None:
    response = await alice.http.post(f"{API}/tasks", json={"content": "Call", member: True})

    (error,) = response.json()["error_extra"]["errors"]
    assert (response.status_code, error["argument"], error["code"]) == (400, member, "not_supported")


def test_orders_sort_as_positions_do() -> None:
    positions = ["Yzz", "Z0", "Zz", "a0", "a0V", "a0VV", "a1", "az", "b00", "b01", "c000"]

    orders = [order(position) for position in positions]

    assert orders == sorted(orders)
    assert len({*orders}) == len(orders)


@pytest.mark.parametrize(
    ("rule", "counts_from", "said"),
    [
        ("FREQ=DAILY", "due", "every day"),
        ("FREQ=DAILY;INTERVAL=3", "completion", "every! 3 days"),
        ("FREQ=WEEKLY;BYDAY=MO,TH", "due", "every mon, thu"),
        ("FREQ=YEARLY", "due", "every year"),
        ("FREQ=MONTHLY;BYDAY=2TU", "due", "every RRULE:FREQ=MONTHLY;BYDAY=2TU"),
        ("FREQ=DAILY;COUNT=3", "due", "every RRULE:FREQ=DAILY;COUNT=3"),
    ],
)
def test_a_rule_is_said_in_words_or_as_itself(rule: str, counts_from: str, said: str) -> None:
    assert words(rule, counts_from) == said
