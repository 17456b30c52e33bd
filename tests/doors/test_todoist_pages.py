"""Many tasks, which PostgreSQL writes, say of each what the task itself says, which Python writes."""

from typing import Any

import httpx
import pytest

from tests.support.people import Person

API = "/api/v1"
SYNC = {"sync_token": "*", "resource_types": ["items"]}
# A line break would end a part of what PostgreSQL answers, and a percent sign is a place in its templates.
HOSTILE = "100 %s %1$s %% {} \\n \" ' 日本 👩\u200d🚀 \u2028"
DAY, INSTANT = {"due_on": "2026-12-01"}, {"due_at": "2026-12-01T09:00:00.123456Z"}
KINDS: list[dict[str, Any]] = [
    {},
    {"title": HOSTILE, "description": f"{HOSTILE}\r\n\ttwo\n", "labels": ["a,b", '"', "50 %", "ü"]},
    *({"priority": word} for word in ("low", "medium", "high", "urgent")),
    *({"due_on": day} for day in ("0001-01-02", "2026-12-01", "9999-12-30")),
    *({"due_at": at} for at in ("0001-01-02T00:00:00Z", INSTANT["due_at"], "9999-12-30T23:59:59.999999Z")),
    *(
        {**due, "recurrence": {"rule": rule}}
        for due in (DAY, INSTANT)
        for rule in ("FREQ=DAILY", "FREQ=WEEKLY;COUNT=3")
    ),
    {**DAY, "recurrence": {"rule": "FREQ=WEEKLY;INTERVAL=2", "from": "completion"}},
    {**INSTANT, "recurrence": {"rule": "FREQ=MONTHLY;BYDAY=2TU", "timezone": "America/New_York"}},
]


async def _page(person: Person, path: str, member: str = "results", **query: Any) -> list[dict[str, Any]]:
    response = await person.http.get(f"{API}/{path}", params=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()[member]
    return found


async def _each(person: Person, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answers: list[httpx.Response] = [await person.http.get(f"{API}/tasks/{task['id']}") for task in page]
    return [answer.json() for answer in answers]


@pytest.fixture
async def kinds(alice: Person) -> list[dict[str, Any]]:
    """Make a task of each kind, some of them in a list or below another."""
    home = await alice.list("Home")
    above = await alice.task("above", list_id=home["id"])
    made = [await alice.task(**kind) for kind in KINDS]
    return [above, *made, await alice.task("below", list_id=home["id"], parent_id=above["id"])]


async def test_active_tasks_are_the_same_in_a_page(alice: Person, kinds: list[dict[str, Any]]) -> None:
    page = await _page(alice, "tasks", limit=200)

    assert [task["id"] for task in page] == [task["id"] for task in kinds]
    assert page == await _each(alice, page)
    assert len({task["child_order"] for task in page}) >= len(KINDS)


async def test_tasks_of_a_filter_are_the_same_in_a_page(alice: Person, kinds: list[dict[str, Any]]) -> None:
    page = await _page(alice, "tasks/filter", query="recurring & !no date")

    assert {task["due"]["string"] for task in page} >= {
        "every day",
        "every! 2 weeks",
        "every RRULE:FREQ=MONTHLY;BYDAY=2TU",
    }
    assert page == await _each(alice, page)


async def test_completed_tasks_are_the_same_in_a_page(alice: Person, kinds: list[dict[str, Any]]) -> None:
    for task in kinds:
        done = await alice.http.post(f"{API}/tasks/{task['id']}/close")
        assert done.status_code == 204, done.text

    span = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
    page = await _page(alice, "tasks/completed/by_completion_date", "items", limit=200, **span)

    assert len(page) >= len(KINDS)
    assert {task["completed_by_uid"] for task in page} == {alice.id}
    assert page == await _each(alice, page)


async def test_tasks_of_a_sync_are_the_same(alice: Person, kinds: list[dict[str, Any]]) -> None:
    whole = (await alice.http.post(f"{API}/sync", json=SYNC)).json()

    assert len(whole["items"]) == len(kinds)
    assert whole["items"] == await _each(alice, whole["items"])

    for task in kinds:
        await alice.http.post(f"{API}/tasks/{task['id']}/close")
    since = (await alice.http.post(f"{API}/sync", json=SYNC | {"sync_token": whole["sync_token"]})).json()

    assert not since["full_sync"]
    assert len(since["items"]) >= len(kinds)
    assert since["items"] == await _each(alice, since["items"])
