"""When jobs are done: as they are due, when somebody has written, and never for the sake of looking."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from todoproject.background import control, process
from todoproject.background import runner as runner_module
from todoproject.background.runner import Alarm, Job, Runner
from todoproject.database.client.pool import Pool
from todoproject.database.errors import DatabaseUnavailable
from todoproject.http import activity


class Runs:
    """A job that notes when it was done, and returns what it is told, the last of that again and again."""

    def __init__(self, *seconds: float | Exception | None) -> None:
        self.times: list[float] = []
        self._seconds = list(seconds)

    async def run(self) -> float | None:
        self.times.append(time.monotonic())
        said = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        if isinstance(said, Exception):
            raise said
        return said

    @property
    def count(self) -> int:
        return len(self.times)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "LEAST_SECONDS", 0.05)
    monkeypatch.setattr(runner_module, "ACTIVE_SECONDS", 0.0)


async def play(
    script: Callable[[Runner], Awaitable[None]], *jobs: Job, poll: float = 60.0, always: bool = False
) -> None:
    runner = Runner(jobs, poll_seconds=poll, always=always)
    runner.start()
    await script(runner)
    await asyncio.wait_for(runner.drain(), 5)


def sleep(seconds: float) -> Callable[[Runner], Awaitable[None]]:
    async def script(runner: Runner) -> None:
        await asyncio.sleep(seconds)

    return script


async def test_a_job_rests_until_it_is_due() -> None:
    runs = Runs(0.1, None)
    await play(sleep(0.3), Job("reminders", runs.run))
    assert runs.count == 2
    assert 0.09 < runs.times[1] - runs.times[0] < 0.25


async def test_nothing_is_looked_for_where_nobody_asks() -> None:
    runs = Runs(None)
    await play(sleep(0.2), Job("reminders", runs.run), poll=0.02)
    assert runs.count == 1


async def test_alone_it_looks_for_ever() -> None:
    runs = Runs(None)
    await play(sleep(0.2), Job("reminders", runs.run), poll=0.02, always=True)
    assert runs.count > 3


async def test_after_a_request_it_looks_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "ACTIVE_SECONDS", 0.15)
    runs = Runs(None)

    async def script(runner: Runner) -> None:
        await asyncio.sleep(0.4)
        before = runs.count
        assert before > 2  # the start is a request, too
        await asyncio.sleep(0.1)
        assert runs.count == before
        runner.note_request(False)
        await asyncio.sleep(0.1)
        assert runs.count > before

    await play(script, Job("reminders", runs.run), poll=0.03)


async def test_many_writes_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(None)

    async def script(runner: Runner) -> None:
        await asyncio.sleep(0.06)
        for _ in range(100):
            runner.note_request(True)
        await asyncio.sleep(0.2)

    await play(script, Job("reminders", runs.run))
    assert runs.count == 2


async def test_a_request_costs_the_jobs_a_turn_only_where_it_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "ACTIVE_SECONDS", 300.0)

    async def script(runner: Runner) -> None:
        await asyncio.sleep(0.06)
        assert not runner.is_news(False)  # it looks every now and then as it is
        assert runner.is_news(True)
        runner.note_request(True)
        assert not runner.is_news(True)  # it is about to look
        await asyncio.sleep(0.2)
        assert runner.is_news(True)  # it has looked since
        monkeypatch.setattr(runner_module, "ACTIVE_SECONDS", 0.0)
        assert runner.is_news(False)  # it had come to rest

    await play(script, Job("reminders", Runs(None).run), Job("reminder_mails", Runs(None).run))


async def test_a_job_that_fails_is_tried_again_and_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner_module, "_LONGEST_WAIT_SECONDS", 0.05)
    failing, other = Runs(DatabaseUnavailable("away"), RuntimeError("a defect"), None), Runs(0.02)
    await play(sleep(0.3), Job("reminders", failing.run), Job("reminder_mails", other.run))
    assert failing.count == 3
    assert other.count > 5
    assert [record.message for record in caplog.records if "job" in record.message] == [
        "a job could not reach the database",
        "unhandled error in a job",
    ]


async def test_a_job_wakes_the_one_that_it_has_made_something_for() -> None:
    first, second = Runs(0.1, None), Runs(None)
    await play(sleep(0.3), Job("reminders", first.run, wakes=("reminder_mails",)), Job("reminder_mails", second.run))
    assert second.count >= 2


async def test_the_end_waits_for_what_is_under_way_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "DRAIN_SECONDS", 0.2)
    done: list[str] = []

    async def short() -> None:
        await asyncio.sleep(0.1)
        done.append("short")

    async def long() -> None:
        await asyncio.sleep(60)
        done.append("long")

    await play(sleep(0.01), Job("reminders", short), Job("reminder_mails", long))
    assert done == ["short"]


def test_a_machine_that_slept_is_late_no_longer_than_it_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    alarm = Alarm(3600)
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + 7200)
    assert alarm.left() < 0


async def test_the_process_is_woken_by_its_supervisor_and_ends_with_it(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "pool", Pool())
    monkeypatch.setattr(activity, "listeners", [])
    ours, theirs = socket.socketpair()
    runs = Runs(None)
    running = asyncio.create_task(process.serve(Runner([Job("reminders", runs.run)], poll_seconds=60), theirs))
    loop = asyncio.get_running_loop()
    ours.setblocking(False)
    with ours, theirs:
        assert await asyncio.wait_for(loop.sock_recv(ours, 1), 10) == control.READY
        await asyncio.sleep(0.06)
        ours.send(control.WROTE)
        await asyncio.sleep(0.2)
        assert runs.count == 2
        activity.note_change("01a22385-c7dc-747a-a2c8-0f555bf33def")  # a reminder has fired
        told = await asyncio.wait_for(loop.sock_recv(ours, 100), 10)
        assert control.owners(told) == ["01a22385-c7dc-747a-a2c8-0f555bf33def"]
        ours.shutdown(socket.SHUT_WR)
        await asyncio.wait_for(running, 10)
