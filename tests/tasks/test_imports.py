"""Files of tasks into an account and out of it again: as the owner, through the statements that the API has."""

import uuid
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts import tokens
from tasks.formats import todotxt
from tasks.queries.exports import export_items
from tasks.queries.imports import Report, import_items
from tests.support.people import Person
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials


def credentials(person: Person) -> Credentials:
    found = tokens.parse(person.token)
    assert found is not None
    return found


async def bring(person: Person, *lines: str, zone: str = "UTC", **options: Any) -> Report:
    items, told = todotxt.parse("\n".join(lines).encode())
    return await import_items(pool, credentials(person), items, told, ZoneInfo(zone), source="todo.txt", **options)


async def lines_of(person: Person, zone: str = "UTC") -> list[str]:
    return [todotxt.write(item) async for item in export_items(credentials(person), ZoneInfo(zone))]


async def tasks_of(person: Person) -> dict[str, dict[str, Any]]:
    page = (await person.http.get("/v1/tasks?limit=200&sort=position")).json()
    assert page["next_cursor"] is None
    return {task["title"]: task for task in page["items"]}


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, len(report.left_out)


async def full_account(person: Person) -> None:
    """Make something of everything that a task can be."""
    home = await person.list("Home, sweet home")
    top = await person.task("Clean +everything", list_id=home["id"], labels=["a b", "50%"], priority="urgent")
    await person.task("Windows", parent_id=top["id"], description="two\nlines", starts_on="2027-01-01")
    await person.task("Call", due_at="2027-03-28T01:30:00.123456Z", reminders=[{"minutes_before": 15}])
    weekly = {"rule": "FREQ=WEEKLY;BYDAY=MO", "missed": "keep", "timezone": "Europe/Berlin"}
    await person.task("Water", due_on="2027-01-04", recurrence=weekly)
    await person.task("Every other day", due_on="2027-01-04", recurrence={"rule": "FREQ=DAILY;INTERVAL=2"})
    done = await person.task("Paid", priority="low")
    await person.http.post(f"/v1/tasks/{done['id']}/complete", json={"completed_at": "2026-11-20T23:30:00Z"})


_KEPT = (
    "description",
    "is_completed",
    "priority",
    "labels",
    "starts_on",
    "due_on",
    "due_at",
    "recurrence",
    "reminders",
)


async def test_export_into_another_account_is_the_same_there(alice: Person, bob: Person) -> None:
    await full_account(alice)
    exported = await lines_of(alice, "Asia/Kathmandu")

    report = await bring(bob, *exported, zone="Asia/Kathmandu")

    assert counts(report) == (6, 0, 0, 0)
    assert (report.lists, [notice.code for notice in report.changed]) == (["Home, sweet home"], ["not-kept"])
    theirs, ours = await tasks_of(bob), await tasks_of(alice)
    assert [*theirs] == [*ours]
    for title, task in ours.items():
        assert {name: theirs[title][name] for name in _KEPT} == {name: task[name] for name in _KEPT}, title
    assert theirs["Windows"]["parent_id"] == theirs["Clean +everything"]["id"]
    assert theirs["Paid"]["completed_at"][:10] == "2026-11-21"  # the day that it was in Kathmandu
    again = await lines_of(bob, "Asia/Kathmandu")
    assert [line.split(" uuid:")[0] for line in again] == [line.split(" uuid:")[0] for line in exported]


async def test_own_export_changes_nothing_and_an_edited_line_what_was_edited(alice: Person) -> None:
    await full_account(alice)
    before, exported = await tasks_of(alice), await lines_of(alice)
    assert counts(await bring(alice, *exported)) == (0, 0, 6, 0)
    assert await tasks_of(alice) == before

    edited = [
        line.replace("two%0Alines", "one").replace("(A) ", "(B) ").replace(" pri:urgent", "") for line in exported
    ]
    assert counts(await bring(alice, *edited)) == (0, 2, 4, 0)
    after = await tasks_of(alice)
    assert (after["Windows"]["description"], after["Clean +everything"]["priority"]) == ("one", "medium")
    assert after["Water"] == before["Water"]


async def test_same_file_a_second_time_changes_nothing(alice: Person) -> None:
    today = datetime.now(UTC).date()
    lines = [
        "(A) Call mum +Home @phone due:2027-01-02",
        "Buy milk",
        "Buy milk",
        f"x {today} Pay",
        "x 2020-02-29 2020-01-01 Old",
    ]

    assert counts(await bring(alice, *lines, dry_run=True)) == (5, 0, 0, 0)
    assert await tasks_of(alice) == {}
    first = await bring(alice, *lines)
    assert (counts(first), first.lists) == ((5, 0, 0, 0), ["Home"])
    assert len(first.actions) == 1
    before = (await alice.http.get("/v1/tasks?limit=200")).json()
    second = await bring(alice, *lines)

    assert (counts(second), second.lists, second.actions) == ((0, 0, 5, 0), [], [])
    assert (await alice.http.get("/v1/tasks?limit=200")).json() == before
    found = await tasks_of(alice)
    assert (found["Old"]["completed_at"], found["Pay"]["completed_at"][:10]) == (
        "2020-02-29T12:00:00.000000Z",
        str(today),
    )
    # What is done since is not undone by a line that has no id of its own; one that is done by now is completed.
    await alice.http.post(f"/v1/tasks/{found['Call mum']['id']}/complete")
    assert counts(await bring(alice, lines[0], "x Buy milk", "(B) Buy milk")) == (0, 2, 1, 0)
    undone = await alice.http.post(f"/v1/changes/{first.actions[0]}/undo")
    assert undone.status_code == 409  # they have changed since


async def test_parents_come_first_wherever_they_stand(alice: Person) -> None:
    a, b, c, stranger = (str(uuid.uuid4()) for _ in range(4))
    lines = [
        f"low uuid:{c} parent:{b}",
        f"middle uuid:{b} parent:{a} +Elsewhere",
        f"x 2026-01-02 top uuid:{a} +Home",
        f"lost parent:{stranger}",
        f"copied uuid:{a}",
    ]

    report = await bring(alice, *lines)

    assert counts(report) == (5, 0, 0, 0)
    assert [(notice.line, notice.code) for notice in report.changed] == [(5, "copied"), (4, "no-parent")]
    found = await tasks_of(alice)
    assert found["low"]["parent_id"] == found["middle"]["id"]
    assert found["middle"]["parent_id"] == found["top"]["id"]
    assert {found[title]["list_id"] is None for title in ("low", "middle", "top")} == {False}
    assert found["low"]["is_completed"]  # as completing the top does
    circle = await bring(
        alice, f"one uuid:{b[:-4]}0001 parent:{b[:-4]}0002", f"two uuid:{b[:-4]}0002 parent:{b[:-4]}0001"
    )
    assert [notice.code for notice in circle.changed] == ["circle", "circle"]
    deep = [f"{number} uuid:{number:032x} parent:{number - 1:032x}" for number in range(1, 8)]
    assert [notice.code for notice in (await bring(alice, *deep)).left_out] == [
        "tasks_parent_depth",
        "tasks_parent_exists",
    ]


async def test_completed_line_moves_a_series_once(alice: Person) -> None:
    series = str(uuid.uuid4())
    line = f"Water due:2026-01-05 rec:+1w uuid:{series}"
    await bring(alice, line)

    for expected in ((0, 1, 0, 0), (0, 0, 1, 0)):
        assert counts(await bring(alice, f"x 2026-01-05 {line}")) == expected

    page = (await alice.http.get("/v1/tasks?limit=200")).json()["items"]
    assert sorted(task["due_on"] for task in page) == ["2026-01-05", "2026-01-12"]


async def test_what_is_in_the_trash_is_left_there_and_what_breaks_a_rule_is_told(alice: Person) -> None:
    await bring(alice, "Gone")
    gone = (await tasks_of(alice))["Gone"]
    await alice.http.delete(f"/v1/tasks/{gone['id']}")

    report = await bring(alice, "Gone", "Odd due:2027-01-01 rrule:FREQ=DAILY|timezone=Mars/Olympus", "Fine", into="New")

    assert counts(report) == (1, 0, 0, 2)
    assert [(notice.line, notice.code) for notice in report.left_out] == [(1, "task-deleted"), (2, "timezone")]
    assert (await tasks_of(alice))["Fine"]["list_id"] is not None


async def test_import_that_was_interrupted_goes_on_where_it_stopped(alice: Person) -> None:
    lines = [f"Task {number}" for number in range(150)]

    def end(step: str) -> None:
        if step.startswith("writing"):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await bring(alice, *lines, tell=end)

    assert counts(await bring(alice, *lines)) == (50, 0, 100, 0)


async def test_nobody_elses_tasks_are_met_by_their_ids(alice: Person, bob: Person) -> None:
    task = await alice.task("Hers")

    report = await bring(bob, f"His uuid:{task['id']}")

    assert counts(report) == (1, 0, 0, 0)
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task
    assert (await tasks_of(bob))["His"]["id"] != task["id"]
