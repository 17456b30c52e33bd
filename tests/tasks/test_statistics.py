"""Statistics: figures in the owner's days, in one round trip."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasks.statistics import Statistics
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.database.client.connection import Connection

NOTHING = {
    "open": 0,
    "overdue": 0,
    "due_today": 0,
    "completed": {"today": 0, "days_7": 0, "days_30": 0},
    "by_list": [{"list_id": None, "open": 0}],
    "by_priority": {"none": 0, "low": 0, "medium": 0, "high": 0, "urgent": 0},
}


async def statistics(person: Person) -> dict[str, Any]:
    answer = await person.http.get("/v1/me/statistics")
    assert answer.status_code == 200, answer.text
    Statistics.model_validate(answer.json(), strict=False)
    found: dict[str, Any] = answer.json()
    return found


async def test_account_without_tasks_has_nothing_to_count(alice: Person, bob: Person) -> None:
    await bob.task(due_on="2020-01-01")

    assert await statistics(alice) == NOTHING


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "UTC"])
async def test_figures_are_counted_in_the_owners_days(alice: Person, zone: str) -> None:
    await alice.http.patch("/v1/me", json={"timezone": zone})
    now = datetime.now(ZoneInfo(zone))
    today, midnight = now.date(), datetime.combine(now.date(), time.min, ZoneInfo(zone))
    tonight = datetime.combine(now.date(), time(23, 59, 59, 999_999), ZoneInfo(zone)).astimezone(UTC).isoformat()
    await alice.task("yesterday", due_on=(today - timedelta(1)).isoformat(), priority="low")
    await alice.task("today", due_on=today.isoformat(), priority="high")
    await alice.task("tonight", due_at=tonight, priority="high")
    await alice.task("tomorrow", due_on=(today + timedelta(1)).isoformat())
    await alice.task("never")
    await alice.http.delete(f"/v1/tasks/{(await alice.task('deleted', due_on=today.isoformat()))['id']}")
    done = [await alice.task(f"done {number}", is_completed=True, due_on=today.isoformat()) for number in range(6)]
    ago = [timedelta(0), timedelta(microseconds=-1), timedelta(-6), timedelta(-6, microseconds=-1), timedelta(-29)]
    with connect() as connection:
        for task, shift in zip(done, [*ago, timedelta(-29, microseconds=-1)], strict=True):
            whole = timedelta(shift.days if shift.microseconds == 0 else shift.days + 1)
            moment = datetime.combine(today + whole, time.min, midnight.tzinfo) + (shift - whole)
            connection.execute("UPDATE tasks SET completed_at = %s WHERE id = %s", [moment.astimezone(UTC), task["id"]])

    found = await statistics(alice)

    assert found == {
        "open": 5,
        "overdue": 1,
        "due_today": 2,
        "completed": {"today": 1, "days_7": 3, "days_30": 5},
        "by_list": [{"list_id": None, "open": 5}],
        "by_priority": {"none": 2, "low": 1, "medium": 0, "high": 2, "urgent": 0},
    }


async def test_figures_agree_with_the_lists(alice: Person) -> None:
    for number in range(20):
        due = [{}, {"due_on": "2020-01-01"}, {"due_at": datetime.now(UTC).isoformat()}][number % 3]
        await alice.task(f"{number}", is_completed=number % 4 == 0, **due)
    found = await statistics(alice)

    for name, query in (
        ("open", {"is_completed": "false"}),
        ("overdue", {"overdue": "true"}),
        ("due_today", {"is_completed": "false", "due_on": "today"}),
    ):
        counted = await alice.http.get("/v1/tasks", params={**query, "include": "total"})
        assert found[name] == counted.json()["total"], name


async def test_open_tasks_are_counted_by_list(alice: Person) -> None:
    one, two, three = [
        (await alice.http.post("/v1/lists", json={"name": name})).json()["id"] for name in ("One", "Two", "Three")
    ]
    for list_id, count in ((one, 2), (two, 1), (None, 3)):
        for _ in range(count):
            await alice.task(list_id=list_id)
    await alice.task(list_id=three, is_completed=True)
    await alice.http.patch(f"/v1/lists/{two}", json={"is_archived": True})

    found = await statistics(alice)

    assert found["by_list"][0] == {"list_id": None, "open": 3}
    assert {row["list_id"]: row["open"] for row in found["by_list"]} == {None: 3, one: 2, two: 1}
    assert (found["open"], found["completed"]["today"]) == (6, 1)


async def test_statistics_are_one_round_trip(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    send = Connection.send

    async def counting(self: Connection, commands: Any, *, edition: bytes | None) -> Any:
        sent.append(len(commands))
        return await send(self, commands, edition=edition)

    monkeypatch.setattr(Connection, "send", counting)
    await statistics(alice)

    assert sent == [2]


async def test_statistics_need_the_scope_of_reading_tasks(alice: Person) -> None:
    reader, other = await alice.token_for("tasks:read"), await alice.token_for("account")

    assert (await alice.http.get("/v1/me/statistics", headers=reader)).status_code == 200
    assert_problem(await alice.http.get("/v1/me/statistics", headers=other), 403)
