"""The API's connections to PostgreSQL: one pool for each process and event loop.

Most requests are one statement (`run`): one message, one round trip. A request that needs several steps takes a
`transaction`, and whatever is run inside it joins it.
"""

import asyncio
import random
import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.db import connections
from psycopg import Error, OperationalError
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from todoproject import logs
from todoproject.database import embedded, messages
from todoproject.database.errors import DatabaseUnavailable, translate
from todoproject.database.messages import Connection
from todoproject.database.transaction import Transaction
from todoproject.database.unit import Parameters, Rows, Statement

# psycopg_pool waits ever longer between its tries to reach a lost server. Give up early: the next request starts
# anew, so that the pool is back within a second of the server, however long that was away.
_RECONNECT_TIMEOUT_SECONDS = 5


_transaction: ContextVar[Transaction | None] = ContextVar("transaction", default=None)


class Pool:
    """The connections of one process and one event loop."""

    def __init__(self) -> None:
        self._pool: AsyncConnectionPool[Connection] | None = None

    async def open(self) -> None:
        """Open the pool; its connections are made in the background."""
        self._pool = AsyncConnectionPool(
            kwargs=_connection_parameters,
            min_size=min(2, settings.DATABASE_POOL_SIZE),
            max_size=settings.DATABASE_POOL_SIZE,
            timeout=settings.DATABASE_POOL_TIMEOUT,
            reconnect_timeout=_RECONNECT_TIMEOUT_SECONDS,
            configure=_configure,
            name="api",
            open=False,
        )
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def run(self, statement: Statement, parameters: Parameters) -> Rows:
        """Send one statement, in the transaction at hand if there is one, and return the rows of its last part.

        Raises the errors of `database.errors`, or psycopg's own where only a defect of ours can be the reason.
        """
        started = time.perf_counter()
        try:
            if (transaction := _transaction.get()) is not None:
                return await transaction.run(statement, parameters)
            return await self._run_again_if_safe(statement, parameters)
        except (Error, PoolTimeout, PoolClosed) as error:
            raise translate(error) from error
        finally:
            logs.add_database_time(time.perf_counter() - started)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction that every `run` inside joins. It commits at the end, or is undone by an exception.

        Inside another one it is a part of that, which can be undone by itself.
        """
        if (outer := _transaction.get()) is not None:
            async with outer.part():
                yield outer
            return
        try:
            connection = await self._live_connection()
        except (Error, PoolTimeout, PoolClosed) as error:
            raise translate(error) from error
        transaction = Transaction(connection)
        token = _transaction.set(transaction)
        try:
            yield transaction
            await transaction.end("COMMIT")
        except Error as error:
            raise translate(error) from error
        finally:
            _transaction.reset(token)
            with suppress(Error):  # a connection that is lost is a transaction that is undone
                await transaction.end("ROLLBACK")
            await self._give_back(connection)

    async def _run_again_if_safe(self, statement: Statement, parameters: Parameters) -> Rows:
        try:
            return await self._run_once(statement, parameters)
        except OperationalError as error:
            if not (_was_undone(error) or (statement.repeatable and _connection_lost(error))):
                raise
        # Jitter, so that the requests which one broken server has hit do not return in step.
        await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 -- not a secret
        return await self._run_once(statement, parameters)

    async def _run_once(self, statement: Statement, parameters: Parameters) -> Rows:
        connection = await self._live_connection()
        try:
            return await messages.run(connection, statement, parameters)
        finally:
            await self._give_back(connection)

    async def _live_connection(self) -> Connection:
        """Take a connection that nobody has closed. After a sleep of the server all are dead: drop them together."""
        pool = self._opened()
        connection = await pool.getconn()
        while _is_dead(connection):
            await connection.close()
            await pool.putconn(connection)
            await pool.drain()
            connection = await pool.getconn()
        return connection

    async def _give_back(self, connection: Connection) -> None:
        if connection.pgconn.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
            # Cancelled between two results, or a statement of ours opened a transaction: nobody may inherit that.
            await connection.close()
        await self._opened().putconn(connection)

    def _opened(self) -> "AsyncConnectionPool[Connection]":
        if self._pool is None:
            raise DatabaseUnavailable("the pool is not open")
        return self._pool


pool = Pool()


def _was_undone(error: OperationalError) -> bool:
    """Tell whether the server has rolled the statement back in favour of another one: a deadlock, a conflict."""
    return error.sqlstate is not None and error.sqlstate.startswith("40")


def _connection_lost(error: OperationalError) -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def _is_dead(connection: Connection) -> bool:
    """Tell without a round trip whether the server has ended an idle connection: its farewell is still unread."""
    try:
        while not connection.closed and _is_readable(connection):
            connection.pgconn.consume_input()
            connection.pgconn.is_busy()  # reads what has come in, and hands a farewell to the handler below
    except OperationalError:
        return True
    return connection.closed or connection in _farewells


# Connections whose server has said that it ends them, perhaps a moment before it closes the socket.
_farewells: WeakSet[Connection] = WeakSet()


def _listen_for_farewell(connection: Connection) -> None:
    def note(message: Diagnostic) -> None:
        if message.severity_nonlocalized in ("FATAL", "PANIC"):
            _farewells.add(connection)

    connection.add_notice_handler(note)


def _is_readable(connection: Connection) -> bool:
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))


async def _connection_parameters() -> dict[str, Any]:
    """Return what to connect with; an embedded server is started first, also where it has ended meanwhile."""
    if settings.DATABASE_EMBEDDED:
        await asyncio.to_thread(embedded.start, settings.EMBEDDED_DATA_DIR)
    parameters = connections["default"].get_connection_params()
    for of_django in ("cursor_factory", "context"):
        parameters.pop(of_django, None)
    return {**parameters, "autocommit": True, "prepare_threshold": None}


async def _configure(connection: Connection) -> None:
    """Prepare a new connection; refuse a server on which client-side binding would not be safe."""
    status = connection.pgconn.parameter_status
    if status(b"standard_conforming_strings") != b"on" or status(b"client_encoding") != b"UTF8":
        raise OperationalError("the server must use standard_conforming_strings=on and client_encoding=UTF8")
    _listen_for_farewell(connection)
