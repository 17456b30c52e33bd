"""How far a command is, on standard error: one line that changes on a terminal, at most a line a second elsewhere."""

import sys
import time
from typing import TextIO


class Progress:
    """Tells steps; with `quiet`, nothing."""

    def __init__(self, *, quiet: bool = False, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._quiet = quiet
        self._is_terminal = self._out.isatty()
        self._started = self._told = time.monotonic()

    def __call__(self, step: str) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        line = f"{now - self._started:6.1f} s  {step}"
        if self._is_terminal:
            self._out.write(f"\r\x1b[K{line[:110]}")
        elif now - self._told >= 1:
            self._told = now
            self._out.write(f"{line}\n")
        self._out.flush()

    def done(self) -> None:
        """Clear the line for what comes next."""
        if self._is_terminal and not self._quiet:
            self._out.write("\r\x1b[K")
            self._out.flush()
