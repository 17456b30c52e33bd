"""Django's PostgreSQL engine for the admin and for commands, with care for a database that is still asleep."""

import functools
import os
import random
import time
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError

from todoproject.database import embedded, watch
from todoproject.database.errors import worth_another_try


class DatabaseWrapper(base.DatabaseWrapper):
    """The stock engine; it starts the embedded server where there is one and waits for a sleeping one to wake."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute_wrappers.append(watch.execute)

    def get_new_connection(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        _start_embedded(os.getpid())
        deadline = time.monotonic() + settings.DATABASE_CONNECT_TIMEOUT
        delay = 0.1
        while True:
            try:
                return super().get_new_connection(conn_params)  # type: ignore[no-any-return]  # the stubs say Any
            except OperationalError as error:
                if not worth_another_try(str(error)) or time.monotonic() + delay > deadline:
                    raise
                _start_embedded.cache_clear()  # it may have ended meanwhile
            time.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter is not a secret
            delay = min(delay * 2, 2.0)
            _start_embedded(os.getpid())


@functools.lru_cache(maxsize=1)
def _start_embedded(pid: int) -> None:
    """Start the embedded server once a process: it is asked for each connection, and a forked child counts anew."""
    if settings.DATABASE_EMBEDDED:
        embedded.start(settings.EMBEDDED_DATA_DIR)
