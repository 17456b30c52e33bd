"""How far a command is, on standard error: on a terminal one line that counts, elsewhere a line for each long step."""

import sys
import threading
import time
from typing import TextIO

_TICK_SECONDS = 1.0  # steps that are shorter are only shown on a terminal


class Progress:
    """Tells the step at hand; with `quiet`, nothing. To be ended by `done`."""

    def __init__(self, *, quiet: bool = False, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty()
        self._started = time.monotonic()
        self._step = self._told = ""
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._is_quiet = quiet
        if not quiet:
            self._thread.start()

    def __call__(self, step: str) -> None:
        self._step = step
        if self._is_terminal and not self._is_quiet:
            self._write(step)

    def done(self) -> None:
        """Stop counting, and clear the line for what comes next."""
        self._is_done.set()
        if self._is_quiet:
            return
        self._thread.join()
        if self._is_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def _tick(self) -> None:
        seen = ""
        while not self._is_done.wait(_TICK_SECONDS):
            step = self._step
            if self._is_terminal and step:
                self._write(step)
            elif step == seen and step != self._told:  # for a whole tick by now
                self._told = step
                self._write(step)
            seen = step

    def _write(self, step: str) -> None:
        line = f"{time.monotonic() - self._started:6.1f} s  {step}"
        self._out.write(f"\r\x1b[K{line[:110]}" if self._is_terminal else f"{line}\n")
        self._out.flush()
