"""Reads from a replica that never show its lag: a stale answer is thrown away, and the primary is asked.

The primary still checks the token of each such read, so that a revoked one is refused on the very next request. With
that it tells the revision of the owner's row, which every write of theirs moves. The replica is asked at the same time
and tells the revision it has seen before it read: where the two are the same, its answer is as good as the primary's.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, TypeVar

from django.conf import settings
from psycopg import Error, sql

from todoproject.database.client import connecting
from todoproject.database.client import pool as primary
from todoproject.database.client.command import Command
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Credentials, Parameters, Rows, Statement
from todoproject.database.errors import DatabaseError, DatabaseUnavailable
from todoproject.observability import logs

# A list takes milliseconds. A replica that needs longer than this is stuck or overloaded: the primary is asked.
_PATIENCE_SECONDS = 1.0
# Between two looks at one that is away. Only reads cause them: where nobody reads, nothing wakes a sleeping compute.
_REST_SECONDS = 2.0

T = TypeVar("T")

_OWN_REVISION = Command.parse("SELECT own_revision()")
_PING = Statement.unfenced("SELECT 1", repeatable=True)


class Replica:
    """The replica of one process and one event loop, if there is one."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._is_away = False
        self._look_again_at = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.reads: Counter[str] = Counter()  # by how it did: used, behind, away

    async def open(self) -> None:
        """Open the pool of the replica, where the settings name one; it need not be there yet."""
        if settings.REPLICA_DATABASE is not None:
            self._is_away, self._look_again_at = False, 0.0
            self._pool = Pool(partial(_connection_parameters, settings.REPLICA_DATABASE))
            await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await pool.close()

    def execute(self, statement: Statement, parameters: Parameters, credentials: Credentials) -> Awaitable[Rows]:
        """Execute a statement that only reads tasks. Raises what `Pool.execute` does."""
        if self._pool is None:
            return primary.pool.execute(statement, parameters, credentials)
        return self._execute(self._pool, statement, parameters, credentials)

    async def _execute(
        self, pool: Pool, statement: Statement, parameters: Parameters, credentials: Credentials
    ) -> Rows:
        if self._is_there(pool):
            reading = self._start(self._read(pool, _with_revision(statement), parameters, credentials))
            # Raises where the token is bad; the replica's answer is then left alone.
            checked = await primary.pool.execute(_check(statement), parameters, credentials)
            await asyncio.wait([reading], timeout=_PATIENCE_SECONDS)
            if not reading.done():
                self._leave()
            elif (rows := reading.result()) is not None and _revision(rows) == checked.value(0, 0):
                self._note("used")
                return rows
        self._note("away" if self._is_away else "behind")
        return await primary.pool.execute(statement, parameters, credentials)

    async def _read(
        self, pool: Pool, statement: Statement, parameters: Parameters, credentials: Credentials
    ) -> Rows | None:
        """Return the replica's answer; None where it has none: it is away, or does not know the token yet.

        Who is asking, the primary says: a replica that lags may still accept a token that has ended.
        """
        try:
            return await pool.execute(statement, parameters, Credentials(credentials.digest, kinds=credentials.kinds))
        except DatabaseUnavailable:
            self._leave()
        except (DatabaseError, Error):
            pass
        return None

    def _is_there(self, pool: Pool) -> bool:
        if self._is_away and time.monotonic() >= self._look_again_at:
            self._look_again_at = float("inf")  # until this look has ended
            self._start(self._look(pool))
        return not self._is_away

    async def _look(self, pool: Pool) -> None:
        try:
            await pool.execute(_PING)
            self._is_away = False
        except (DatabaseError, Error):
            self._leave()

    def _leave(self) -> None:
        """Ask the primary alone for a while, so that nobody waits for a replica that is away."""
        self._is_away = True
        self._look_again_at = time.monotonic() + _REST_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 -- jitter

    def _start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _note(self, outcome: str) -> None:
        self.reads[outcome] += 1
        logs.note(replica=outcome)


replica = Replica()


@lru_cache(maxsize=512)
def _with_revision(statement: Statement) -> Statement:
    """Let the preamble tell the owner's revision, too: before the query, which therefore sees this or a later one.

    Should a server evaluate it before the token's user is bound, it is null, and the primary is asked.
    """
    tells = sql.SQL(", {}.own_revision()").format(sql.Identifier(settings.DATABASE_SCHEMA)).as_string(None)
    return replace(statement, preamble=statement.preamble and statement.preamble.extended(tells), tells=tells)


def _revision(rows: Rows) -> bytes | None:
    return None if rows.preamble is None else rows.preamble.get_value(0, 2)


@lru_cache(maxsize=512)
def _check(statement: Statement) -> Statement:
    """Check the token as the statement would, and tell the revision of its owner."""
    return replace(statement, query=_OWN_REVISION)


async def _connection_parameters(there: dict[str, Any]) -> dict[str, Any]:
    parameters = await connecting.parameters()
    place = {"user": there["USER"], "password": there["PASSWORD"], "host": there["HOST"], "port": there["PORT"]}
    own = {name: value for name, value in place.items() if value}
    # Nothing of the way to the primary is left: not its port, not its certificates.
    kept = {name: parameters[name] for name in ("dbname", "client_encoding", "autocommit")}
    return {**kept, **there["OPTIONS"], **own}
