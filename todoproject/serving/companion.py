"""The background process beside the workers: started again when it ends, and never a reason for the server to end."""

import logging
import selectors
import socket
import time
from contextlib import suppress

from todoproject.background.control import READY
from todoproject.serving.worker import CLOSING_SECONDS, HUNG_SECONDS, Start, Worker

logger = logging.getLogger("todoproject")

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 60.0
_STEADY_SECONDS = 60.0


class Companion:
    """Keep one process running, whose supervisor calls `tend` at each turn. `start` makes it."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._process: Worker | None = None
        self._next_start = 0.0
        self._wait = _FIRST_WAIT_SECONDS

    @property
    def is_there(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None

    def tend(self, selector: selectors.BaseSelector, *, may_start: bool) -> None:
        """Bury it where it has ended, kill it where it is stuck, start it where there is none."""
        if self._process is not None and self._process.process.poll() is not None:
            self._bury(self._process, selector)
        if self._process is not None:
            self._kill_if_stuck(self._process)
        elif may_start and time.monotonic() >= self._next_start:
            self._launch(selector)

    def hear(self, selector: selectors.BaseSelector) -> bytes:
        """Take in that it lives; or that its end of the socket is closed: how it ended, its exit code will say.

        Return what it has said, which may be for the workers.
        """
        if (process := self._process) is None:
            return b""
        said = b""
        with suppress(ConnectionError):
            said = process.control.recv(4096)
        process.heard = time.monotonic()
        process.is_ready = process.is_ready or READY in said
        if not said:
            selector.unregister(process.control)
        return said

    def tell(self, message: bytes) -> None:
        """Hand on what a worker has said."""
        if self._process is not None and self._process.told_to_go is None:
            with suppress(OSError):  # it has just ended, or has many such words to read still
                self._process.control.send(message)

    def end(self) -> None:
        """Let it finish what it is doing, and go."""
        if self._process is not None:
            self._process.end(retire=False)

    def kill(self) -> None:
        if self._process is not None:
            self._process.process.kill()

    def forgive(self, seconds: float) -> None:
        """Do not count so long against it."""
        if self._process is not None:
            self._process.forgive(seconds)

    def _launch(self, selector: selectors.BaseSelector) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._put_off(str(error))
            return
        with theirs:
            try:
                self._process = Worker(self._start(theirs), ours, 0)
            except OSError as error:
                ours.close()
                self._put_off(str(error))
                return
        ours.setblocking(False)
        selector.register(ours, selectors.EVENT_READ, self)

    def _bury(self, process: Worker, selector: selectors.BaseSelector) -> None:
        self._process = None
        with suppress(KeyError):
            selector.unregister(process.control)
        process.control.close()
        if process.told_to_go is not None:
            return
        if time.monotonic() - process.started > _STEADY_SECONDS:
            self._wait = _FIRST_WAIT_SECONDS
        self._put_off(f"exit code {process.process.returncode}")

    def _put_off(self, reason: str) -> None:
        facts = {"reason": reason, "again_in_seconds": self._wait}
        logger.error("the background process has ended and is started again", extra=facts)
        self._next_start = time.monotonic() + self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT_SECONDS)

    def _kill_if_stuck(self, process: Worker) -> None:
        silent = time.monotonic() - (process.told_to_go or process.heard)
        # One that was told to go may be in the middle of a mail; one that starts has a database to wait for.
        if silent > (CLOSING_SECONDS if process.told_to_go else HUNG_SECONDS if process.is_ready else 120.0):
            logger.error("the background process is stuck and is killed", extra={"pid": process.process.pid})
            process.process.kill()
