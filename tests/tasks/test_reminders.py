"""Reminders fire once each, when they are due and not before, and only for what is still to be done."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from tasks.background import reminders as jobs
from tasks.queries import reminders
from tests.product.test_fence import run_as
from tests.support.people import Person
from tests.support.postgres.databases import connect, lock_queue

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def after(distance: timedelta) -> str:
    return (datetime.now(UTC) + distance).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def at(distance: timedelta) -> dict[str, str]:
    return {"at": after(distance)}


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connect(autocommit=True) as direct:
        cursor = direct.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def standing(person: Person) -> list[tuple[str, str]]:
    """Return each reminder of somebody and how it stands, the one that fires first before the others."""
    return [
        (str(reminder), str(state))
        for reminder, state in rows(
            "SELECT reminder, CASE WHEN settled_at IS NULL THEN 'pending'"
            "                      WHEN change_no IS NULL THEN 'missed' ELSE 'fired' END"
            " FROM reminders WHERE user_id = %s ORDER BY fires_at, reminder",
            person.id,
        )
    ]


def states(person: Person) -> list[str]:
    return [state for _, state in standing(person)]


async def fire() -> None:
    while (await reminders.fire(mails=True))[0].total():
        pass


async def history(person: Person) -> list[dict[str, Any]]:
    items = (await person.http.get("/v1/history")).json()["items"]
    return [entry for entry in items if entry["event"] == "reminder"]


async def test_a_reminder_fires_once_and_the_task_stays_what_it_was(alice: Person) -> None:
    task = await alice.task(reminders=[at(-MINUTE), at(timedelta(hours=1))])
    cursor = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]

    await fire()
    await fire()

    (entry,) = await history(alice)
    assert entry["id"] == task["id"]
    assert entry["actor"] == {"kind": "system", "name": None}
    assert (entry["changes"], entry["request_id"]) == ({}, None)
    assert states(alice) == ["fired", "pending"]
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task
    followed = (await alice.http.get("/v1/changes", params={"cursor": cursor})).json()
    assert followed["items"] == []
    edited = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Later"})
    assert int(edited.headers["Change-No"]) == entry["change_no"] + 1
    followed = (await alice.http.get("/v1/changes", params={"cursor": followed["next_cursor"]})).json()
    assert [item["change_no"] for item in followed["items"]] == [entry["change_no"] + 1]


async def test_those_of_one_owner_take_numbers_in_the_order_of_their_times(alice: Person) -> None:
    tasks = [await alice.task(reminders=[at(-minutes * MINUTE)]) for minutes in (2, 3, 1)]
    await fire()
    newest_first = [entry["id"] for entry in await history(alice)]
    assert newest_first == [tasks[place]["id"] for place in (2, 0, 1)]


Act = Callable[[Person, str], Awaitable[Any]]


async def _complete(person: Person, path: str) -> Any:
    return await person.http.post(f"{path}/complete")


async def _delete(person: Person, path: str) -> Any:
    return await person.http.delete(path)


async def _postpone(person: Person, path: str) -> Any:
    return await person.http.patch(path, json={"due_at": after(2 * DAY)})


async def _make_it_a_day(person: Person, path: str) -> Any:
    return await person.http.patch(path, json={"due_at": None, "due_on": "2030-01-01"})


async def _take_off(person: Person, path: str) -> Any:
    return await person.http.patch(path, json={"reminders": []})


@pytest.mark.parametrize("act", [_complete, _delete, _postpone, _make_it_a_day, _take_off])
async def test_what_needs_none_any_more_is_not_reminded_of(alice: Person, act: Act) -> None:
    task = await alice.task(due_at=after(MINUTE), reminders=[{"minutes_before": 10}])
    assert states(alice) == ["pending"]

    await act(alice, f"/v1/tasks/{task['id']}")
    await fire()

    assert await history(alice) == []
    assert "fired" not in states(alice)


async def test_what_comes_back_is_reminded_of_and_nothing_twice(alice: Person) -> None:
    soon, past = after(10 * MINUTE), after(-5 * MINUTE)
    task = await alice.task(due_at=soon, reminders=[{"minutes_before": 20}, {"at": past}])
    path = f"/v1/tasks/{task['id']}"
    await alice.http.delete(path)
    await fire()
    assert await history(alice) == []
    await alice.http.post(f"{path}/restore")
    await fire()
    assert len(await history(alice)) == 2

    for change in ({"due_at": after(DAY)}, {"due_at": soon}, {"reminders": []}, {"reminders": task["reminders"]}):
        await alice.http.patch(path, json=change)
        await fire()
    await alice.http.post(f"{path}/complete")
    await alice.http.post(f"{path}/reopen")
    await fire()

    assert len(await history(alice)) == 2
    await alice.http.patch(path, json={"due_at": after(15 * MINUTE)})  # another due, whose time has come, too
    await fire()
    assert len(await history(alice)) == 3


async def test_more_than_a_day_late_is_noted_as_missed_and_never_fires(alice: Person) -> None:
    await alice.task(reminders=[at(-DAY - MINUTE), at(-DAY + MINUTE)])
    await fire()
    assert states(alice) == ["missed", "fired"]
    assert len(await history(alice)) == 1


async def test_a_series_that_moves_on_takes_its_reminders_along_but_not_those_of_an_instant(alice: Person) -> None:
    task = await alice.task(
        due_at=after(timedelta(hours=1)),
        recurrence={"rule": "FREQ=DAILY"},
        reminders=[{"minutes_before": 5}, at(timedelta(minutes=30))],
    )
    assert len(standing(alice)) == 2
    done = await alice.http.post(f"/v1/tasks/{task['id']}/complete", json={"occurrence": task["occurrence"]})
    assert done.status_code == 200
    assert standing(alice) == [('{"minutes_before": 5}', "pending")]
    ((fires_at,),) = rows("SELECT fires_at FROM reminders WHERE user_id = %s", alice.id)
    assert fires_at == datetime.fromisoformat(done.json()["due_at"]) - timedelta(minutes=5)


async def test_one_whose_task_says_otherwise_is_dropped(alice: Person) -> None:
    """The trigger keeps the rows, but what fires is what the task says: a restored backup, a filled table."""
    task = await alice.task()
    rows(
        "INSERT INTO reminders (user_id, task_id, fires_at, reminder)"
        " VALUES (%s, %s, now(), '{\"minutes_before\": 0}')",
        alice.id,
        task["id"],
    )
    await fire()
    assert (standing(alice), await history(alice)) == ([], [])


async def test_two_at_once_fire_it_once(alice: Person) -> None:
    """One is kept in the middle of firing, with the owner's row in its hand; the other leaves that owner out."""
    await fire()  # what others have left
    await alice.task(reminders=[at(-MINUTE), at(-2 * MINUTE)])
    with connect() as holder:
        holder.execute("SELECT FROM reminders WHERE user_id = %s FOR UPDATE", [alice.id])
        first = asyncio.create_task(reminders.fire(mails=True))
        await lock_queue(1)
        second = await asyncio.wait_for(reminders.fire(mails=True), 10)
        holder.rollback()
    assert (second[0].total(), (await first)[0]["fired"]) == (0, 2)
    await fire()
    assert len(await history(alice)) == 2


async def test_whoever_completes_it_at_that_moment_is_not_reminded(alice: Person) -> None:
    """The owner's row is held, as every writer holds it: the reminder waits for what comes of that, and others fire."""
    task = await alice.task(reminders=[at(-MINUTE)])
    with connect() as writer:
        writer.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])
        writer.execute("UPDATE tasks SET is_completed = true WHERE user_id = %s", [alice.id])
        await fire()
        assert states(alice) == ["pending"]
        seconds = await reminders.next_due()
        assert seconds is not None
        assert seconds < 0
        writer.commit()
    await fire()
    assert await history(alice) == []
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json()["is_completed"]


async def test_a_reminder_cannot_be_undone_and_stands_in_nobodys_way(alice: Person) -> None:
    task = await alice.task(reminders=[at(-MINUTE)])
    edited = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Changed"})
    await fire()
    (entry,) = await history(alice)
    refused = await alice.http.post(f"/v1/changes/{entry['change_no']}/undo")
    undone = await alice.http.post(f"/v1/changes/{edited.headers['Change-No']}/undo")
    assert (refused.status_code, refused.json()["code"]) == (409, "not-undoable")
    assert (undone.status_code, undone.json()["items"][0]["task"]["title"]) == (200, task["title"])


async def test_nobody_else_sees_when_somebody_is_reminded(alice: Person, charlie: Person) -> None:
    await alice.task(reminders=[at(DAY)])
    own, others = [await run_as(person, "SELECT task_id FROM reminders") for person in (alice, charlie)]
    assert (len(own), len(others)) == (1, 0)


async def test_they_are_exported_and_go_with_their_task(alice: Person) -> None:
    task = await alice.task(reminders=[at(DAY)])
    (exported,) = (await alice.http.get("/v1/me/export")).json()["reminders"]
    assert (exported["task_id"], exported["settled_at"]) == (task["id"], None)
    rows("DELETE FROM tasks WHERE user_id = %s", alice.id)
    assert standing(alice) == []


# --- Mails ----------------------------------------------------------------------------------------


async def wanting(person: Person, *, verified: bool = True) -> None:
    answer = await person.http.patch("/v1/me", json={"reminder_mail": True})
    assert (answer.status_code, answer.json()["reminder_mail"]) == (200, True)
    if verified:
        rows("UPDATE users SET email_verified_at = now() WHERE id = %s", person.id)


def letters(person: Person) -> list[mail.EmailMessage]:
    return [letter for letter in mail.outbox if letter.to == [person.email]]


async def test_whoever_wants_it_is_mailed_in_their_own_time(alice: Person, bob: Person) -> None:
    await wanting(alice)
    await alice.http.patch("/v1/me", json={"timezone": "Asia/Tokyo"})
    for person in (alice, bob):
        due = await person.task("Buy milk", due_at=after(MINUTE), reminders=[{"minutes_before": 5}])
    await jobs.fire_reminders()
    await jobs.send_mails()
    await jobs.send_mails()

    (letter,) = letters(alice)
    assert letter.subject == "Reminder: Buy milk"
    assert "Buy milk" in letter.body
    local = datetime.fromisoformat(due["due_at"]) + timedelta(hours=9)
    assert f"{local:%Y-%m-%d}" in letter.body
    assert "(Asia/Tokyo)" in letter.body
    assert letters(bob) == []


async def test_an_address_that_nobody_has_proved_is_never_written_to(alice: Person) -> None:
    await wanting(alice, verified=False)
    await alice.task(reminders=[at(-MINUTE)])
    await jobs.fire_reminders()
    await jobs.send_mails()
    assert (states(alice), letters(alice)) == (["fired"], [])


@pytest.mark.parametrize("act", [_complete, _delete])
async def test_no_mail_for_what_was_done_meanwhile(alice: Person, act: Act) -> None:
    await wanting(alice)
    task = await alice.task(reminders=[at(-MINUTE)])
    await fire()
    await act(alice, f"/v1/tasks/{task['id']}")
    await jobs.send_mails()
    assert letters(alice) == []
    assert rows("SELECT mail_at FROM reminders WHERE user_id = %s", alice.id) == [(None,)]


def end_lease(person: Person) -> None:
    rows("UPDATE reminders SET mail_at = now() WHERE user_id = %s AND mail_at IS NOT NULL", person.id)


async def test_a_mail_that_cannot_be_sent_is_tried_again_and_sent_once(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wanting(alice)
    await alice.task(reminders=[at(-MINUTE)])
    await fire()
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "send_now", lambda letter: False)
        await jobs.send_mails()
    await jobs.send_mails()
    assert letters(alice) == []  # it is leased still
    end_lease(alice)
    await asyncio.gather(jobs.send_mails(), jobs.send_mails())
    end_lease(alice)
    await jobs.send_mails()
    assert len(letters(alice)) == 1


async def test_whoever_ends_between_sending_and_noting_sends_it_again(alice: Person) -> None:
    await wanting(alice)
    await alice.task(reminders=[at(-MINUTE)])
    await fire()
    first = await lease_of(alice)
    end_lease(alice)  # the process that had it was killed
    second = await lease_of(alice)
    await reminders.note_mail(first)  # it was not: its lease is over, and its word does not count
    assert rows("SELECT mail_at IS NULL FROM reminders WHERE user_id = %s", alice.id) == [(False,)]
    await reminders.note_mail(second)
    assert rows("SELECT mail_at IS NULL FROM reminders WHERE user_id = %s", alice.id) == [(True,)]


async def lease_of(person: Person) -> reminders.DueMail:
    while (leased := await reminders.lease_mail()) is not None:
        if leased.user_id == person.id:
            return leased
    raise AssertionError("nothing is to be sent")


async def test_a_title_from_before_the_rules_makes_no_header(alice: Person) -> None:
    await wanting(alice)
    task = await alice.task(reminders=[at(-MINUTE)])
    await fire()
    leased = (await lease_of(alice))._replace(title="Milk\r\nBcc: everybody@example.com " + "x" * 300)
    letter = jobs._letter(leased)
    assert task["title"]
    assert "\n" not in letter.subject
    assert len(letter.subject) < 120
