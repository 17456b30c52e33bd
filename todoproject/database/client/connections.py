"""The connections of one process and one event loop: taken, waited for, given back, opened and ended.

A connection ends the moment the server ends it, whoever waits is told why no new one comes, and tries to connect go on
at a steady pace for as long as somebody waits.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress

from django.conf import settings
from psycopg import Error
from psycopg.pq import TransactionStatus

from todoproject.database import embedded
from todoproject.database.client import connecting
from todoproject.database.client.connection import Connection
from todoproject.database.client.owner_shares import waited
from todoproject.database.client.unit import ROLLBACK
from todoproject.database.errors import DatabaseUnavailable, one_line
from todoproject.database.waiting import Outage
from todoproject.observability import metrics

_KEPT_OPEN = 2  # connections that stay when there is nothing to do; the server may still end them
_IDLE_SECONDS = 600.0
_LIFETIME_SECONDS = 3600.0  # a new server behind the same name, or a new password, is met within the hour
_FRESH_SECONDS = 1.0  # what was opened since then has been opened because others were lost


class Connections:
    """All connections there are, those that are idle, and those who wait for one."""

    def __init__(self, parameters: connecting.Parameters | None = None) -> None:
        self._parameters = parameters
        self._is_open = False
        self._idle: deque[Connection] = deque()  # the one used last is at the right, and used next
        self._all: set[Connection] = set()
        self._waiting: dict[asyncio.Future[Connection], None] = {}  # first come, first served; who gives up leaves
        self._connecting: set[asyncio.Task[None]] = set()
        self._cleaning: set[asyncio.Task[None]] = set()
        self._outage = Outage()

    async def open(self) -> None:
        """Begin; connections are made in the background."""
        self._is_open, self._outage = True, Outage()
        for _ in range(min(_KEPT_OPEN, settings.DATABASE_POOL_SIZE)):
            self._connect_one_more()

    async def close(self) -> None:
        """End all connections, and refuse whoever waits for one."""
        self._is_open = False
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        self._refuse_waiting("the pool is closed")
        for connection in [*self._all]:
            connection.end()

    def standing(self) -> dict[str, int]:
        """Return how many connections may be, are, and are idle, and how many wait for one."""
        names = ("pool_max", "pool_size", "pool_idle", "pool_waiting")
        numbers = (settings.DATABASE_POOL_SIZE, len(self._all), len(self._idle), len(self._waiting))
        return dict(zip(names, numbers, strict=True))

    def drop_idle(self) -> None:
        """End the others with one that is lost: on a way that is broken each would cost a timeout of its own."""
        newest = asyncio.get_running_loop().time() - _FRESH_SECONDS
        for connection in [*self._idle]:
            if connection.opened_at <= newest:
                connection.end()

    async def take(self) -> Connection:
        """Return a connection that nobody else uses. Raises DatabaseUnavailable."""
        while self._idle:
            if (connection := self._idle.pop()).is_alive():
                return connection
        if not self._is_open:
            raise DatabaseUnavailable("the pool is not open")
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        if not self._all:
            self._outage.begin()
        if len(self._connecting) < len(self._waiting):
            self._connect_one_more()
        patience = self.patience()
        timer = asyncio.get_running_loop().call_later(patience - waited.get(), self._expire, waiter, patience)
        started = time.perf_counter()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give_back(waiter.result())
            raise
        finally:
            timer.cancel()
            self._waiting.pop(waiter, None)
            del waiter  # else its exception, this frame and it would hold each other
            metrics.count("pool_queued")
            metrics.count("pool_wait", by=time.perf_counter() - started)

    def give_back(self, connection: Connection) -> None:
        """Hand a connection to the next who waits; end one that is not as it was when it was taken."""
        if connection.is_ended:
            return
        if connection.transaction_status == TransactionStatus.INERROR:  # a write that was refused
            self._start_cleaning(connection)
            return
        now = connection.idle_since = asyncio.get_running_loop().time()
        # An open transaction: cancelled between two steps, or begun by a statement of ours. Nobody may inherit that.
        is_clean = connection.transaction_status == TransactionStatus.IDLE
        if not is_clean or not self._is_open or now - connection.opened_at > _LIFETIME_SECONDS:
            connection.end()
            return
        self._hand_over(connection)
        if len(self._all) > _KEPT_OPEN and self._idle and now - self._idle[0].idle_since > _IDLE_SECONDS:
            self._idle.popleft().end()

    def _start_cleaning(self, connection: Connection) -> None:
        """Roll back what has failed; the answer to its request does not wait for that."""
        task = asyncio.get_running_loop().create_task(self._clean(connection))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _clean(self, connection: Connection) -> None:
        with suppress(Error, DatabaseUnavailable):  # then it has ended
            _, error = await connection.send([ROLLBACK], edition=None)
            if error is not None or connection.transaction_status != TransactionStatus.IDLE:
                connection.end()
            self.give_back(connection)

    def _hand_over(self, connection: Connection) -> None:
        while self._waiting:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def patience(self) -> float:
        """Return for how many seconds to wait: until others are done, or until the server may have woken."""
        return float(settings.DATABASE_POOL_TIMEOUT) if self._all else self._outage.patience()

    def _expire(self, waiter: "asyncio.Future[Connection]", patience: float) -> None:
        if waiter.done():
            return
        # There were connections when the waiting began, and now there are none: wait for as long as for a wake in all.
        left = 0.0 if self._all else min(self._outage.waking(), settings.DATABASE_CONNECT_TIMEOUT - patience)
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._expire, waiter, patience + left)
            return
        self._waiting.pop(waiter, None)
        _refuse(waiter, self.in_vain(patience))

    def in_vain(self, patience: float) -> DatabaseUnavailable:
        """Return what is raised where somebody has waited for so many seconds, with the reason."""
        metrics.count("pool_timeout")
        in_use = f"all {len(self._all)} are in use" if self._all else "tries to connect are unanswered so far"
        return DatabaseUnavailable(f"no connection within {patience:.0f} s: {self._outage.reason or in_use}")

    def _forget(self, connection: Connection) -> None:
        """Take out a connection that has ended, and replace it if somebody waits."""
        metrics.count("pool_ended")
        self._all.discard(connection)
        if not self._all:
            self._outage.renew()
            if self._waiting:  # for a connection that was in use, they thought
                self._outage.begin()
        with suppress(ValueError):
            self._idle.remove(connection)
        if self._waiting:
            self._connect_one_more()

    # --- Connecting -------------------------------------------------------------------------------

    def _connect_one_more(self) -> None:
        if self._is_open and len(self._all) + len(self._connecting) < settings.DATABASE_POOL_SIZE:
            task = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        """Add a connection; try for as long as somebody waits for one and the reason may pass by itself."""
        for pause in connecting.pauses():
            try:
                connection = await connecting.connected(self._parameters or connecting.parameters, self._forget)
            except (OSError, Error, embedded.EmbeddedServerError) as error:
                metrics.count("pool_connect_error")
                if self._outage.note(error):
                    self._refuse_all(error)
                    return
            else:
                metrics.count("pool_connect")
                self._outage.end()
                self._all.add(connection)
                self._hand_over(connection)
                return
            if not self._waiting:
                return
            await asyncio.sleep(pause)

    def _refuse_all(self, error: Exception) -> None:
        """Tell everybody who waits, unless connections are in use: then they may yet be given one."""
        if self._all:
            return
        self._refuse_waiting(one_line(error))

    def _refuse_waiting(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting:
            _refuse(waiter, DatabaseUnavailable(reason))


def _refuse(waiter: "asyncio.Future[Connection]", error: DatabaseUnavailable) -> None:
    if not waiter.done():
        waiter.set_exception(error)
