"""Filters of lists: the owner's days, relative days, repeated values, and orders of several keys."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasks.queries import pages as paging
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_tasks import pages

NEW_YORK = ZoneInfo("America/New_York")


async def titles(person: Person, **query: Any) -> list[str]:
    return sorted(task["title"] for task in await pages(person.http, **query))


async def live_in(person: Person, zone: str) -> None:
    assert (await person.http.patch("/v1/me", json={"timezone": zone})).status_code == 200


def today_in(zone: str) -> date:
    with connect() as connection:
        row = connection.execute("SELECT (now() AT TIME ZONE %s)::date", [zone]).fetchone()
    assert row is not None
    today: date = row[0]
    return today


async def evening(person: Person, day: date) -> None:
    """Give somebody in New York tasks around a day: the instant of tonight is tomorrow's in UTC."""
    await live_in(person, "America/New_York")
    for title, shift, hour in (
        ("last night", -1, 23),
        ("first minute", 0, 0),
        ("tonight", 0, 23),
        ("next morning", 1, 0),
    ):
        local = datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK) + timedelta(days=shift)
        await person.task(title, due_at=local.astimezone(UTC).isoformat())
    for title, shift in (("day before", -1), ("the day", 0), ("day after", 1)):
        await person.task(title, due_on=(day + timedelta(days=shift)).isoformat())
    await person.task("never")


BEFORE, DURING, AFTER = (
    ["day before", "last night"],
    ["first minute", "the day", "tonight"],
    ["day after", "next morning"],
)


@pytest.mark.parametrize("day", ["2026-07-01", "2026-11-01", "2026-03-08"])  # two of them are 25 and 23 hours long
async def test_day_in_a_filter_is_the_owners(alice: Person, day: str) -> None:
    await evening(alice, date.fromisoformat(day))

    assert await titles(alice, due_on=day) == DURING
    assert await titles(alice, due_before=day) == BEFORE
    assert await titles(alice, due_after=day) == AFTER
    assert await titles(alice, due_after=day, due_before=day) == []


async def test_relative_days_are_the_owners(alice: Person) -> None:
    today = today_in("America/New_York")
    await evening(alice, today)

    assert await titles(alice, due_on="today") == DURING
    assert await titles(alice, due_on="tomorrow") == AFTER
    assert await titles(alice, due_on="+1d") == AFTER
    assert await titles(alice, due_on="-1d") == BEFORE
    assert await titles(alice, due_before="today") == BEFORE
    assert await titles(alice, due_after="-1d", due_before="tomorrow") == DURING
    assert await titles(alice, due_before="+7d") == sorted(BEFORE + DURING + AFTER)


async def test_instant_in_a_filter_meets_days_where_they_begin_for_the_owner(alice: Person) -> None:
    await evening(alice, date(2026, 7, 1))

    assert await titles(alice, due_before="2026-07-01T04:00:00Z") == BEFORE  # midnight in New York
    assert await titles(alice, due_before="2026-07-01T04:00:00.000001Z") == sorted([*BEFORE, "first minute", "the day"])
    assert await titles(alice, due_after="2026-07-01T03:59:59Z") == sorted(DURING + AFTER)
    assert await titles(alice, due_after="2026-07-01T04:00:00Z") == sorted(["tonight", *AFTER])


async def test_day_that_begins_twice_begins_the_first_time(alice: Person) -> None:
    """In Havana one o'clock became midnight again on 1 November 2026."""
    await live_in(alice, "America/Havana")
    await alice.task("before", due_at="2026-11-01T03:59:00Z")
    await alice.task("first midnight", due_at="2026-11-01T04:30:00Z")
    await alice.task("second midnight", due_at="2026-11-01T05:30:00Z")

    assert await titles(alice, due_on="2026-11-01") == ["first midnight", "second midnight"]


async def test_ends_of_the_calendar_can_be_asked_for(alice: Person) -> None:
    await live_in(alice, "Pacific/Kiritimati")
    for day in ("0001-01-02", "9999-12-30"):
        await alice.task(day, due_on=day)
        assert await titles(alice, due_on=day) == [day]
    assert await titles(alice, due_after="0001-01-02", due_before="9999-12-30") == []
    assert await titles(alice, due_before="+9999d") == ["0001-01-02"]


async def test_what_a_day_meant_travels_in_the_cursor(alice: Person) -> None:
    """Midnight passes, or the owner travels, between two pages: they are pages of one list all the same."""
    await live_in(alice, "Pacific/Kiritimati")
    today = today_in("Pacific/Kiritimati")
    for number in range(4):
        await alice.task(f"{number}", due_on=today.isoformat())
    query = {"due_on": "today", "limit": "1", "sort": "title"}
    page, seen = (await alice.http.get("/v1/tasks", params=query)).json(), []
    await live_in(alice, "Etc/GMT+12")

    for _ in range(4):
        seen += [task["title"] for task in page["items"]]
        if page["next_cursor"]:
            page = (await alice.http.get("/v1/tasks", params=query | {"cursor": page["next_cursor"]})).json()

    assert seen == ["0", "1", "2", "3"]
    assert await titles(alice, due_on="today") == []
    other = query | {"due_on": "tomorrow"}
    cursor = (await alice.http.get("/v1/tasks", params={**query, "due_on": today.isoformat()})).json()["next_cursor"]
    assert_problem(await alice.http.get("/v1/tasks", params={**other, "cursor": cursor}), 400)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("due_before=tomorow", "today, tomorrow or +7d, or a time like"),
        ("due_on=soon", "a day like 2026-11-22, or today, tomorrow or +7d."),
        ("due_on=+7d", "%2B7d"),
        ("due_before=+7d", "%2B7d"),
        ("created_after=2026-01-01T00:00:00+01:00", "%2B"),
        ("due_before=2026-01-01T00:00:00+01:00", "%2B"),
        ("due_on=2026-02-30", "no such day"),
        ("sort=when", "created_at, updated_at, due, priority, title"),
        ("sort=due,due", "each once"),
    ],
)
async def test_refusal_names_what_may_be_given(alice: Person, query: str, says: str) -> None:
    problem = assert_problem(await alice.http.get(f"/v1/tasks?{query}"), 422)

    assert problem["errors"][0]["parameter"] == query.split("=")[0]
    assert says in problem["errors"][0]["detail"]


async def test_any_of_several_priorities(alice: Person) -> None:
    for priority in ("none", "low", "high", "urgent"):
        await alice.task(priority, priority=priority)

    assert await titles(alice, priority=["high", "urgent"]) == ["high", "urgent"]
    assert await titles(alice, priority=["high", "urgent"], limit=1, sort="priority") == ["high", "urgent"]
    assert await titles(alice, priority="low") == ["low"]
    problem = assert_problem(await alice.http.get("/v1/tasks?priority=high&priority=highest"), 422)
    assert problem["errors"][0]["parameter"] == "priority"
    assert_problem(await alice.http.get("/v1/tasks?limit=1&limit=2"), 422)


async def test_having_a_due_and_having_none(alice: Person) -> None:
    await alice.task("day", due_on="2026-12-01")
    await alice.task("instant", due_at="2026-12-01T08:00:00Z")
    await alice.task("never")

    assert await titles(alice, has_due="true") == ["day", "instant"]
    assert await titles(alice, has_due="false") == ["never"]


async def test_when_a_task_was_completed(alice: Person) -> None:
    await alice.task("open")
    first, second = [await alice.task(title, is_completed=True) for title in ("first", "second")]

    assert await titles(alice, completed_after="2020-01-01T00:00:00Z") == ["first", "second"]
    assert await titles(alice, completed_after=first["completed_at"]) == ["second"]
    assert await titles(alice, completed_before=second["completed_at"]) == ["first"]


KEYS = {
    "priority": lambda task: ["none", "low", "medium", "high", "urgent"].index(task["priority"]),
    "due": lambda task: task["due_on"] or "9999-12-31",
    "title": lambda task: task["title"].lower(),
    "created_at": lambda task: task["created_at"],
}


@pytest.mark.parametrize(
    "sort",
    ["priority,due,title", "-priority,due,-title", "due,-priority", "-due,-title,-priority", "title,-created_at"],
)
async def test_orders_of_several_keys_page_by_page(alice: Person, sort: str) -> None:
    for number in range(24):
        due = [None, "2026-12-01", "2026-12-02"][number % 3]
        await alice.task(f"Title {number % 2}", priority=["low", "high"][number % 4 // 2], due_on=due)
    tasks = await pages(alice.http, limit=200)

    # Sorting is stable: by the last key first.
    words = sort.split(",")
    expected = sorted(tasks, key=lambda task: task["id"], reverse=words[-1].startswith("-"))
    for word in reversed(words):
        expected.sort(key=KEYS[word.removeprefix("-")], reverse=word.startswith("-"))
    for limit in (1, 5, 200):
        listed = await pages(alice.http, sort=sort, limit=limit)
        assert [task["id"] for task in listed] == [task["id"] for task in expected], limit
    total = (await alice.http.get(f"/v1/tasks?sort={sort}&limit=3&include=total")).json()
    assert (total["total"], [task["id"] for task in total["items"]]) == (24, [task["id"] for task in expected[:3]])


async def test_cursor_of_another_order_or_of_other_columns_is_refused(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await alice.task(f"Task {number}")
    cursor = (await alice.http.get("/v1/tasks?limit=1&sort=due,title")).json()["next_cursor"]

    assert (await alice.http.get("/v1/tasks", params={"sort": "due,title", "cursor": cursor})).status_code == 200
    for other in ("title,due", "due", "due,-title", "due,title,priority"):
        problem = assert_problem(await alice.http.get("/v1/tasks", params={"sort": other, "cursor": cursor}), 400)
        assert problem["code"] == "invalid-cursor"
    monkeypatch.setitem(paging._SORT_COLUMNS, "due", "due_at")
    assert_problem(await alice.http.get("/v1/tasks", params={"sort": "due,title", "cursor": cursor}), 400)
