"""What a session waits for, seen from another one: process ids, ages, kinds of statements, and nobody's values."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

# The first word of a statement says enough; the rest may hold a title or an address.
_BLOCKERS = """
SELECT concat('pid ', pid, ' (', concat_ws(', ', nullif(application_name, ''), usename, state,
              upper(substring(query FROM '^\\s*(\\w+)'))),
              ', transaction open for ', round(extract(epoch FROM clock_timestamp() - xact_start), 1), ' s)')
  FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start
"""
_INDEX_PROGRESS = """
SELECT concat('index ', coalesce(index_relid::regclass::text, ''), ': ', phase,
              ', ' || round(100.0 * blocks_done / nullif(blocks_total, 0)) || ' %%')
  FROM pg_stat_progress_create_index WHERE pid = %s
"""
# Whoever waits for a lock gives up after seconds: a look in between will do.
_LOOK_EVERY_SECONDS = 0.2
_TELL_EVERY_SECONDS = 10.0


class Watch:
    """While open, look from a connection of its own at what the session `pid` waits for, and tell it now and then.

    `blockers` is who was last seen to block it, empty where nobody was. Not being able to look is no failure.
    """

    def __init__(self, connection: BaseDatabaseWrapper, pid: int, tell: Callable[[str], None]) -> None:
        self.blockers = ""
        self._connection, self._pid, self._tell = connection, pid, tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="blockers", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        own = self._connection.copy()  # here: Django lets only the thread that makes a connection use it
        told = time.monotonic()
        try:
            while not self._ended.wait(_LOOK_EVERY_SECONDS):
                now = _lines(own, _BLOCKERS, self._pid)
                self.blockers = now or self.blockers
                if time.monotonic() - told > _TELL_EVERY_SECONDS:
                    told = time.monotonic()
                    self._report(_lines(own, _INDEX_PROGRESS, self._pid), now)
        except DatabaseError:
            return
        finally:
            own.close()

    def _report(self, progress: str, blockers: str) -> None:
        if text := ". ".join([*filter(None, [progress, blockers and f"Waiting for {blockers}"])]):
            self._tell(f" {text}")


def _lines(connection: BaseDatabaseWrapper, query: str, pid: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query, [pid])
        return "; ".join(row[0] for row in cursor.fetchall())
