"""Several workers on one listening socket: start them, replace them one by one, start again the one that dies.

A worker is a process of its own, started from the files as they are now, so that a reload serves new code. It is
connected to its supervisor by a socket: it says when it serves and that it still lives, the supervisor says when it
shall go, and whichever end is gone is noticed by the other.
"""

import logging
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from todoproject.server import READY, RETIRE

logger = logging.getLogger("todoproject")

Start = Callable[[socket.socket], "subprocess.Popen[bytes]"]

# A worker that says nothing for so long is stuck: its event loop has not turned once in that time.
HUNG_SECONDS = 30.0
# One that ends sooner than this after its start would only end again: the next one waits, twice as long each time.
_STEADY_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 30.0
# What a worker may take for closing its pool and sending its mails, after its requests are done or given up.
_CLOSING_SECONDS = 15.0


@dataclass(eq=False)
class Worker:
    """One process that serves, or is about to, or has been told to go."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket
    generation: int
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    told_to_go: float | None = None

    def end(self, *, retire: bool) -> None:
        """Tell it to finish what it has begun; with `retire`, others of ours go on."""
        if self.told_to_go is None:
            self.told_to_go = time.monotonic()
            with suppress(OSError):
                if retire:
                    self.control.send(RETIRE)
                else:
                    self.control.shutdown(socket.SHUT_WR)


class Supervisor:
    """Keep `count` workers serving until told to end. `start` makes a worker that talks to us on the given socket.

    SIGTERM, SIGINT: end in order; a second one: at once. SIGHUP: replace all workers by new ones, without a gap.
    `on_end` is called when the end begins. `drain_seconds`: how long a worker may take for its last requests.
    """

    def __init__(
        self,
        start: Start,
        count: int,
        *,
        on_end: Callable[[], None],
        drain_seconds: float,
        hung_seconds: float = HUNG_SECONDS,
    ) -> None:
        self._start, self._count, self._on_end, self._hung = start, count, on_end, hung_seconds
        self._patience = drain_seconds + _CLOSING_SECONDS
        self._workers: list[Worker] = []
        self._generation = 0
        self._has_served = self._is_ending = self._has_failed = False
        self._next_start = 0.0
        self._wait = 0.5
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []

    def run(self) -> bool:
        """Supervise until the end; tell whether the workers could be started at all."""
        waker, woken = socket.socketpair()
        waker.setblocking(False)
        self._selector.register(woken, selectors.EVENT_READ)
        # SIGCHLD only wakes us: who has ended is looked up.
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        handlers = {number: signal.signal(number, self._note) for number in numbers}
        previous = signal.set_wakeup_fd(waker.fileno())
        try:
            while self._workers or not self._is_ending:
                self._turn(woken)
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for worker in self._workers:
                worker.process.kill()
            self._selector.close()
            waker.close()
            woken.close()
        return not self._has_failed

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _turn(self, woken: socket.socket) -> None:
        """Do what is due, then wait for news, for half a second at most."""
        while self._signals:
            self._handle(self._signals.pop(0))
        for worker in list(self._workers):
            if worker.process.poll() is not None:
                self._bury(worker)
        if not self._is_ending:
            self._fill()
            self._replace()
        self._kill_the_stuck()
        for key, _ in self._selector.select(timeout=0.5):
            if key.data is None:
                woken.recv(4096)  # a signal, noted already
            else:
                self._hear(key.data)

    def _handle(self, number: int) -> None:
        if number == signal.SIGHUP:
            logger.info("replacing the workers")
            self._generation += 1
        elif number in (signal.SIGTERM, signal.SIGINT) and not self._is_ending:
            self._end()
        elif number in (signal.SIGTERM, signal.SIGINT):
            for worker in self._workers:
                worker.process.kill()

    def _end(self) -> None:
        self._is_ending = True
        self._on_end()
        for worker in self._workers:
            worker.end(retire=False)

    def _fill(self) -> None:
        """Start what is missing; not at once where the last one did not last."""
        while len(self._serving()) < self._count and time.monotonic() >= self._next_start:
            self._launch()

    def _replace(self) -> None:
        """Bring one worker of the new generation into service, then let one of the old go; and so on."""
        old = [worker for worker in self._serving() if worker.generation < self._generation]
        new = [worker for worker in self._serving() if worker.generation == self._generation]
        is_one_leaving = any(worker.told_to_go is not None for worker in self._workers)
        if not old or is_one_leaving or not all(worker.is_ready for worker in new):
            return
        if len(old) + len(new) > self._count:
            old[0].end(retire=True)
        else:
            self._launch()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            worker = Worker(self._start(theirs), ours, self._generation)
        self._workers.append(worker)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _hear(self, worker: Worker) -> None:
        try:
            said = worker.control.recv(4096)
        except ConnectionError:
            said = b""
        worker.heard = time.monotonic()
        if READY in said:
            worker.is_ready = self._has_served = True
        if not said:  # it ends; how, its exit code will say
            self._selector.unregister(worker.control)

    def _bury(self, worker: Worker) -> None:
        self._workers.remove(worker)
        with suppress(KeyError):
            self._selector.unregister(worker.control)
        worker.control.close()
        if worker.told_to_go is not None or self._is_ending:
            return
        facts = {"pid": worker.process.pid, "exit_code": worker.process.returncode}
        if not self._has_served:
            logger.error("a worker could not start", extra=facts)
            self._has_failed = True
            self._end()
        elif not worker.is_ready and any(other.generation < worker.generation for other in self._workers):
            logger.error("a new worker could not start, so the old ones go on", extra=facts)
            self._generation = max(other.generation for other in self._workers if other.generation < worker.generation)
        else:
            self._postpone(worker, facts)

    def _postpone(self, worker: Worker, facts: dict[str, int]) -> None:
        lasted = time.monotonic() - worker.started
        self._wait = 0.5 if lasted > _STEADY_SECONDS else min(self._wait * 2, _LONGEST_WAIT_SECONDS)
        self._next_start = time.monotonic() + (0.0 if lasted > _STEADY_SECONDS else self._wait)
        logger.error("a worker ended and is started again", extra={**facts, "lasted_seconds": round(lasted, 1)})

    def _kill_the_stuck(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.told_to_go is not None:
                is_stuck = now - worker.told_to_go > self._patience
            else:
                is_stuck = worker.is_ready and now - worker.heard > self._hung
            if is_stuck and worker.process.poll() is None:
                logger.error("a worker is stuck and is killed", extra={"pid": worker.process.pid})
                worker.process.kill()

    def _serving(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.told_to_go is None]
