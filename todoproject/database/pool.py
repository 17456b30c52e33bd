"""The API's connections to PostgreSQL, and the request unit: one message, one round trip, one transaction.

A request unit is two statements in one simple-protocol message. The first checks the token, binds its user and takes
on a role without rights of its own; the second is the request's statement. PostgreSQL runs them as one implicit
transaction: an error undoes both, and role and user end with it, whatever happens. Parameters are bound by psycopg.
"""

import asyncio
import builtins
import logging
import random
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.db import connections
from psycopg import AsyncClientCursor, AsyncConnection, Error, OperationalError, sql
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from todoproject import logs
from todoproject.database import embedded
from todoproject.database.errors import DatabaseUnavailable, translate

logger = logging.getLogger("todoproject.database")

API_ROLE = "todo_api"  # may read and write task content, fenced by row-level security
ACCOUNT_ROLE = "todo_account"  # may read and write an account's own rows, fenced likewise

Connection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the API, ready to be sent: its text, the scope it asks for and the role it runs as.

    `repeatable` says that sending it twice does no harm, so a connection that breaks under it is worth a second try.
    """

    text: str
    repeatable: bool
    is_fenced: bool

    @classmethod
    def fenced(cls, query: str, *, scope: str | None, role: str = API_ROLE, repeatable: bool = False) -> "Statement":
        """Put the token check, the user and the role in front of `query`. With no `scope`, any live token will do."""
        opening = (
            sql.SQL("SELECT {}.open_request(%(token_digest)s, {}), set_config('role', {}, true);\n")
            .format(sql.Identifier(settings.DATABASE_SCHEMA), sql.Literal(scope), sql.Literal(role))
            .as_string(None)
        )
        return cls(opening + query, repeatable, is_fenced=True)

    @classmethod
    def open(cls, query: str, *, repeatable: bool = False) -> "Statement":
        """Put only the search_path in front: for what happens before anybody is known, register and login."""
        path = sql.SQL("SELECT set_config('search_path', {}, true);\n").format(sql.Literal(settings.DATABASE_SCHEMA))
        return cls(path.as_string(None) + query, repeatable, is_fenced=False)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement returned, as the bytes that PostgreSQL sent, and the user it was run for."""

    result: PGresult
    user_id: str | None

    def __len__(self) -> int:
        return self.result.ntuples

    def value(self, row: int, column: int) -> bytes | None:
        """Return a value in PostgreSQL's text format, or None for NULL."""
        return self.result.get_value(row, column)

    def bytes(self, row: int, column: int) -> "builtins.bytes":
        """Return a value that is never NULL."""
        return cast(builtins.bytes, self.result.get_value(row, column))

    def text(self, row: int, column: int) -> str:
        """Return a value that is never NULL, decoded."""
        return self.bytes(row, column).decode()


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
            configure=_configure,
            name="api",
            open=False,
        )
        await self._pool.open()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def run(self, statement: Statement, parameters: Mapping[str, object]) -> Rows:
        """Send one statement and return the rows of its last part.

        Raises the errors of `database.errors`, or psycopg's own where only a defect of ours can be the reason.
        """
        started = time.perf_counter()
        try:
            return await self._run_again_if_safe(statement, parameters)
        except (Error, PoolTimeout, PoolClosed) as error:
            raise translate(error) from error
        except TimeoutError as error:
            raise DatabaseUnavailable(f"no answer within {settings.DATABASE_STATEMENT_TIMEOUT} s") from error
        finally:
            logs.add_database_time(time.perf_counter() - started)

    async def _run_again_if_safe(self, statement: Statement, parameters: Mapping[str, object]) -> Rows:
        try:
            return await self._run_once(statement, parameters)
        except OperationalError as error:
            if not (statement.repeatable and _connection_lost(error)):
                raise
        # Jitter, so that the requests which one broken server has hit do not return in step.
        await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 -- not a secret
        return await self._run_once(statement, parameters)

    async def _run_once(self, statement: Statement, parameters: Mapping[str, object]) -> Rows:
        connection = await self._live_connection()
        try:
            cursor = AsyncClientCursor(connection)
            async with asyncio.timeout(settings.DATABASE_STATEMENT_TIMEOUT):
                await cursor.execute(statement.text, parameters)
            opening = Rows(cast(PGresult, cursor.pgresult), None)
            cursor.nextset()
            user_id = opening.text(0, 0) if statement.is_fenced else None
            if user_id is not None:
                logs.note_user(user_id)
            return Rows(cast(PGresult, cursor.pgresult), user_id)
        finally:
            await self._give_back(connection)

    async def _live_connection(self) -> Connection:
        """Take a connection that nobody has closed. After a sleep of the server all are dead: drop them together."""
        pool = self._opened()
        connection = await pool.getconn()
        while _has_news(connection):
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


def _connection_lost(error: OperationalError) -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def _has_news(connection: Connection) -> bool:
    """Tell without a round trip whether an idle connection's socket is readable: a farewell or its end."""
    if connection.closed:
        return True
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
    """Refuse a server on which client-side binding would not be safe."""
    status = connection.pgconn.parameter_status
    if status(b"standard_conforming_strings") != b"on" or status(b"client_encoding") != b"UTF8":
        raise OperationalError("the server must use standard_conforming_strings=on and client_encoding=UTF8")
