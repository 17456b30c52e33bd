"""The API's connections to PostgreSQL: one pool for each process and event loop.

Most requests are one statement (`run`): one message, one round trip. A request that needs several steps takes a
`transaction`, and whatever is run inside it joins it.
"""

import asyncio
import random
import select
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast
from weakref import WeakSet

from django.conf import settings
from django.db import connections
from psycopg import AsyncClientCursor, AsyncConnection, Error, OperationalError
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from todoproject import logs
from todoproject.database import embedded
from todoproject.database.errors import DatabaseUnavailable, translate
from todoproject.database.unit import Rows, Statement

Connection = AsyncConnection[Any]
Parameters = Mapping[str, object]

# psycopg_pool waits ever longer between its tries to reach a lost server. Give up early: the next request starts
# anew, so that the pool is back within a second of the server, however long that was away.
_RECONNECT_TIMEOUT_SECONDS = 5


class Transaction:
    """Several statements on one connection, all or nothing; made by `Pool.transaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def has_failed(self) -> bool:
        """Tell whether a statement has failed, so that only a savepoint can save what came before it."""
        return self._connection.pgconn.transaction_status == TransactionStatus.INERROR

    async def run(self, statement: Statement, parameters: Parameters) -> Rows:
        """Run a statement, which may take on another role than the one before it."""
        # The check of the next token is the owner's to make, so whoever came before steps back first.
        before = [] if self.is_open else ["BEGIN"]
        before.append("SELECT set_config('role', 'none', true)")
        cursor = await _execute(self._connection, ";\n".join([*before, statement.text]), parameters)
        for _ in before:
            cursor.nextset()
        return _rows(cursor, statement)

    async def command(self, text: str) -> None:
        """Run a command without a result: SAVEPOINT, ROLLBACK TO, COMMIT."""
        await _execute(self._connection, text, {})

    @property
    def is_open(self) -> bool:
        """Tell whether it has begun and not yet ended."""
        return self._connection.pgconn.transaction_status != TransactionStatus.IDLE


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
        """Open a transaction that every `run` inside joins. It commits at the end, or is undone by an exception."""
        try:
            connection = await self._live_connection()
        except (Error, PoolTimeout, PoolClosed) as error:
            raise translate(error) from error
        transaction = Transaction(connection)
        token = _transaction.set(transaction)
        try:
            yield transaction
            if transaction.is_open:
                await transaction.command("COMMIT")
        except Error as error:
            raise translate(error) from error
        finally:
            _transaction.reset(token)
            # A transaction that is still open here was not committed; closing the connection undoes it.
            await self._give_back(connection)

    async def _run_again_if_safe(self, statement: Statement, parameters: Parameters) -> Rows:
        try:
            return await self._run_once(statement, parameters)
        except OperationalError as error:
            if not (statement.repeatable and _connection_lost(error)):
                raise
        # Jitter, so that the requests which one broken server has hit do not return in step.
        await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 -- not a secret
        return await self._run_once(statement, parameters)

    async def _run_once(self, statement: Statement, parameters: Parameters) -> Rows:
        connection = await self._live_connection()
        try:
            return _rows(await _execute(connection, statement.text, parameters), statement)
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


async def _execute(connection: Connection, text: str, parameters: Parameters) -> AsyncClientCursor[Any]:
    cursor = AsyncClientCursor(connection)
    try:
        async with asyncio.timeout(settings.DATABASE_STATEMENT_TIMEOUT):
            await cursor.execute(text, parameters)
    except TimeoutError as error:
        raise DatabaseUnavailable(f"no answer within {settings.DATABASE_STATEMENT_TIMEOUT} s") from error
    return cursor


def _rows(cursor: AsyncClientCursor[Any], statement: Statement) -> Rows:
    """Return the rows of a statement, from a cursor that stands on the result of its opening."""
    opening = Rows(cast(PGresult, cursor.pgresult), None)
    cursor.nextset()
    user_id = opening.text(0, 0) if statement.is_fenced else None
    if user_id is not None:
        logs.note_user(user_id)
    return Rows(cast(PGresult, cursor.pgresult), user_id)


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
