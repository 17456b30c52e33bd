"""The API's connections to PostgreSQL: one pool for each process and event loop.

Most requests are one statement (`execute`): one round trip, a transaction of its own. A request that needs several
steps takes a `transaction` and executes them by that; `Work` is either, for whoever need not know which.

The pool is ours because it stands in the way of every request, and because of what a server does that sleeps: see
`connections.py`, which knows them all. Here is what is executed by them, and what is tried again.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Protocol, TypeVar

from django.conf import settings
from psycopg import Error

from todoproject.database.client import connecting
from todoproject.database.client.connections import Connections
from todoproject.database.client.owner_shares import OwnerShares, waited
from todoproject.database.client.statement import NOTHING, Credentials, Parameters, Rows, Statement
from todoproject.database.client.transaction import Transaction
from todoproject.database.client.unit import send_alone
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
from todoproject.observability import logs, metrics

T = TypeVar("T")

logger = logging.getLogger("todoproject.database")


_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


class Pool:
    """The connections of one process and one event loop."""

    def __init__(self, parameters: connecting.Parameters | None = None) -> None:
        self.connections = Connections(parameters)
        self._edition: bytes | None = b""  # of the prepared statements; None: there are none
        self._turns = asyncio.Semaphore()
        self._waiting_for_turn = 0
        self._shares = OwnerShares(1, self.connections.patience)

    async def open(self) -> None:
        """Open the pool; its connections are made in the background."""
        self._edition = b"" if settings.DATABASE_PREPARED_STATEMENTS else None
        half = max(1, settings.DATABASE_POOL_SIZE // 2)
        self._turns, self._shares = asyncio.Semaphore(half), OwnerShares(half, self.connections.patience)
        await self.connections.open()

    async def close(self) -> None:
        """Close all connections."""
        await self.connections.close()

    def standing(self) -> dict[str, int]:
        """Return how the pool stands: connections that may be, that are, that are idle, and who waits for one."""
        standing = self.connections.standing()
        standing["pool_waiting"] += self._waiting_for_turn + self._shares.waiting
        return standing

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
        connection = await self.connections.take()
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
            self.connections.give_back(connection)

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
        started, patience, turns = time.perf_counter(), self.connections.patience(), self._turns
        self._waiting_for_turn += 1
        try:
            async with asyncio.timeout(patience):
                await turns.acquire()
        except TimeoutError:
            raise self.connections.in_vain(patience) from None
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
        connection, edition = await self.connections.take(), self._edition
        try:
            return await send_alone(connection, statement, parameters, credentials, edition=edition)
        except (Error, NoAnswer) as error:
            if isinstance(error, Error) and not connection_lost(error):
                self._renew(edition, error)
                raise
            self.connections.drop_idle()
            if statement.repeatable:
                raise
            raise OutcomeUnknown(one_line(error)) from error
        finally:
            self.connections.give_back(connection)

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
