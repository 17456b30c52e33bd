"""What ends a command early leaves nothing behind: a signal to end becomes an exception, so every `finally` runs."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def orderly() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, as Ctrl-C is KeyboardInterrupt already."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
