"""Several workers on one listening socket: start them, replace them one by one, start again the one that dies.

A worker is a process of its own, started from the files as they are now, so that a reload serves new code. It is
connected to its supervisor by a socket: it says when it serves and that it still lives, the supervisor says when it
shall go, and whichever end is gone is noticed by the other.
"""

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from todoproject.background import control
from todoproject.background.control import ASKED, READY, WROTE
from todoproject.serving.companion import Companion
from todoproject.serving.worker import CLOSING_SECONDS, HUNG_SECONDS, Start, Worker

logger = logging.getLogger("todoproject")

# One that ends sooner than this after its start would only end again: the next one waits, twice as long each time.
_STEADY_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 30.0
# A worker that serves after so long will not any more: something that it waits for never comes.
START_SECONDS = 120.0
# How long we wait for news at most.
_TURN_SECONDS = 0.5
# Where more than this is missing between two looks, it was we who were not scheduled.
_GAP_SECONDS = 1.0


class Supervisor:
    """Keep `count` workers serving until told to end. `start` makes a worker that talks to us on the given socket.

    SIGTERM, SIGINT: end in order; a second one: at once. SIGHUP: replace all workers by new ones, without a gap: one is
    told to go only while more than `count` serve. `companion`: the background process beside them, told of their
    requests. `on_end` is called when the end begins. `drain_seconds`: how long a worker may take for its last requests.
    `start_seconds`: how long until its first.
    """

    def __init__(
        self,
        start: Start,
        count: int,
        *,
        on_end: Callable[[], None],
        drain_seconds: float,
        hung_seconds: float = HUNG_SECONDS,
        start_seconds: float = START_SECONDS,
        companion: Companion | None = None,
    ) -> None:
        self._start, self._count, self._on_end = start, count, on_end
        self._hung, self._start_seconds = hung_seconds, start_seconds
        self._patience = drain_seconds + CLOSING_SECONDS
        self._workers: list[Worker] = []
        self._generation = self._newest = 0  # what shall serve; the last one asked for, which may have failed
        self._has_served = self._is_ending = self._has_failed = False
        self._next_start = 0.0
        self._wait = 0.5
        self._looked = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._companion = companion

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
            while self._workers or not self._is_ending or (self._companion and self._companion.is_there):
                self._turn(woken)
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._kill_all()
            self._selector.close()
            waker.close()
            woken.close()
        return not self._has_failed

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _turn(self, woken: socket.socket) -> None:
        """Do what is due, then wait for news, for half a second at most, and judge by them who is stuck."""
        while self._signals:
            self._handle(self._signals.pop(0))
        for worker in list(self._workers):
            if worker.process.poll() is not None:
                self._bury(worker)
        if not self._is_ending:
            self._replace()
            self._fill()
        if self._companion is not None:
            self._companion.tend(self._selector, may_start=self._has_served and not self._is_ending)
        for key, _ in self._selector.select(timeout=_TURN_SECONDS):
            if key.data is None:
                woken.recv(4096)  # a signal, noted already
            elif isinstance(key.data, Companion):
                self._hand_on(key.data.hear(self._selector))
            else:
                self._hear(key.data)
        self._forgive_own_gap()
        self._kill_the_stuck()

    def _forgive_own_gap(self) -> None:
        """Take out of every worker's time what we have not seen ourselves: a stopped machine stops them, too."""
        now = time.monotonic()
        gap = now - self._looked - _TURN_SECONDS
        self._looked = now
        if gap > _GAP_SECONDS:
            logger.warning("the supervisor was not scheduled", extra={"seconds": round(gap, 1)})
            for worker in self._workers:
                worker.forgive(gap)
            if self._companion is not None:
                self._companion.forgive(gap)

    def _handle(self, number: int) -> None:
        if number == signal.SIGHUP:
            logger.info("replacing the workers")
            self._newest += 1
            self._generation = self._newest
            self._next_start = 0.0
            if self._companion is not None:
                self._companion.end()  # and it is started anew
        elif number in (signal.SIGTERM, signal.SIGINT) and not self._is_ending:
            self._end()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._kill_all()

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        if self._companion is not None:
            self._companion.kill()

    def _end(self) -> None:
        self._is_ending = True
        self._on_end()
        for worker in self._workers:
            worker.end(retire=False)
        if self._companion is not None:
            self._companion.end()

    def _fill(self) -> None:
        """Start what is missing; not at once where the last one did not last."""
        while len(self._staying()) < self._count and self._launch():
            pass

    def _replace(self) -> None:
        """Bring one worker of the new generation into service, then let one of the old go; and so on."""
        old = [worker for worker in self._staying() if worker.generation < self._generation]
        for worker in old:
            if not worker.is_ready and self._is_superseded(worker):
                worker.end(retire=True)
        if not old or any(worker.told_to_go is not None for worker in self._workers):
            return
        if sum(worker.serves for worker in self._workers) > self._count:
            old[0].end(retire=True)
        elif len(self._staying()) <= self._count:
            self._launch()

    def _is_superseded(self, worker: Worker) -> bool:
        """Tell whether a worker that is about to serve is out of date for certain.

        It is where a reload came in between whose own first worker has not served yet, or the newest ones serve
        already. Until they do, one that completes those who serve may be needed: the reload may yet fail.
        """
        serving = {other.generation for other in self._workers if other.serves}
        return worker.generation not in serving or self._generation in serving

    def _launch(self) -> bool:
        """Start a worker, unless the last one is too recent a failure; tell whether that was done."""
        if time.monotonic() < self._next_start:
            return False
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            return self._put_off(error)
        with theirs:
            try:
                worker = Worker(self._start(theirs), ours, self._generation)
            except OSError as error:  # no such program any more, no descriptors, no memory: the others go on
                ours.close()
                return self._put_off(error)
        ours.setblocking(False)
        self._workers.append(worker)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return True

    def _put_off(self, error: OSError) -> bool:
        """Try again later; but a server none of whose workers has ever served ends with the first that fails."""
        if self._has_served:
            self._wait_longer()
            facts = {"reason": str(error), "again_in_seconds": self._wait}
            logger.error("a worker could not be started, and is tried again; the others go on", extra=facts)
        else:
            logger.error("a worker could not start", extra={"reason": str(error)})
            self._has_failed = True
            self._end()
        return False

    def _wait_longer(self) -> None:
        self._wait = min(self._wait * 2, _LONGEST_WAIT_SECONDS)
        self._next_start = time.monotonic() + self._wait

    def _hear(self, worker: Worker) -> None:
        try:
            said = worker.control.recv(4096)
        except ConnectionError:
            said = b""
        worker.heard = time.monotonic()
        if READY in said:
            worker.is_ready = self._has_served = True
        if self._companion is not None and (ASKED in said or WROTE in said):
            self._companion.tell(WROTE if WROTE in said else ASKED)
        self._hand_on(said, worker)
        if not said:  # it ends; how, its exit code will say
            self._selector.unregister(worker.control)

    def _hand_on(self, said: bytes, source: Worker | None = None) -> None:
        """Tell the other workers whose streams have something to tell."""
        message = control.wrote(control.owners(said))
        for worker in self._workers:
            if message and worker is not source and worker.serves:
                with suppress(OSError):  # it is ending, or has too much to read: its own look will find it
                    worker.control.send(message)

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
        elif not worker.is_ready and worker.generation == self._generation and self._older():
            logger.error("a new worker could not start, so the old ones go on", extra=facts)
            self._generation = max(self._older())
        else:
            self._postpone(worker, facts)

    def _older(self) -> list[int]:
        """Return the generations that a reload wants to replace, and which serve."""
        return [other.generation for other in self._workers if other.serves and other.generation < self._generation]

    def _postpone(self, worker: Worker, facts: dict[str, int]) -> None:
        lasted = time.monotonic() - worker.started
        if worker.is_ready and lasted > _STEADY_SECONDS:
            self._wait, self._next_start = 0.5, 0.0
        else:
            self._wait_longer()
        logger.error("a worker ended and is started again", extra={**facts, "lasted_seconds": round(lasted, 1)})

    def _kill_the_stuck(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.told_to_go is not None:
                is_stuck = now - worker.told_to_go > self._patience
            elif worker.is_ready:
                is_stuck = now - worker.heard > self._hung
            else:
                is_stuck = now - worker.started > self._start_seconds
            if is_stuck and worker.process.poll() is None:
                facts = {"pid": worker.process.pid, "was_ready": worker.is_ready}
                logger.error("a worker is stuck and is killed", extra=facts)
                worker.process.kill()

    def _staying(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.told_to_go is None]
