"""Connecting to a database that may still be asleep, from a thread that can wait."""

import functools
import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from psycopg import OperationalError

from todoproject.database import embedded
from todoproject.database.errors import worth_another_try

T = TypeVar("T")


def patiently(connect: Callable[[], T], on_failure: Callable[[Exception], object] = lambda error: None) -> T:
    """Connect; try again while the failure is one that passes and the timeout is not over.

    The embedded server is started first, where there is one. Raises psycopg's OperationalError.
    """
    _start_embedded(os.getpid())
    deadline = time.monotonic() + settings.DATABASE_CONNECT_TIMEOUT
    delay = 0.1
    while True:
        try:
            return connect()
        except OperationalError as error:
            on_failure(error)
            if not worth_another_try(str(error)) or time.monotonic() + delay > deadline:
                raise
            _start_embedded.cache_clear()  # it may have ended meanwhile
        time.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter is not a secret
        delay = min(delay * 2, 0.5)
        _start_embedded(os.getpid())


@functools.lru_cache(maxsize=1)
def _start_embedded(pid: int) -> None:
    """Start the embedded server once a process: it is asked for each connection, and a forked child counts anew."""
    if settings.DATABASE_EMBEDDED:
        embedded.start(settings.EMBEDDED_DATA_DIR)
