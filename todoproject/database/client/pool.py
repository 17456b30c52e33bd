"""The API's connections to PostgreSQL: one pool for each process and event loop.

Most requests are one statement (`execute`): one round trip, a transaction of its own. A request that needs several
steps takes a `transaction` and executes them by that; `Work` is either, for whoever need not know which.

The pool is ours because it stands in the way of every request, and because of what a server does that sleeps: a
connection ends the moment the server ends it, whoever waits is told why no new one comes, and tries to connect go on
at a steady pace for as long as somebody waits.
"""

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Protocol, TypeVar

from django.conf import settings
from psycopg import Error
from psycopg.pq import TransactionStatus

from todoproject.database import embedded
from todoproject.database.client import connecting
from todoproject.database.client.connection import Connection
from todoproject.database.client.owner_shares import OwnerShares, waited
from todoproject.database.client.statement import NOTHING, Credentials, Parameters, Rows, Statement
from todoproject.database.client.transaction import ROLLBACK, Transaction, send_alone
from todoproject.database.errors import (
    NO_SUCH_STATEMENT,
    DatabaseUnavailable,
    NoAnswer,
    OutcomeUnknown,
    Undone,
    connection_lost,
    is_stale,
    one_line,
    translate,
    was_undone,
)
from todoproject.database.waiting import Outage
from todoproject.observability import logs, metrics

T = TypeVar("T")

logger = logging.getLogger("todoproject.database")

_KEPT_OPEN = 2  # connections that stay when there is nothing to do; the server may still end them
_IDLE_SECONDS = 600.0
_LIFETIME_SECONDS = 3600.0  # a new server behind the same name, or a new password, is met within the hour
_FRESH_SECONDS = 1.0  # what was opened since then has been opened because others were lost

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


class Pool:
    """The connections of one process and one event loop."""

    def __init__(self, parameters: connecting.Parameters | None = None) -> None:
        self._parameters = parameters
        self._is_open = False
        self._edition: bytes | None = b""  # of the prepared statements; None: there are none
        self._idle: deque[Connection] = deque()  # the one used last is at the right, and used next
        self._all: set[Connection] = set()
        self._waiting: dict[asyncio.Future[Connection], None] = {}  # first come, first served; who gives up leaves
        self._connecting: set[asyncio.Task[None]] = set()
        self._cleaning: set[asyncio.Task[None]] = set()
        self._outage = Outage()
        self._turns = asyncio.Semaphore()
        self._waiting_for_turn = 0
        self._shares = OwnerShares(1, self._patience)

    async def open(self) -> None:
        """Open the pool; its connections are made in the background."""
        self._is_open, self._outage = True, Outage()
        self._edition = b"" if settings.DATABASE_PREPARED_STATEMENTS else None
        half = max(1, settings.DATABASE_POOL_SIZE // 2)
        self._turns, self._shares = asyncio.Semaphore(half), OwnerShares(half, self._patience)
        for _ in range(min(_KEPT_OPEN, settings.DATABASE_POOL_SIZE)):
            self._connect_one_more()

    async def close(self) -> None:
        """Close all connections."""
        self._is_open = False
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        self._refuse_waiting("the pool is closed")
        for connection in [*self._all]:
            connection.end()

    def standing(self) -> dict[str, int]:
        """Return how the pool stands: connections that may be, that are, that are idle, and who waits for one."""
        waiting = len(self._waiting) + self._waiting_for_turn + self._shares.waiting
        names = ("pool_max", "pool_size", "pool_idle", "pool_waiting")
        return dict(zip(names, (settings.DATABASE_POOL_SIZE, len(self._all), len(self._idle), waiting), strict=True))

    async def execute(
        self, statement: Statement, parameters: Parameters = NOTHING, credentials: Credentials | None = None
    ) -> Rows:
        """Execute one statement, always in a transaction of its own, and return its rows.

        Raises the errors of `database.errors`, or psycopg's own where only a defect of ours can be the reason.
        """
        started = time.perf_counter()
        try:
            if statement.writes and credentials is not None:
                async with self._shares.of(credentials):
                    return await self._execute_with_retry(statement, parameters, credentials)
            return await self._execute_with_retry(statement, parameters, credentials)
        except Error as error:
            raise translate(error) from error
        finally:
            if credentials is not None:
                self._shares.learn(credentials)
            logs.add_database_time(time.perf_counter() - started)

    @asynccontextmanager
    async def transaction(self, credentials: Credentials | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction. It commits at the end, or is undone by an exception.

        `credentials`: whose rows it will write, for their share of the connections.
        """
        async with self._shares.of(credentials), self._transaction() as transaction:
            yield transaction
        for act in transaction.when_committed:
            act()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        connection = await self._take()
        transaction = Transaction(connection, edition=self._edition)
        _in_transaction.set(True)
        try:
            yield transaction
            await _commit(transaction)
        except Error as error:
            raise translate(error) from error
        finally:
            if transaction.undone is not None:
                self._renew(transaction.edition, transaction.undone.__cause__)
            with suppress(Error, DatabaseUnavailable):  # a connection that is lost is a transaction that is undone
                await transaction.end("ROLLBACK")
            _in_transaction.set(False)
            self._give_back(connection)

    def on_commit(self, act: Callable[[], None]) -> None:
        """Do something now: each statement has been committed by itself."""
        act()

    def is_held(self) -> bool:
        """Tell whether whoever asks is inside a transaction; nobody may then hash, mail or wait for the network."""
        return _in_transaction.get()

    async def transact(self, work: Callable[[Transaction], Awaitable[T]], credentials: Credentials | None = None) -> T:
        """Do some work in a transaction, and once more from its beginning where the server has undone it.

        So what the work does besides must bear to be done twice.
        """
        try:
            return await self._transact_once(work, credentials)
        except Undone:
            metrics.count("retry", "undone")
        await _pause()
        return await self._transact_once(work, credentials)

    async def _transact_once(self, work: Callable[[Transaction], Awaitable[T]], credentials: Credentials | None) -> T:
        async with self.transaction(credentials) as transaction:
            result = await work(transaction)
            if transaction.undone is not None:  # somebody has made an answer of it
                raise transaction.undone
            return result

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Let one request more begin that would hold much memory while it waits for a connection.

        Half as many as there may be connections are under way, so that other requests find one; the rest wait in order,
        no longer in all than for a connection. Raises DatabaseUnavailable.
        """
        started, patience, turns = time.perf_counter(), self._patience(), self._turns
        self._waiting_for_turn += 1
        try:
            async with asyncio.timeout(patience):
                await turns.acquire()
        except TimeoutError:
            raise self._in_vain(patience) from None
        finally:
            self._waiting_for_turn -= 1
        token = waited.set(time.perf_counter() - started)
        try:
            yield
        finally:
            waited.reset(token)
            turns.release()

    async def _execute_with_retry(
        self, statement: Statement, parameters: Parameters, credentials: Credentials | None
    ) -> Rows:
        try:
            return await self._execute_once(statement, parameters, credentials)
        except Error as error:
            if not (was_undone(error) or is_stale(error) or connection_lost(error)):
                raise
            metrics.count("retry", "undone" if was_undone(error) else "lost" if connection_lost(error) else "stale")
        await _pause()
        return await self._execute_once(statement, parameters, credentials)

    async def _execute_once(
        self, statement: Statement, parameters: Parameters, credentials: Credentials | None
    ) -> Rows:
        """Send a statement. Raises OutcomeUnknown where it may have happened, and sending it again would do harm."""
        connection, edition = await self._take(), self._edition
        try:
            return await send_alone(connection, statement, parameters, credentials, edition=edition)
        except (Error, NoAnswer) as error:
            if isinstance(error, Error) and not connection_lost(error):
                self._renew(edition, error)
                raise
            self._drop_idle(older_than=_FRESH_SECONDS)
            if statement.repeatable:
                raise
            raise OutcomeUnknown(one_line(error)) from error
        finally:
            self._give_back(connection)

    def _drop_idle(self, *, older_than: float = 0.0) -> None:
        """End the others with one that is lost: on a way that is broken each would cost a timeout of its own."""
        newest = asyncio.get_running_loop().time() - older_than
        for connection in [*self._idle]:
            if connection.opened_at <= newest:
                connection.end()

    def _renew(self, edition: bytes | None, error: BaseException | None) -> None:
        """Prepare statements anew, or no more, where only their prepared form has failed, which was of this edition.

        A new text, and not only new connections: a pooler may keep the old plan for whoever sends the old text.
        """
        if edition is None or edition != self._edition or not isinstance(error, Error):
            return
        if error.sqlstate in NO_SUCH_STATEMENT:
            self._edition = None
            logger.warning("the pooler does not keep prepared statements: set DATABASE_PREPARED_STATEMENTS=false")
        elif is_stale(error):
            self._edition = b" --" + secrets.token_hex(4).encode()

    # --- Taking and giving back -------------------------------------------------------------------

    async def _take(self) -> Connection:
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
        patience = self._patience()
        timer = asyncio.get_running_loop().call_later(patience - waited.get(), self._expire, waiter, patience)
        started = time.perf_counter()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise
        finally:
            timer.cancel()
            self._waiting.pop(waiter, None)
            del waiter  # else its exception, this frame and it would hold each other
            metrics.count("pool_queued")
            metrics.count("pool_wait", by=time.perf_counter() - started)

    def _give_back(self, connection: Connection) -> None:
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
            self._give_back(connection)

    def _hand_over(self, connection: Connection) -> None:
        while self._waiting:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def _patience(self) -> float:
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
        _refuse(waiter, self._in_vain(patience))

    def _in_vain(self, patience: float) -> DatabaseUnavailable:
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


pool = Pool()


class Work(Protocol):
    """Whatever executes statements: the pool, each alone, or a transaction, together."""

    async def execute(
        self, statement: Statement, parameters: Parameters = NOTHING, credentials: Credentials | None = None
    ) -> Rows:
        """Execute one statement and return its rows."""

    async def transact(self, work: Callable[[Transaction], Awaitable[T]], credentials: Credentials | None = None) -> T:
        """Do some work that is undone as a whole if it raises. `credentials`: whose rows it will write."""

    def on_commit(self, act: Callable[[], None]) -> None:
        """Do something once what was executed is committed."""


def _refuse(waiter: "asyncio.Future[Connection]", error: DatabaseUnavailable) -> None:
    if not waiter.done():
        waiter.set_exception(error)


async def _pause() -> None:
    """Wait for a moment before a second try: the requests that one broken server has hit do not return in step."""
    await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 -- not a secret


async def _commit(transaction: Transaction) -> None:
    try:
        await transaction.end("COMMIT")
    except (Error, NoAnswer) as error:
        if isinstance(error, Error) and not connection_lost(error):
            raise
        raise OutcomeUnknown(one_line(error)) from error
