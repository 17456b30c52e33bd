"""A process that a supervisor has started, and the socket between them."""

import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from todoproject.background.control import RETIRE

Start = Callable[[socket.socket], "subprocess.Popen[bytes]"]

# A worker that says nothing for so long is stuck: its event loop has not turned once in that time.
HUNG_SECONDS = 30.0
# What a worker may take for closing its pool and sending its mails, after its requests are done or given up.
CLOSING_SECONDS = 15.0


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

    @property
    def serves(self) -> bool:
        """Whether it serves, and has not been told to go."""
        return self.is_ready and self.told_to_go is None

    def end(self, *, retire: bool) -> None:
        """Tell it to finish what it has begun; with `retire`, others of ours go on."""
        if self.told_to_go is None:
            self.told_to_go = time.monotonic()
            with suppress(OSError):
                if not self.is_ready:
                    self.process.terminate()  # it does not listen yet, and has no request in its hands
                elif retire:
                    self.control.send(RETIRE)
                else:
                    self.control.shutdown(socket.SHUT_WR)

    def forgive(self, seconds: float) -> None:
        """Do not count so long against it: its supervisor was not there to listen."""
        self.started += seconds
        self.heard += seconds
        if self.told_to_go is not None:
            self.told_to_go += seconds
