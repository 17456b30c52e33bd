"""The client's local copy: it ends equal to the account, and what was edited offline is never lost."""

import random
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from todo_client import AsyncClient, Conflict, LocalCopy, Retries
from todo_client.copy.local import NotInCopy
from todo_client.errors import problem

from tests.clients.test_todo_client import URL, Losing
from tests.support.people import Person
from tests.support.postgres.databases import connect

pytestmark = pytest.mark.clients


@pytest_asyncio.fixture
async def todo(app: httpx.ASGITransport, alice: Person) -> AsyncIterator[AsyncClient]:
    """Alice's client; the application is its network."""
    async with AsyncClient(URL, alice.token, transport=app) as todo:
        yield todo


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[LocalCopy]:
    with LocalCopy(tmp_path / "copy.sqlite") as copy:
        yield copy


async def _there(todo: AsyncClient) -> dict[str, Any]:
    """Return what the account has, as the server gives it."""
    tasks = {task.id: task.document async for task in todo.tasks.list()}
    return tasks | {one.id: one.document async for one in todo.lists.list()}


def _here(copy: LocalCopy) -> dict[str, Any]:
    return {thing.id: thing.document for thing in (*copy.tasks(), *copy.lists())}


async def test_a_copy_follows_the_account(todo: AsyncClient, copy: LocalCopy, tmp_path: Path) -> None:
    home = await todo.lists.create("Home")
    kept, gone = await todo.tasks.create("Kept", list_id=home.id), await todo.tasks.create("Gone")
    assert (await todo.sync(copy)).received == 3
    await todo.tasks.delete(gone)
    await todo.tasks.update(kept, title="Kept and changed")
    assert (await todo.sync(copy)).received == 2
    assert _here(copy) == await _there(todo)
    assert (await todo.sync(copy)).received == 0
    with pytest.raises(NotInCopy):
        copy.task(gone.id)
    assert stat.S_IMODE((tmp_path / "copy.sqlite").stat().st_mode) == 0o600


async def test_what_is_edited_offline_is_seen_at_once_and_sent(todo: AsyncClient, copy: LocalCopy) -> None:
    old = await todo.tasks.create("Old", recurrence={"rule": "FREQ=DAILY"}, due_on="2027-01-01")
    await todo.sync(copy)
    home = copy.create_list("Home")
    upper = copy.create("Upper", list_id=home.id)
    lower = copy.create("Lower", parent_id=upper.id, list_id=home.id)
    copy.update(lower, title="Lower, and changed")
    copy.complete(lower)
    copy.update(old, recurrence={"missed": "keep"})
    copy.complete(old)
    copy.create("Never mind")
    copy.delete(next(task for task in copy.tasks() if task.title == "Never mind"))
    assert copy.task(lower.id).is_completed
    assert (copy.task(lower.id).title, copy.task(lower.id).version) == ("Lower, and changed", 0)

    report = await todo.sync(copy)

    assert (report.sent, report.held, report.dropped, copy.pending()) == (6, [], [], [])
    assert _here(copy) == await _there(todo)
    below = await todo.tasks.get(lower.id)
    assert (below.title, below.is_completed, below.parent_id) == ("Lower, and changed", True, upper.id)
    assert (await todo.tasks.get(old.id)).recurrence is not None
    assert str((await todo.tasks.get(old.id)).due_on) == "2027-01-02"


async def test_a_conflict_is_told_and_waits_for_a_decision(todo: AsyncClient, copy: LocalCopy, tmp_path: Path) -> None:
    task, other = await todo.tasks.create("Seen"), await todo.tasks.create("Other")
    await todo.sync(copy)
    copy.update(task, title="Mine")
    copy.complete(task)  # made on that: it waits, too
    copy.update(other, title="No conflict")
    await todo.tasks.update(task.id, title="Theirs")

    report = await todo.sync(copy)

    assert [(edit.state, edit.data) for edit in report.held] == [("conflict", {"title": "Mine"})]
    reason = report.held[0].reason
    assert reason is not None
    assert (reason.code, reason.document["task"]["title"]) == ("precondition-failed", "Theirs")
    assert (await todo.tasks.get(other.id)).title == "No conflict"
    present = await todo.tasks.get(task.id)
    assert (present.title, present.is_completed) == ("Theirs", False)
    with LocalCopy(tmp_path / "copy.sqlite") as reopened:
        assert [edit.data for edit in reopened.held()] == [{"title": "Mine"}]
        reopened.send_again(reopened.held()[0], title="Mine, knowing theirs")
        assert (await todo.sync(reopened)).held == []
    present = await todo.tasks.get(task.id)
    assert (present.title, present.is_completed) == ("Mine, knowing theirs", True)


async def test_what_was_made_on_an_edit_conflicts_with_what_came_between(todo: AsyncClient, copy: LocalCopy) -> None:
    task = await todo.tasks.create("Seen")
    await todo.sync(copy)
    copy.complete(task)
    copy.update(task, title="Mine")
    steps = copy.rounds()
    page = await todo.run(next(steps))
    results = await todo.run(steps.send(page))
    await todo.tasks.update(task.id, title="Theirs")  # after the completion was sent, before the title is
    await todo.run(steps.send(results))
    steps.close()
    report = await todo.sync(copy)
    assert [(edit.state, edit.data) for edit in report.held] == [("conflict", {"title": "Mine"})]


async def test_what_is_refused_waits_with_its_reason_and_can_be_discarded(todo: AsyncClient, copy: LocalCopy) -> None:
    await todo.sync(copy)
    upper = copy.create(" ")
    lower = copy.create("Lower", parent_id=upper.id)
    report = await todo.sync(copy)
    assert [(edit.id, edit.state) for edit in report.held] == [(upper.id, "refused"), (lower.id, "refused")]
    first, second = copy.held()
    assert first.reason is not None
    assert first.reason.errors[0].pointer.endswith("/title")
    copy.send_again(first, title="Upper")
    copy.discard(second)
    assert (await todo.sync(copy)).held == []
    assert [task.title for task in copy.tasks()] == ["Upper"]


async def test_a_lost_answer_to_a_push_repeats_nothing(
    app: httpx.ASGITransport, alice: Person, copy: LocalCopy
) -> None:
    network = Losing(app, losses=0)
    async with AsyncClient(URL, alice.token, transport=network, retries=Retries(attempts=1)) as todo:
        await todo.sync(copy)
        copy.create("Once")
        steps = copy.rounds()
        page = await todo.run(next(steps))
        await todo.run(steps.send(page))
        steps.close()  # the program was ended before it could note the answer
        copy.create("Later")
        assert (await todo.sync(copy)).sent == 2
        assert sorted([task.title async for task in todo.tasks.list()]) == ["Later", "Once"]
        assert _here(copy) == await _there(todo)


async def test_a_batch_that_another_program_is_sending_is_left_to_it(todo: AsyncClient, copy: LocalCopy) -> None:
    copy.create("Once")
    steps = copy.rounds()
    sent = steps.send(await todo.run(next(steps)))
    with pytest.raises(Conflict):
        steps.throw(problem(409, {"code": "in-flight"}))
    assert [edit.state for edit in copy.pending()] == ["pending"]
    steps = copy.rounds()
    again = steps.send(await todo.run(next(steps)))
    assert again.request == sent.request  # key and all: whoever comes second is given the first one's answer


async def test_an_edit_too_many_is_found_and_held(todo: AsyncClient, copy: LocalCopy) -> None:
    copy.create("Good")
    copy.create("Bad")
    steps = copy.rounds()
    step = steps.send(await todo.run(next(steps)))
    step = steps.throw(problem(422, {"code": "too-many-changes"}))  # of both together
    step = steps.send(await todo.run(step))
    steps.throw(problem(422, {"code": "too-many-changes"}))
    assert [(edit.data["title"], edit.state) for edit in copy.held()] == [("Bad", "refused")]
    assert [task.title async for task in todo.tasks.list()] == ["Good"]


async def test_an_edit_of_what_is_gone_is_told(todo: AsyncClient, copy: LocalCopy) -> None:
    edited, deleted = await todo.tasks.create("Edited here"), await todo.tasks.create("Deleted here")
    await todo.sync(copy)
    copy.update(edited, title="For nothing")
    copy.delete(deleted)
    await todo.tasks.delete(edited.id)
    await todo.tasks.delete(deleted.id)
    report = await todo.sync(copy)
    assert [edit.data for edit in report.dropped] == [{"title": "For nothing"}]
    assert (report.held, copy.pending(), copy.tasks()) == ([], [], [])


async def test_a_copy_that_was_away_too_long_begins_anew(todo: AsyncClient, copy: LocalCopy, alice: Person) -> None:
    kept = await todo.tasks.create("Kept")
    purged = await todo.tasks.create("Purged")
    await todo.sync(copy)
    copy.update(purged, title="For nothing")
    copy.create("Mine, never acknowledged")
    with connect(autocommit=True) as direct:
        direct.execute("DELETE FROM tasks WHERE user_id = %s AND id = %s", [alice.id, purged.id])

    report = await todo.sync(copy)

    assert report.began_anew
    assert [edit.data for edit in report.dropped] == [{"title": "For nothing"}]
    assert sorted(task.title for task in copy.tasks()) == ["Kept", "Mine, never acknowledged"]
    assert kept.id in _here(copy)
    assert _here(copy) == await _there(todo)


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_on_both_sides_both_end_equal(todo: AsyncClient, copy: LocalCopy, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        there = [task async for task in todo.tasks.list()]
        here = list(copy.tasks())
        match chance.randrange(8):
            case 0:
                copy.create("here", parent_id=chance.choice([None, *(task.id for task in here)]))
            case 1 if here:
                copy.update(chance.choice(here), title=str(chance.random()))
            case 2 if here:
                copy.complete(chance.choice(here))
            case 3 if here:
                copy.delete(chance.choice(here))
            case 4 if there:
                await todo.tasks.update(chance.choice(there).id, title=str(chance.random()))
            case 5 if there:
                await todo.tasks.delete(chance.choice(there).id)
            case 6:
                await todo.sync(copy)
            case _:
                await todo.tasks.create("there")
    report = await todo.sync(copy)
    for edit in report.held:
        copy.discard(edit)
    await todo.sync(copy)
    for edit in copy.held():
        copy.discard(edit)
    assert copy.pending() == []
    assert _here(copy) == await _there(todo)
