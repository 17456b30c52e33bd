"""What streams say while there is nothing to tell: that they are there. One timer beats for all of a process.

A timer for each stream, and the task that it wakes, cost more than the beat itself. A slice of the streams beats at a
time, so that thousands of them hold up nobody else.
"""

import asyncio
from typing import Protocol

SECONDS = 15.0  # between two beats of a stream; the first comes sooner
SLICES = 150


class Beating(Protocol):
    """What beats."""

    def beat(self) -> None:
        """Say that it is there, without waiting for anybody."""


class Heartbeats:
    """All that beats in one event loop."""

    def __init__(self) -> None:
        self._slices: list[set[Beating]] = [set() for _ in range(SLICES)]
        self._slice_of: dict[Beating, set[Beating]] = {}
        self._turn = 0
        self._newest = 0  # the slice of who came last: they are dealt out
        self._at = 0.0  # when the timer rings
        self._timer: asyncio.TimerHandle | None = None

    def add(self, beating: Beating) -> None:
        """Let something beat until it is removed."""
        self._newest = (self._newest + 1) % SLICES
        own = self._slice_of[beating] = self._slices[self._newest]
        own.add(beating)
        if self._timer is None:
            self._at = asyncio.get_running_loop().time()
            self._wait()

    def remove(self, beating: Beating) -> None:
        """Let something beat no more; with the last one the timer goes."""
        self._slice_of.pop(beating).discard(beating)
        if not self._slice_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._at = max(self._at + SECONDS / SLICES, loop.time())  # who comes late does not hurry after
        self._timer = loop.call_at(self._at, self._beat)

    def _beat(self) -> None:
        self._turn = (self._turn + 1) % SLICES
        self._wait()
        for each in [*self._slices[self._turn]]:
            each.beat()


heartbeats = Heartbeats()
