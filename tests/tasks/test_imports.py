"""Files of tasks into an account and out of it again: as the owner, through the statements that the API has."""

import re
import uuid
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import tokens
from tasks.formats import todotxt
from tasks.formats.items import Contents
from tasks.queries.exports import export_items
from tasks.queries.imports import Report, import_contents
from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.database.client.statement import Credentials


def credentials(person: Person) -> Credentials:
    found = tokens.parse(person.token)
    assert found is not None
    return found


async def bring(person: Person, *lines: str, zone: str = "UTC", **options: Any) -> Report:
    contents = Contents(*todotxt.parse("\n".join(lines).encode()))
    return await import_contents(credentials(person), contents, ZoneInfo(zone), source="todo.txt", **options)


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
    fortnightly = {"rule": "FREQ=WEEKLY;INTERVAL=2", "missed": "keep"}
    postponed = await person.task("Mow", due_on="2027-01-04", recurrence=fortnightly, external_id="a b/1")
    await person.http.patch(f"/v1/tasks/{postponed['id']}", json={"due_on": "2027-01-09"})
    hourly = await person.task("Feed", due_at="2027-01-04T08:00:00.000001Z", recurrence=fortnightly)
    await person.http.patch(f"/v1/tasks/{hourly['id']}", json={"due_at": "2027-01-04T09:30:00Z"})
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
    "occurrence",
    "reminders",
)


async def test_export_into_another_account_is_the_same_there(alice: Person, bob: Person) -> None:
    await full_account(alice)
    exported = await lines_of(alice, "Asia/Kathmandu")

    report = await bring(bob, *exported, zone="Asia/Kathmandu")

    assert counts(report) == (8, 0, 0, 0)
    assert (report.lists, report.changed) == (["Home, sweet home"], [])
    theirs, ours = await tasks_of(bob), await tasks_of(alice)
    assert [*theirs] == [*ours]
    for title, task in ours.items():
        assert {name: theirs[title][name] for name in _KEPT} == {name: task[name] for name in _KEPT}, title
    assert theirs["Windows"]["parent_id"] == theirs["Clean +everything"]["id"]
    assert theirs["Paid"]["completed_at"][:10] == "2026-11-21"  # the day that it was in Kathmandu
    assert theirs["Mow"]["external_id"] == "a b/1"
    again = await lines_of(bob, "Asia/Kathmandu")
    assert [line.split(" uuid:")[0] for line in again] == [line.split(" uuid:")[0] for line in exported]


async def test_own_export_changes_nothing_and_an_edited_line_what_was_edited(alice: Person) -> None:
    await full_account(alice)
    before, exported = await tasks_of(alice), await lines_of(alice)
    assert counts(await bring(alice, *exported)) == (0, 0, 8, 0)
    assert await tasks_of(alice) == before

    edited = [
        line.replace("two%0Alines", "one").replace("(A) ", "(B) ").replace(" pri:urgent", "") for line in exported
    ]
    assert counts(await bring(alice, *edited)) == (0, 2, 6, 0)
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


async def test_task_is_as_old_as_its_file_says_and_no_newer_than_now(alice: Person) -> None:
    zone, today = "Pacific/Kiritimati", datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    lines = [
        f"2020-02-29 Old +Home @a due:2027-01-04 uuid:{uuid.uuid4()}",
        f"x 2020-03-01 2020-02-29 Done uuid:{uuid.uuid4()}",
        f"0001-01-02 First uuid:{uuid.uuid4()}",
        f"{today} Today uuid:{uuid.uuid4()}",
        f"9999-12-30 Last uuid:{uuid.uuid4()}",
    ]
    before = datetime.now(UTC)

    report = await bring(alice, *lines, zone=zone)

    assert [(notice.line, notice.code) for notice in report.changed] == [(5, "not-kept")]
    found = await tasks_of(alice)
    made = {title: datetime.fromisoformat(task["created_at"]) for title, task in found.items()}
    assert made["Old"] == made["Done"] == datetime(2020, 2, 28, 22, tzinfo=UTC)
    assert before <= made["Last"] <= datetime.fromisoformat(found["Last"]["updated_at"]) <= datetime.now(UTC)
    assert made["Today"] <= datetime.now(UTC)
    exported = await lines_of(alice, zone)
    made_then = [line.split(" uuid:")[0] for line in exported]
    assert {line.split(" uuid:")[0] for line in lines[:4]} <= {*made_then}
    assert [notice.code for notice in (await bring(alice, *lines, zone=zone)).changed] == ["not-kept"]
    # It never changes after, and no client says it.
    moved = await bring(alice, lines[0].replace("2020-02-29", "2021-01-01"), zone=zone)
    assert (counts(moved), [notice.member for notice in moved.changed]) == ((0, 0, 1, 0), ["created_at"])
    answer = await alice.http.post("/v1/tasks", json={"title": "x", "created_at": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 422


async def test_task_is_found_by_its_external_id_whatever_else_it_says(alice: Person, bob: Person) -> None:
    await bring(alice, "Buy milk external:4711", "Twice external:4711", "Plain")
    found = await tasks_of(alice)
    assert (found["Buy milk"]["external_id"], found["Twice"]["external_id"] != "4711") == ("4711", True)

    assert counts(await bring(alice, "Buy oat milk external:4711")) == (0, 1, 0, 0)
    exported = await lines_of(alice)
    assert counts(await bring(bob, *exported)) == (3, 0, 0, 0)
    assert [line.split("uuid:")[1][36:] for line in await lines_of(bob)] == [
        line.split("uuid:")[1][36:] for line in exported
    ]
    # One that another task has is not taken from it.
    clash = f"Plain uuid:{found['Plain']['id']} external:4711"
    assert [notice.code for notice in (await bring(alice, clash)).left_out] == ["tasks_external_id_unique"]


_TITLES = st.sampled_from(["Buy milk", "(A) +x", "x", "Call due:soon", "Ärger 🐄"])
_DAYS = st.dates(date(1990, 1, 1), date(2060, 1, 1)).map(str)
_TASKS = st.fixed_dictionaries(
    {"title": _TITLES},
    optional={
        "description": st.sampled_from(["two\nlines", "50%"]),
        "priority": st.sampled_from(["low", "medium", "high", "urgent"]),
        "labels": st.lists(st.sampled_from(["a b", "Käse", "a/b", "%2F", "@x"]), max_size=3, unique=True),
        "starts_on": _DAYS,
        "due_on": _DAYS,
        "reminders": st.just([{"minutes_before": 5}]),
        "recurrence": st.sampled_from(
            [
                {"rule": "FREQ=DAILY"},
                {"rule": "FREQ=MONTHLY;BYDAY=-1FR;COUNT=9", "missed": "keep"},
                {"rule": "FREQ=WEEKLY;INTERVAL=2", "from": "completion", "timezone": "Asia/Tokyo"},
            ]
        ),
    },
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=st.lists(st.tuples(_TASKS, st.booleans(), st.sampled_from(["", "Home", "a  b", "+@%"])), max_size=8))
async def test_account_is_the_same_after_any_file_of_it(alice: Person, bob: Person, tasks: list[Any]) -> None:
    """Into an account of its own, and out of it again: the same lines but for the ids of the tasks."""
    lists: dict[str, str] = {}
    operations = []
    for task, is_completed, name in tasks:
        members = dict(task) if "due_on" in task else {**task, "recurrence": None}
        if name:
            lists[name] = lists.get(name) or str(uuid.uuid4())
            members["list_id"] = lists[name]
        if is_completed:
            members |= {"is_completed": True, "recurrence": None}
        operations.append({"op": "create", "data": {"external_id": str(uuid.uuid4()), **members}})
    new = [{"op": "create", "kind": "list", "id": each, "data": {"name": name}} for name, each in lists.items()]
    for person in (alice, bob):
        await empty(person)
    if operations:
        made = await alice.http.post("/v1/tasks/batch", json={"operations": [*new, *operations]})
        assert made.status_code == 200, made.text
    exported = await lines_of(alice)

    report = await bring(bob, *exported)

    assert (counts(report), report.changed) == ((len(tasks), 0, 0, 0), [])
    again = await lines_of(bob)
    assert [without_id(line) for line in again] == [without_id(line) for line in exported]
    for person, lines in ((alice, exported), (bob, again)):
        assert counts(await bring(person, *lines)) == (0, 0, len(tasks), 0)


def without_id(line: str) -> str:
    return re.sub(r" uuid:[0-9a-f-]{36}", "", line)


async def empty(person: Person) -> None:
    """Put all lists away with what is in them, and all tasks; their external ids with them."""
    with connect(autocommit=True) as session:
        session.execute("DELETE FROM tasks WHERE user_id = %s", [person.id])
        session.execute("DELETE FROM lists WHERE user_id = %s", [person.id])


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
    assert [(notice.line, notice.code) for notice in report.changed] == [
        (5, "copied"),
        (4, "no-parent"),
        (2, "parent-list"),
    ]
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
    told = (await bring(alice, *deep)).changed
    assert [(notice.line, notice.code) for notice in told] == [(1, "no-parent"), (6, "too-deep"), (7, "too-deep")]
    found = await tasks_of(alice)
    assert [found[name]["parent_id"] for name in "567"] == [found["4"]["id"]] * 3


async def test_completed_line_moves_a_series_once(alice: Person) -> None:
    series = str(uuid.uuid4())
    line = f"Water due:2026-01-05 rec:+1w uuid:{series}"
    await bring(alice, line)

    for expected in ((0, 1, 0, 0), (0, 0, 1, 0)):
        assert counts(await bring(alice, f"x 2026-01-05 {line}")) == expected

    page = (await alice.http.get("/v1/tasks?limit=200")).json()["items"]
    assert sorted(task["due_on"] for task in page) == ["2026-01-05", "2026-01-12"]


async def test_what_is_in_the_trash_is_left_there_and_what_breaks_a_rule_is_told(alice: Person) -> None:
    await bring(alice, "Gone", into="New")
    gone = (await tasks_of(alice))["Gone"]
    await alice.http.delete(f"/v1/tasks/{gone['id']}")

    report = await bring(alice, "Gone", "Odd due:2027-01-01 rrule:FREQ=DAILY|timezone=Mars/Olympus", "Fine", into="New")

    assert counts(report) == (1, 0, 0, 2)
    assert [(notice.line, notice.code) for notice in report.left_out] == [(1, "task-deleted"), (2, "timezone")]
    assert (await tasks_of(alice))["Fine"]["list_id"] is not None


async def test_import_that_was_interrupted_goes_on_where_it_stopped(alice: Person) -> None:
    lines = [f"Task {number}" for number in range(700)]

    def end(step: str) -> None:
        if step.startswith("writing"):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await bring(alice, *lines, tell=end)

    assert counts(await bring(alice, *lines)) == (600, 0, 100, 0)


async def test_nobody_elses_tasks_are_met_by_their_ids(alice: Person, bob: Person) -> None:
    task = await alice.task("Hers")

    report = await bring(bob, f"His uuid:{task['id']}")

    assert counts(report) == (1, 0, 0, 0)
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task
    assert (await tasks_of(bob))["His"]["id"] != task["id"]
