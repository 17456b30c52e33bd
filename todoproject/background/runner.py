"""Jobs, each done when it is due, and looked for no oftener than somebody may have made something to do.

A database that nobody uses is asked nothing: a compute that sleeps must not be woken to be told that there is nothing.
So a job says when it is due next, and until then it rests. It is woken by a write of its own server. What others write
(another machine, SQL) is found by looking every few seconds, and only for five minutes after the last request.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from todoproject.database.errors import DatabaseError, one_line
from todoproject.observability import metrics

logger = logging.getLogger("todoproject.background")

# How long after a request something may still have been written elsewhere that nobody has told us of.
ACTIVE_SECONDS = 300.0
# However many writes wake a job: between two looks others come to their turn, and many writes are one look.
LEAST_SECONDS = 1.0
# After a failure, doubled each time.
_LONGEST_WAIT_SECONDS = 60.0
# How long a job that is under way may take at the end; then it is cut off, and done again.
DRAIN_SECONDS = 10.0
# The clock that we wait by may stand still while the machine sleeps: the other one is compared now and then.
_COMPARE_SECONDS = 30.0

_ending: ContextVar[asyncio.Event | None] = ContextVar("ending", default=None)


def is_ending() -> bool:
    """Tell a job that goes on for long, and the tasks that it has begun, whether to begin nothing more."""
    ending = _ending.get()
    return ending is not None and ending.is_set()


@dataclass(frozen=True)
class Job:
    """Something that is done again and again.

    `run` does what is due and returns in how many seconds there is more; None where it knows of nothing. Whatever it
    does must bear to be done twice: it may be cut off between doing and noting. `wakes` names the jobs that it may have
    made something to do.
    """

    name: str
    run: Callable[[], Awaitable[float | None]]
    wakes: tuple[str, ...] = ()


@dataclass
class _Turns:
    """How one job stands."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    is_woken: bool = False
    failures: int = 0


class Alarm:
    """A moment so many seconds ahead, by the clock that goes on and by the one on the wall: whichever comes first."""

    def __init__(self, seconds: float) -> None:
        self._ends = (time.monotonic() + seconds, time.time() + seconds)

    def left(self) -> float:
        return min(self._ends[0] - time.monotonic(), self._ends[1] - time.time())


class Runner:
    """Run jobs until told to end. With `always` they are looked for every `poll_seconds`, though nobody asks."""

    def __init__(self, jobs: Sequence[Job], *, poll_seconds: float, always: bool = False) -> None:
        self._jobs, self._poll, self._always = jobs, poll_seconds, always
        self._turns = {job.name: _Turns() for job in jobs}
        self._last_request = time.monotonic()  # a start is one: whoever starts a server is about to use it
        self.ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to do the jobs beside each other, so that none waits for another's network."""
        self._tasks = [asyncio.create_task(self._repeat(job, self._turns[job.name])) for job in self._jobs]

    async def drain(self) -> None:
        """End: what is under way is finished, for some seconds at most."""
        self.end()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            for task in late:
                logger.error("a job was cut off at the end: it is done again")
                task.cancel()

    def end(self) -> None:
        """Begin nothing more."""
        self.ending.set()
        self._tell()

    def is_news(self, wrote: bool) -> bool:
        """Take in, in any thread, that somebody has asked the server for something; tell whether the jobs must know.

        Nearly always they need not: it costs a request the time of a look at the clock.
        """
        before, self._last_request = self._last_request, time.monotonic()
        has_rested = self._last_request - before >= ACTIVE_SECONDS
        return has_rested or (wrote and not all(turns.is_woken for turns in self._turns.values()))

    def note_request(self, wrote: bool) -> None:
        """Let the jobs look: a write may have made something to do."""
        self._last_request = time.monotonic()
        if wrote:
            for turns in self._turns.values():
                self._wake(turns)
        self._tell()

    def _wake(self, turns: _Turns) -> None:
        turns.is_woken = True
        turns.news.set()

    def _tell(self) -> None:
        for turns in self._turns.values():
            turns.news.set()

    async def _repeat(self, job: Job, turns: _Turns) -> None:
        _ending.set(self.ending)  # of this task, and of those that it begins
        while not self.ending.is_set():
            turns.is_woken = False
            await self._rest(turns, await self._run(job, turns))

    async def _run(self, job: Job, turns: _Turns) -> float | None:
        """Do a job; return when to do it again. One that fails is tried again, and keeps no other from its turn."""
        metrics.count("background_run", job.name)
        try:
            seconds = await job.run()
        except DatabaseError as error:
            logger.warning("a job could not reach the database", extra={"job": job.name, "reason": one_line(error)})
        except Exception as error:
            logger.error("unhandled error in a job", exc_info=error, extra={"job": job.name})
        else:
            turns.failures = 0
            for name in job.wakes:
                self._wake(self._turns[name])
            return seconds
        metrics.count("background_failure", job.name)
        turns.failures += 1
        return min(2.0 ** (turns.failures - 1), _LONGEST_WAIT_SECONDS)

    async def _rest(self, turns: _Turns, seconds: float | None) -> None:
        """Wait until the job is due, until it is woken, or until it is time to look."""
        began = time.monotonic()
        alarm = Alarm(float("inf") if seconds is None else seconds)
        while not self.ending.is_set():
            left = min(alarm.left(), self._until_poll(began))
            if turns.is_woken:
                left = min(left, began + LEAST_SECONDS - time.monotonic())
            if left <= 0:
                return
            turns.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _COMPARE_SECONDS)):
                    await turns.news.wait()

    def _until_poll(self, began: float) -> float:
        now = time.monotonic()
        if self._always or now - self._last_request < ACTIVE_SECONDS:
            return began + self._poll - now
        return float("inf")
