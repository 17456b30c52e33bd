"""Undoing what moved a series: the occurrence comes back and its copy goes, as one."""

import pytest

from tests.support.people import Person
from tests.tasks.test_series import copies, done, now, patch, series


async def undo(person: Person, number: str) -> None:
    answer = await person.http.post(f"/v1/changes/{number}/undo")
    assert answer.status_code == 200, answer.text


async def last_number(person: Person) -> str:
    return str((await person.http.get("/v1/history?limit=1")).json()["items"][0]["change_no"])


@pytest.mark.parametrize("verb", ["complete", "skip"])
async def test_moving_on_is_undone_and_done_again(alice: Person, verb: str) -> None:
    task = await series(alice, reminders=[{"at": "2027-01-04T06:00:00Z"}])
    below = await alice.task("below", parent_id=task["id"])
    await alice.http.post(f"/v1/tasks/{below['id']}/complete")
    moved = await done(alice, task, verb)
    made = await copies(alice, task)

    await undo(alice, await last_number(alice))
    back = await now(alice, task)
    same = ("due_on", "occurrence", "recurrence", "reminders", "is_completed")
    assert {name: back[name] for name in same} == {name: task[name] for name in same}
    assert (await copies(alice, task), (await now(alice, below))["is_completed"]) == ([], True)
    await undo(alice, await last_number(alice))
    again = await now(alice, task)
    assert {name: again[name] for name in same} == {name: moved[name] for name in same}
    assert [copy["id"] for copy in await copies(alice, task)] == [copy["id"] for copy in made]
    assert (await done(alice, again, verb))["occurrence"] == "2027-01-06"


async def test_end_of_a_series_is_undone_and_done_again(alice: Person) -> None:
    task = await series(alice, rule="FREQ=DAILY;COUNT=1")
    await done(alice, task)

    for is_completed in (False, True, False):
        await undo(alice, await last_number(alice))
        assert (await now(alice, task))["is_completed"] == is_completed
    assert (await done(alice, task))["is_completed"]


async def test_beginning_and_ending_a_series_is_undone(alice: Person) -> None:
    task = await alice.task("x", due_on="2027-01-04")
    begun = (await patch(alice, task, recurrence={"rule": "FREQ=WEEKLY", "missed": "keep"})).json()
    moved = await done(alice, begun)
    await patch(alice, task, recurrence=None)

    await undo(alice, await last_number(alice))
    back = await now(alice, task)
    assert (back["recurrence"], back["occurrence"]) == (begun["recurrence"], moved["occurrence"])
    assert (await done(alice, back))["occurrence"] == "2027-01-18", "the rhythm is the same"


async def test_history_tells_completed_occurrences_from_skipped_ones(alice: Person) -> None:
    task = await series(alice)
    await done(alice, await done(alice, task), "skip")

    found = (await alice.http.get(f"/v1/tasks/{task['id']}/history")).json()["items"]
    assert [entry["event"] for entry in found] == ["updated", "occurrence_completed", "created"]
    assert found[0]["changes"] == {
        name: {"from": "2027-01-05", "to": "2027-01-06"} for name in ("due_on", "occurrence")
    }
