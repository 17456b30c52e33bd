"""Tasks that recur: kept, completed occurrence by occurrence, skipped, postponed; never twice, none passed unseen."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect, lock_queue

Task = dict[str, Any]
WEEKLY = {"rule": "FREQ=WEEKLY;BYDAY=MO,TH", "timezone": "Europe/Berlin", "missed": "keep"}


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert_problem(answer, status)
    assert answer.json()["code"] == code, answer.text


async def series(person: Person, due: str = "2027-01-04", rule: str = "FREQ=DAILY", **members: Any) -> Task:
    """Make a task that recurs, of which nothing is skipped because it is late."""
    how = {"rule": rule, "timezone": "Europe/Berlin", "missed": "keep"} | members.pop("recurrence", {})
    return await person.task("water", recurrence=how, **{"due_at" if "T" in due else "due_on": due}, **members)


async def act(person: Person, task: Task, verb: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return await person.http.post(f"/v1/tasks/{task['id']}/{verb}", json=body, headers=headers)


async def done(person: Person, task: Task, verb: str = "complete", **body: Any) -> Task:
    answer = await act(person, task, verb, **{"occurrence": task["occurrence"], **body})
    assert answer.status_code == 200, answer.text
    found: Task = answer.json()
    return found


async def now(person: Person, task: Task) -> Task:
    found: Task = (await person.http.get(f"/v1/tasks/{task['id']}")).json()
    return found


async def patch(person: Person, task: Task, **members: Any) -> httpx.Response:
    return await person.http.patch(f"/v1/tasks/{task['id']}", json=members)


async def copies(person: Person, task: Task) -> list[Task]:
    found = (await person.http.get("/v1/tasks?limit=200&is_completed=true&sort=created_at")).json()["items"]
    return [each for each in found if each["recurrence_of"] == task["id"]]


# --- What is kept ---------------------------------------------------------------------------------


async def test_task_that_recurs_is_answered_with_its_occurrence(alice: Person) -> None:
    task = await alice.task("x", due_on="2027-01-04", recurrence={"rule": "freq=weekly;byday=mo"})

    assert task["recurrence"] == {"rule": "FREQ=WEEKLY;BYDAY=MO", "from": "due", "timezone": "UTC", "missed": "skip"}
    assert (task["occurrence"], task["recurrence_of"]) == ("2027-01-04", None)
    assert await now(alice, task) == task
    assert (await alice.task("y"))["recurrence"] is None


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"recurrence": {"rule": "FREQ=DAILY"}}, "#/recurrence", "no_due"),
        ({"recurrence": {"rule": "FREQ=DAILY"}, "due_on": None}, "#/recurrence", "no_due"),
        ({"due_on": "2027-01-04", "recurrence": {}}, "#/recurrence/rule", "missing"),
        ({"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=HOURLY"}}, "#/recurrence/rule", "rule"),
        ({"due_on": "2027-01-04", "recurrence": {"rule": "{}"}}, "#/recurrence/rule", "rule"),
        ({"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY", "form": "due"}}, "#/recurrence/form", "unknown"),
        (
            {"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY", "from": "x"}},
            "#/recurrence/from",
            "literal_error",
        ),
        (
            {"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY", "timezone": "Mars/Base"}},
            "#/recurrence/timezone",
            "timezone",
        ),
        (
            {"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}},
            "#/recurrence/rule",
            "rule",
        ),
        ({"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=YEARLY;INTERVAL=999"}}, "#/recurrence/rule", "rule"),
        (
            {"due_at": "2027-01-04T08:00:00Z", "recurrence": {"rule": "FREQ=DAILY;UNTIL=20270110"}},
            "#/recurrence/rule",
            "rule",
        ),
        (
            {"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY;UNTIL=20270110T080000Z"}},
            "#/recurrence/rule",
            "rule",
        ),
        (
            {"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY"}, "is_completed": True},
            "#/is_completed",
            "recurring",
        ),
    ],
)
async def test_series_that_cannot_be_is_refused_and_nothing_is_kept(
    alice: Person, members: dict[str, Any], pointer: str, code: str
) -> None:
    task = await alice.task("plain")
    answers = [
        await alice.http.post("/v1/tasks", json={"title": "x", **members}),
        await patch(alice, task, **members),
        await alice.http.patch(f"/v1/tasks/by-external-id/{uuid.uuid4()}", json={"title": "x", **members}),
    ]

    for answer in answers:
        refused(answer, 422, "invalid")
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    assert await now(alice, task) == task
    assert len((await alice.http.get("/v1/tasks")).json()["items"]) == 1


async def test_rules_that_need_a_look_are_kept_where_they_go_on(alice: Person) -> None:
    for rule in (
        "FREQ=DAILY;UNTIL=20270110T080000Z",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;INTERVAL=60",
    ):
        task = await alice.task("x", due_at="2027-01-04T08:00:00Z")  # in a zone that only the database knows
        answer = await patch(alice, task, recurrence={"rule": rule})
        assert answer.json()["recurrence"]["rule"] == rule, answer.text
        assert (answer.headers["Affected"], answer.json()["version"]) == ("1", 2)


async def test_recurrence_is_merged_member_by_member(alice: Person) -> None:
    task = await series(alice, "2027-01-04T08:00:00Z", "FREQ=WEEKLY")

    changed = (await patch(alice, task, recurrence={"missed": "skip"})).json()
    assert changed["recurrence"] == task["recurrence"] | {"missed": "skip"}
    cleared = (await patch(alice, task, recurrence={"timezone": None, "missed": None})).json()
    assert cleared["recurrence"] == task["recurrence"] | {"timezone": "UTC", "missed": "skip"}
    refused(await patch(alice, task, recurrence={"rule": None}), 422, "invalid")
    assert (await patch(alice, task, recurrence=None)).json()["recurrence"] is None


async def test_put_keeps_a_series_that_it_does_not_name(alice: Person) -> None:
    task = await series(alice, reminders=[{"minutes_before": 5}])
    path, any_version = f"/v1/tasks/{task['id']}", {"If-Match": "*"}

    kept = (await alice.http.put(path, json={"title": "z", "due_on": "2027-01-05"}, headers=any_version)).json()
    assert (kept["recurrence"], kept["reminders"]) == (task["recurrence"], task["reminders"])
    assert (kept["occurrence"], kept["due_on"]) == ("2027-01-04", "2027-01-05"), "postponed"
    # Without a due nothing recurs.
    assert (await alice.http.put(path, json={"title": "z"}, headers=any_version)).json()["recurrence"] is None


async def test_clearing_the_due_ends_the_series_unless_it_is_named(alice: Person) -> None:
    task = await series(alice)

    refused(await patch(alice, task, due_on=None, recurrence={"missed": "keep"}), 422, "invalid")
    ended = (await patch(alice, task, due_on=None)).json()
    assert (ended["recurrence"], ended["occurrence"], ended["is_completed"]) == (None, None, False)


async def test_whole_task_may_come_back_as_it_was_given(alice: Person) -> None:
    task = await done(alice, await series(alice, "2027-01-04T07:30:00.123456Z"))
    copy, moved = task.pop("completed"), task

    for each in (copy, moved):
        path = f"/v1/tasks/{each['id']}"
        answer = await alice.http.put(path, json=each, headers={"If-Match": f'"{each["version"]}"'})
        assert answer.json() == each, answer.text
        assert (await alice.http.patch(path, json=each)).json() == each
        # Many clients hold no more than milliseconds.
        cut = each["occurrence"][:23] + "Z"
        assert (await alice.http.patch(path, json={"occurrence": cut})).json() == each
        for name, value in (("occurrence", "2027-01-01"), ("recurrence_of", str(uuid.uuid4()))):
            answer = await alice.http.patch(path, json={name: value})
            assert [error["code"] for error in answer.json()["errors"]] == ["read-only"]


async def test_filter_finds_what_recurs(alice: Person) -> None:
    task = await series(alice)
    await alice.task("plain")

    for value, names in (("true", ["water"]), ("false", ["plain"])):
        found = (await alice.http.get(f"/v1/tasks?is_recurring={value}")).json()["items"]
        assert [each["title"] for each in found] == names
    copy = (await done(alice, task))["completed"]
    found = (await alice.http.get("/v1/tasks?is_recurring=false&is_completed=true")).json()["items"]
    assert [each["id"] for each in found] == [copy["id"]]


# --- Completing -----------------------------------------------------------------------------------


async def test_completing_moves_on_and_leaves_a_copy(alice: Person) -> None:
    home = (await alice.http.post("/v1/lists", json={"name": "Home"})).json()
    task = await series(
        alice,
        rule="FREQ=WEEKLY",
        list_id=home["id"],
        labels=["green"],
        priority="high",
        description="all of them",
        starts_on="2027-01-02",
        external_id=f"x-{uuid.uuid4()}",
        reminders=[{"minutes_before": 5}, {"at": "2027-01-04T06:00:00Z"}],
    )
    answer = await act(alice, task, "complete", occurrence="2027-01-04")
    moved, copy = answer.json(), answer.json()["completed"]

    assert (answer.headers["Affected"], moved["version"], copy["version"]) == ("2", 2, 1)
    assert (moved["due_on"], moved["occurrence"], moved["starts_on"]) == ("2027-01-11", "2027-01-11", "2027-01-09")
    assert (moved["is_completed"], moved["id"], moved["position"]) == (False, task["id"], task["position"])
    assert moved["reminders"] == [{"minutes_before": 5}], "one at an instant ends when the series moves on"
    same = ("title", "description", "priority", "labels", "list_id", "parent_id", "due_on", "starts_on", "occurrence")
    assert {name: copy[name] for name in same} == {name: task[name] for name in same}
    assert (copy["is_completed"], copy["recurrence"], copy["external_id"], copy["reminders"]) == (True, None, None, [])
    assert (copy["recurrence_of"], copy["position"] > task["position"]) == (task["id"], True)
    assert await copies(alice, task) == [copy]
    assert moved == await now(alice, task) | {"completed": copy}


async def test_plain_task_is_completed_as_ever_with_a_time_of_its_own(alice: Person) -> None:
    task, other = await alice.task("a"), await alice.task("b")

    answer = (await act(alice, task, "complete", completed_at="2026-11-22T09:00:00+01:00")).json()
    assert (answer["completed_at"], answer["completed"]) == ("2026-11-22T08:00:00.000000Z", None)
    again = await act(alice, task, "complete", completed_at="2026-11-20T08:00:00Z")
    assert (again.json(), again.headers["Affected"]) == (answer, "0")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await act(alice, other, "complete", completed_at=later)).json()["completed_at"] < later
    assert (await alice.http.post(f"/v1/tasks/{other['id']}/complete")).status_code == 200, "without a body"
    refused(await act(alice, await alice.task("c"), "complete", occurrence="2027-01-04"), 409, "occurrence-passed")


async def test_completing_needs_to_know_which_occurrence(alice: Person) -> None:
    task = await series(alice)

    for verb in ("complete", "skip"):
        refused(await act(alice, task, verb), 428, "precondition-required")
        refused(await act(alice, task, verb, occurrence="2027-01-05"), 409, "occurrence-ahead")
        refused(await act(alice, task, verb, headers={"If-Match": '"7"'}), 412, "precondition-failed")
    refused(await act(alice, task, "complete", occurrence="2027-01-03"), 409, "occurrence-passed")
    assert (await act(alice, task, "skip", occurrence="2027-01-03")).status_code == 200, "it is not done, as asked for"
    assert await now(alice, task) == task
    assert (await act(alice, task, "complete", headers={"If-Match": '"1"'})).json()["occurrence"] == "2027-01-05"
    refused(await act(alice, task, "complete", headers={"If-Match": '"1"'}), 412, "precondition-failed")


async def test_clients_that_hold_milliseconds_name_an_occurrence(alice: Person) -> None:
    task = await series(alice, "2027-01-04T07:30:00.123456Z")

    for _ in range(2):
        moved = await done(alice, task, occurrence="2027-01-04T08:30:00.123+01:00")
        assert moved["occurrence"] == "2027-01-05T07:30:00.123456Z"
        assert moved["completed"]["occurrence"] == task["occurrence"]
    refused(await act(alice, task, "complete", occurrence="2027-01-05T07:30:00.124Z"), 409, "occurrence-ahead")


async def test_task_of_an_external_id_recurs(alice: Person) -> None:
    path = f"/v1/tasks/by-external-id/{uuid.uuid4()}"
    made = await alice.http.patch(
        path, json={"title": "x", "due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY", "missed": None}}
    )
    assert (made.status_code, made.json()["recurrence"]["missed"]) == (201, "skip")
    merged = (await alice.http.patch(path, json={"recurrence": {"missed": "keep"}})).json()
    assert merged["recurrence"] == made.json()["recurrence"] | {"missed": "keep"}
    kept = (await alice.http.put(path, json={"title": "y", "due_on": "2027-01-09"})).json()
    assert (kept["recurrence"], kept["occurrence"]) == (merged["recurrence"], "2027-01-04")
    replaced = (await alice.http.put(path, json={**kept, "recurrence": {"rule": "FREQ=WEEKLY;UNTIL=20280101"}})).json()
    assert (replaced["recurrence"]["missed"], replaced["occurrence"]) == ("skip", "2027-01-09")
    refused(
        await alice.http.put(path, json={**replaced, "recurrence": {"rule": "FREQ=YEARLY;INTERVAL=999"}}),
        422,
        "invalid",
    )


async def test_repeat_completes_nothing_more(alice: Person) -> None:
    task = await series(alice)
    first = await done(alice, task)

    again = await act(alice, task, "complete", occurrence=task["occurrence"])
    assert (again.status_code, again.json(), again.headers["Affected"]) == (200, first, "0")
    assert "Change-No" not in again.headers
    assert len(await copies(alice, task)) == 1


async def test_yesterdays_after_todays(alice: Person) -> None:
    task = await series(alice)
    second = await done(alice, task, "skip")
    assert second["completed"] is None
    third = await done(alice, second)

    refused(await act(alice, task, "complete", occurrence=task["occurrence"]), 409, "occurrence-passed")
    refused(await act(alice, task, "skip", occurrence=second["occurrence"]), 409, "occurrence-passed")
    assert (await done(alice, second))["completed"] == third["completed"]
    assert (await now(alice, task))["occurrence"] == "2027-01-06"


async def test_last_occurrence_completes_the_series_itself(alice: Person) -> None:
    for verb in ("complete", "skip"):
        task = await series(alice, rule="FREQ=DAILY;COUNT=2")
        last = await done(alice, task)
        ended = await done(alice, last, verb)

        assert (ended["is_completed"], ended["completed"], ended["occurrence"]) == (True, None, "2027-01-05")
        assert await done(alice, last, verb) == ended, "safe to repeat"
        opened = (await act(alice, task, "reopen")).json()
        assert (opened["is_completed"], opened["occurrence"]) == (False, "2027-01-05")
        assert (await done(alice, opened, verb))["is_completed"]


async def test_two_devices_at_once_complete_one_occurrence(alice: Person) -> None:
    task = await series(alice)

    with connect() as session:
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        both = [asyncio.create_task(act(alice, task, "complete", occurrence=task["occurrence"])) for _ in range(2)]
        await lock_queue(2)
        session.rollback()
    answers = await asyncio.gather(*both)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.json()["completed"]["id"] for answer in answers} == {(await copies(alice, task))[0]["id"]}
    assert (await now(alice, task))["occurrence"] == "2027-01-05"


async def test_one_device_completes_what_another_skips_at_once(alice: Person) -> None:
    task = await series(alice)

    with connect() as session:
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        both = [asyncio.create_task(act(alice, task, verb, occurrence="2027-01-04")) for verb in ("complete", "skip")]
        await lock_queue(2)
        session.rollback()
    answers = await asyncio.gather(*both)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await copies(alice, task)) == (answers[0].status_code == 200)
    assert (await now(alice, task))["occurrence"] == "2027-01-05", "nothing is passed by"


async def test_retry_that_comes_late_finds_its_own_occurrence(alice: Person) -> None:
    task = await series(alice)
    first = (await done(alice, task))["completed"]
    moved = await done(alice, task, occurrence="2027-01-05")

    again = await act(alice, task, "complete", occurrence="2027-01-04")

    assert (again.status_code, again.json()["completed"], again.headers["Affected"]) == (200, first, "0")
    assert again.json()["version"] == moved["version"]


async def test_series_that_changes_between_the_two_units_is_looked_at_again(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import recurrence

    task, compute, left = await series(alice), recurrence.moved_on, [1]

    def changed_meanwhile(*of_task: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            with connect() as connection:
                connection.execute("UPDATE tasks SET title = title || '!' WHERE id = %s", [task["id"]])
        return compute(*of_task)

    monkeypatch.setattr("tasks.recurrence.moved_on", changed_meanwhile)
    moved = await done(alice, task)
    assert (moved["title"], moved["occurrence"], moved["completed"]["title"]) == ("water!", "2027-01-05", "water!")

    left[0] = 3
    answer = await act(alice, task, "complete", occurrence="2027-01-05")
    refused(answer, 503, "unavailable")
    assert (await now(alice, task))["occurrence"] == "2027-01-05"


async def test_occurrence_that_was_done_before_is_done_once(alice: Person) -> None:
    """A series that begins anew at a day that it had already has one copy of that day."""
    task = await series(alice)
    copy = (await done(alice, task))["completed"]

    again = (await patch(alice, task, due_on="2027-01-04", recurrence={"rule": "FREQ=DAILY;INTERVAL=2"})).json()
    assert again["occurrence"] == "2027-01-04"
    moved = await done(alice, again)
    assert (moved["occurrence"], moved["completed"]) == ("2027-01-06", copy)


async def test_copy_whose_occurrence_has_a_live_one_is_not_restored(alice: Person) -> None:
    task = await series(alice)
    first = (await done(alice, task))["completed"]
    await alice.http.delete(f"/v1/tasks/{first['id']}")
    refused(await act(alice, task, "complete", occurrence=task["occurrence"]), 409, "occurrence-passed")
    again = (await patch(alice, task, due_on="2027-01-04", recurrence={"rule": "FREQ=WEEKLY"})).json()
    second = (await done(alice, again))["completed"]

    refused(await act(alice, first, "restore"), 409, "conflict")
    await alice.http.delete(f"/v1/tasks/{second['id']}")
    assert (await act(alice, first, "restore")).status_code == 200


async def test_outsider_moves_nobodys_series(alice: Person, charlie: Person) -> None:
    task = await series(alice)
    copy, before = (await done(alice, task))["completed"], await now(alice, task)

    for headers in ({}, {"If-Match": "*"}):
        for verb in ("complete", "skip"):
            for occurrence in ("2027-01-04", "2027-01-05", "2027-01-06"):
                theirs = await act(charlie, task, verb, headers=headers, occurrence=occurrence)
                refused(theirs, 404, "not-found")
    refused(await charlie.http.get(f"/v1/tasks/{task['id']}/occurrences"), 404, "not-found")
    # Ids are one's own: a series of another's is none, whose copies would be found.
    headers = {"If-None-Match": "*"}
    own = {"title": "own", "due_on": "2027-01-05", "recurrence": {"rule": "FREQ=DAILY"}}
    made = (await charlie.http.put(f"/v1/tasks/{task['id']}", json=own, headers=headers)).json()
    refused(await act(charlie, made, "complete", occurrence="2027-01-04"), 409, "occurrence-passed")
    assert (await now(alice, task), await now(alice, copy)) == (before, copy)


# --- The rhythm -----------------------------------------------------------------------------------


async def test_postponing_leaves_the_rhythm_and_another_rule_begins_anew(alice: Person) -> None:
    task = await series(alice, rule="FREQ=WEEKLY;INTERVAL=2")
    postponed = (await patch(alice, task, due_on="2027-01-09")).json()
    assert postponed["occurrence"] == "2027-01-04"
    assert (await done(alice, postponed))["due_on"] == "2027-01-18"

    await patch(alice, task, due_on="2027-01-20")
    same = (await patch(alice, task, recurrence={"rule": "FREQ=WEEKLY;INTERVAL=2"})).json()
    assert same["occurrence"] == "2027-01-18", "the same rule is no other"
    anew = (await patch(alice, task, recurrence={"rule": "FREQ=WEEKLY"})).json()
    assert anew["occurrence"] == "2027-01-20"
    assert (await done(alice, anew))["due_on"] == "2027-01-27"


async def test_another_zone_keeps_the_due_and_the_wall_clock(alice: Person) -> None:
    task = await series(alice, "2027-01-04T08:00:00Z")  # nine o'clock in Berlin

    there = (await patch(alice, task, recurrence={"timezone": "America/New_York"})).json()
    assert (there["due_at"], there["occurrence"]) == (task["due_at"], task["occurrence"])
    assert (await done(alice, there))[
        "due_at"
    ] == "2027-01-05T14:00:00.000000Z"  # nine o'clock in New York, the next day


async def test_hour_that_does_not_exist_is_moved_that_once(alice: Person) -> None:
    task = await series(alice, "2027-03-21T01:30:00Z", "FREQ=WEEKLY")
    dues = []
    for _ in range(3):
        task = await done(alice, task)
        dues.append(task["due_at"][:16])

    assert dues == ["2027-03-28T01:30", "2027-04-04T00:30", "2027-04-11T00:30"]


@pytest.mark.parametrize("due", ["0001-01-02T00:30:00Z", "9999-12-30T23:59:59Z", "0001-01-02", "9999-12-30"])
async def test_series_at_the_ends_of_the_calendar(alice: Person, due: str) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        task = await series(alice, due, "FREQ=WEEKLY;COUNT=3", recurrence={"timezone": zone})
        moved = await done(alice, task)
        assert moved["is_completed"] == due.startswith("9999")
        assert len(await occurrences(alice, moved)) == (0 if moved["is_completed"] else 2)


async def test_missed_occurrences_need_one_tap_or_each_one(alice: Person) -> None:
    today = datetime.now(UTC).date()
    due = (today - timedelta(days=10)).isoformat()
    skipping = await series(alice, due, recurrence={"missed": "skip", "timezone": "UTC"})
    keeping = await series(alice, due, recurrence={"timezone": "UTC"})

    assert (await done(alice, skipping))["due_on"] in (today.isoformat(), (today + timedelta(days=1)).isoformat())
    assert (await done(alice, keeping))["due_on"] == (today - timedelta(days=9)).isoformat()


async def test_from_completion_counts_from_the_day_it_was_done(alice: Person) -> None:
    task = await series(alice, "2026-01-04", "FREQ=DAILY;INTERVAL=3", recurrence={"from": "completion"})

    moved = await done(alice, task, completed_at="2026-01-10T23:30:00Z")  # the 11th in Berlin
    assert (moved["due_on"], moved["completed"]["completed_at"]) == ("2026-01-14", "2026-01-10T23:30:00.000000Z")


# --- What belongs under it ------------------------------------------------------------------------


async def test_completing_an_occurrence_opens_what_was_done_below(alice: Person) -> None:
    task = await series(alice)
    finished, open_ = [await alice.task(name, parent_id=task["id"]) for name in ("finished", "open")]
    below = await series(alice, parent_id=task["id"])
    copy = (await done(alice, below))["completed"]
    await act(alice, finished, "complete")

    moved = await done(alice, task)
    assert not moved["is_completed"]
    assert not (await now(alice, finished))["is_completed"]
    assert (await now(alice, open_))["version"] == 1
    assert (await now(alice, below))["occurrence"] == "2027-01-05"
    assert await now(alice, copy) == copy, "a copy of another series is no subtask to be done again"
    assert (await alice.http.get(f"/v1/tasks?parent_id={moved['completed']['id']}")).json()["items"] == []


async def test_completing_a_plain_parent_completes_a_series_where_it_stands(alice: Person) -> None:
    parent = await alice.task("parent")
    task = await series(alice, parent_id=parent["id"])

    assert (await act(alice, parent, "complete")).headers["Affected"] == "2"
    child = await now(alice, task)
    assert (child["is_completed"], child["occurrence"]) == (True, task["occurrence"])
    await act(alice, parent, "reopen")
    assert not (await now(alice, task))["is_completed"]


async def test_nothing_else_completes_a_series(alice: Person) -> None:
    task = await series(alice)
    path = f"/v1/tasks/{task['id']}"

    answers = [
        await patch(alice, task, is_completed=True),
        await patch(alice, task, is_completed=True, recurrence={"missed": "skip"}),
        await alice.http.put(path, json={**task, "is_completed": True}, headers={"If-Match": "*"}),
    ]
    for answer in answers:
        refused(answer, 422, "invalid")
        assert [error["code"] for error in answer.json()["errors"]] == ["recurring"]
    with connect() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE tasks SET is_completed = true WHERE id = %s", [task["id"]])
    ended = (await patch(alice, task, is_completed=True, recurrence=None)).json()
    assert (ended["is_completed"], ended["recurrence"], ended["occurrence"]) == (True, None, None)


# --- Occurrences ----------------------------------------------------------------------------------


async def occurrences(person: Person, task: Task, query: str = "") -> list[str]:
    answer = await person.http.get(f"/v1/tasks/{task['id']}/occurrences{query}")
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["items"]
    return found


async def test_next_occurrences_are_computed(alice: Person) -> None:
    days = await series(alice, rule="FREQ=WEEKLY;BYDAY=MO,TH")
    assert await occurrences(alice, days, "?limit=3") == ["2027-01-04", "2027-01-07", "2027-01-11"]
    assert len(await occurrences(alice, days)) == 10
    assert len(await occurrences(alice, days, "?limit=100")) == 100
    refused(await alice.http.get(f"/v1/tasks/{days['id']}/occurrences?limit=101"), 422, "invalid")
    instants = await series(alice, "2027-03-27T01:30:00Z")
    assert await occurrences(alice, instants, "?limit=2") == [
        "2027-03-27T01:30:00.000000Z",
        "2027-03-28T01:30:00.000000Z",
    ]
    counted = await series(alice, rule="FREQ=DAILY;COUNT=3")
    await done(alice, counted)
    assert await occurrences(alice, counted) == ["2027-01-05", "2027-01-06"]
    assert await occurrences(alice, await series(alice, recurrence={"from": "completion"})) == ["2027-01-04"]
    assert await occurrences(alice, await alice.task("plain")) == []


# --- Reminders ------------------------------------------------------------------------------------


async def test_reminders_are_answered_as_they_were_sent(alice: Person) -> None:
    reminders = [{"minutes_before": 0}, {"at": "2027-01-04T08:00:00.000000Z"}, {"minutes_before": 40320}]
    task = await alice.task("x", reminders=reminders)

    assert task["reminders"] == reminders
    assert (await now(alice, task))["reminders"] == reminders
    with_offset = (await patch(alice, task, reminders=[{"at": "2027-01-04T09:00:00+01:00"}])).json()
    assert with_offset["reminders"] == [{"at": "2027-01-04T08:00:00.000000Z"}]
    assert (await patch(alice, task, reminders=None)).json()["reminders"] == []


@pytest.mark.parametrize(
    ("reminders", "pointer", "code"),
    [
        ([{"minutes_before": 1}] * 6, "#/reminders", "too_long"),
        ([{}], "#/reminders/0", "one_reminder"),
        ([{"minutes_before": 1, "at": "2027-01-04T08:00:00Z"}], "#/reminders/0", "one_reminder"),
        ([{"minutes_before": -1}], "#/reminders/0/minutes_before", "greater_than_equal"),
        ([{"minutes_before": 40321}], "#/reminders/0/minutes_before", "less_than_equal"),
        ([{"minutes_before": 1.5}], "#/reminders/0/minutes_before", "int_type"),
        ([{"minutes_before": None}], "#/reminders/0/minutes_before", "int_type"),
        ([{"at": "2027-01-04"}], "#/reminders/0/at", "instant"),
        ([{"before": 5}], "#/reminders/0/before", "unknown"),
        ([5], "#/reminders/0", "model_type"),
        ({}, "#/reminders", "list_type"),
    ],
)
async def test_what_is_no_reminder_is_refused(alice: Person, reminders: Any, pointer: str, code: str) -> None:
    answer = await alice.http.post("/v1/tasks", json={"title": "x", "reminders": reminders})

    refused(answer, 422, "invalid")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    "reminders",
    [
        *(
            '{"at": 1}',
            "5",
            "[5]",
            "[{}]",
            '[{"at": "today"}]',
            '[{"minutes_before": 40321}]',
            '[{"minutes_before": "x"}]',
        ),
        *('[{"minutes_before": 1, "x": 1}]', "[{}, {}, {}, {}, {}, {}]", "null"),
    ],
)
async def test_database_keeps_nothing_that_is_no_reminder(alice: Person, reminders: str) -> None:
    task = await alice.task("x")
    with connect() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE tasks SET reminders = %s WHERE id = %s", [reminders, task["id"]])


# --- Batches --------------------------------------------------------------------------------------


async def batch(person: Person, *operations: dict[str, Any], query: str = "") -> Any:
    return await person.http.post(f"/v1/tasks/batch{query}", json={"operations": operations})


async def test_batch_moves_series_in_order(alice: Person) -> None:
    task, plain, new = await series(alice), await alice.task("plain"), str(uuid.uuid4())
    recurring = {"title": "new", "due_on": "2027-02-01", "recurrence": {"rule": "FREQ=DAILY", "missed": "keep"}}
    answer = await batch(
        alice,
        {"op": "complete", "id": plain["id"]},
        {"op": "complete", "id": task["id"], "data": {"occurrence": "2027-01-04"}},
        {"op": "create", "id": new, "data": recurring},
        {"op": "skip", "id": task["id"], "data": {"occurrence": "2027-01-05"}},
        {"op": "update", "id": task["id"], "data": {"title": "later"}},
        {"op": "complete", "id": new, "if_match": '"1"'},
        {
            "op": "complete",
            "id": task["id"],
            "data": {"occurrence": "2027-01-06", "completed_at": "2026-11-01T00:00:00Z"},
        },
    )

    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [200, 200, 201, 200, 200, 200, 200]
    assert [result["affected"] for result in results] == [1, 2, 1, 1, 1, 2, 2]
    assert answer.headers["Affected"] == "10"
    numbers = [result["change_no"] for result in results]
    assert numbers == sorted(numbers)
    assert answer.headers["Change-No"] == str(numbers[-1])
    assert results[-1]["body"]["occurrence"] == "2027-01-07"
    assert results[-1]["body"]["completed"]["title"] == "later"
    assert [copy["occurrence"] for copy in await copies(alice, task)] == ["2027-01-04", "2027-01-06"]
    assert (await now(alice, {"id": new}))["occurrence"] == "2027-02-02"


async def test_failed_batch_moves_nothing(alice: Person) -> None:
    task = await series(alice)
    moving = {"op": "complete", "id": task["id"], "data": {"occurrence": "2027-01-04"}}

    for failing, status, code in (
        ({"op": "complete", "id": task["id"], "data": {"occurrence": "2027-03-04"}}, 409, "occurrence-ahead"),
        ({"op": "skip", "id": task["id"]}, 428, "precondition-required"),
        (
            {"op": "update", "id": task["id"], "data": {"due_on": None, "due_at": None, "recurrence": {}}},
            422,
            "invalid",
        ),
        ({"op": "delete", "id": str(uuid.uuid4())}, 404, "not-found"),
    ):
        answer = await batch(alice, moving, failing)
        refused(answer, status, code)
        assert answer.json()["operation"] == 1
    assert await now(alice, task) == task
    assert await copies(alice, task) == []


async def test_operations_of_a_batch_stand_for_themselves(alice: Person) -> None:
    task, plain = await series(alice), await alice.task("plain")
    never = {"due_on": "2027-01-01", "recurrence": {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}}
    answer = await batch(
        alice,
        {"op": "complete", "id": task["id"], "data": {"occurrence": "2027-03-04"}},
        {"op": "complete", "id": task["id"], "data": {"occurrence": "2027-01-04"}},
        {"op": "update", "id": plain["id"], "data": never},
        {"op": "skip", "id": plain["id"]},
        {"op": "create", "data": {"title": "x", **never}},
        {"op": "update", "id": plain["id"], "data": {"title": "still here"}},
        query="?atomic=false",
    )

    assert answer.status_code == 207, answer.text
    assert [result["status"] for result in answer.json()["results"]] == [409, 200, 422, 409, 422, 200]
    assert answer.json()["results"][2]["body"]["errors"][0]["pointer"] == "#/recurrence/rule"
    found = await now(alice, plain)
    assert (found["title"], found["recurrence"]) == ("still here", None)
    assert (await now(alice, task))["occurrence"] == "2027-01-05"


async def test_series_under_an_idempotency_key(alice: Person) -> None:
    task, key = await series(alice), {"Idempotency-Key": str(uuid.uuid4())}

    first, again = [await act(alice, task, "complete", headers=key, occurrence=task["occurrence"]) for _ in range(2)]

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert again.headers["Change-No"] == first.headers["Change-No"]
    assert (await now(alice, task))["occurrence"] == "2027-01-05"
