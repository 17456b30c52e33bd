"""The purge is done once a day, by one process, and stops when that does."""

import asyncio
import contextvars
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tasks.admin import dashboard, statistics
from tasks.background import purge
from tasks.queries import background_jobs
from tests.support.people import Person
from tests.support.staff import in_thread
from tests.tasks.test_webhooks import sql
from todoproject.background import runner


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _never_done(app: Any) -> None:
    sql("DELETE FROM background_jobs")


def ended() -> datetime | None:
    rows = sql("SELECT ended_at FROM background_jobs WHERE name = 'purge'")
    found: datetime | None = rows[0][0] if rows else None
    return found


def shown() -> str:
    """Return what the first page of the admin says of it."""
    return dashboard._database(statistics.read()).note


async def left(person: Person) -> int:
    return int(sql("SELECT count(*) FROM tasks WHERE user_id = %s", person.id)[0][0])


async def make_outlived(person: Person) -> None:
    task = await person.task()
    await person.http.delete(f"/v1/tasks/{task['id']}")
    sql("UPDATE tasks SET deleted_at = now() - interval '400 days' WHERE user_id = %s", person.id)


async def test_it_is_done_once_a_day(alice: Person) -> None:
    await make_outlived(alice)
    seconds = await purge.purge()
    assert await left(alice) == 0
    first = ended()
    assert first is not None
    assert "purged 0\xa0minutes ago" in await asyncio.to_thread(in_thread, shown)
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
    assert seconds == pytest.approx(purge.EVERY_SECONDS, abs=60)

    await make_outlived(alice)
    await purge.purge()
    assert (await left(alice), ended()) == (1, first)
    sql("UPDATE background_jobs SET ended_at = now() - interval '1 day'")
    await purge.purge()
    assert await left(alice) == 0


async def test_of_many_processes_one_does_it_and_another_when_that_was_killed() -> None:
    every = purge.EVERY_SECONDS
    assert sum(await asyncio.gather(*(background_jobs.claim("purge", every) for _ in range(5)))) == 1
    assert await background_jobs.next_due("purge", every) == pytest.approx(background_jobs.LEASE_SECONDS, abs=60)
    sql("UPDATE background_jobs SET leased_until = now()")
    assert await background_jobs.claim("purge", every)


async def test_one_that_is_stopped_was_not_done(alice: Person) -> None:
    await make_outlived(alice)
    context, ending = contextvars.copy_context(), asyncio.Event()
    ending.set()
    context.run(runner._ending.set, ending)
    await asyncio.create_task(purge.purge(), context=context)  # type: ignore[arg-type]  # a coroutine
    assert (await left(alice), ended()) == (1, None)
    assert "never purged" in await asyncio.to_thread(in_thread, shown)
