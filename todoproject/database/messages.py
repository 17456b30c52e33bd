"""Messages to PostgreSQL: statements with their parameters bound, sent in one piece, and their results."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from django.conf import settings
from psycopg import AsyncClientCursor, AsyncConnection, Error
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from todoproject import logs
from todoproject.database.errors import DatabaseUnavailable
from todoproject.database.unit import Parameters, Rows, Statement

Connection = AsyncConnection[Any]


async def run(connection: Connection, statement: Statement, parameters: Parameters, before: Sequence[str] = ()) -> Rows:
    """Send the commands `before`, the statement's opening and its query; return the rows of the query."""
    cursor = AsyncClientCursor(connection)
    try:
        async with asyncio.timeout(settings.DATABASE_STATEMENT_TIMEOUT):
            await cursor.execute("".join([*(f"{command};\n" for command in before), statement.text]), parameters)
    except TimeoutError as error:
        raise _late() from error
    for _ in before:
        cursor.nextset()
    opening = cast(PGresult, cursor.pgresult)
    cursor.nextset()
    return Rows(cast(PGresult, cursor.pgresult), note_user(opening) if statement.is_fenced else None)


async def send(connection: Connection, commands: Sequence[str]) -> tuple[list[PGresult], Error | None]:
    """Send complete commands; return the result of each up to the first that failed, and its error."""
    try:
        async with asyncio.timeout(settings.DATABASE_STATEMENT_TIMEOUT), connection.lock:
            results = await connection.wait(_send(connection.pgconn, ";\n".join(commands).encode()))
    except TimeoutError as error:
        raise _late() from error
    if results and results[-1].status == ExecStatus.FATAL_ERROR:
        return results[:-1], error_from_result(results[-1], encoding="utf-8")
    return results, None


def bind(connection: Connection, query: str, parameters: Parameters) -> str:
    """Return a query with its parameters written in; the quoting is psycopg's."""
    return AsyncClientCursor(connection).mogrify(query, parameters)


def note_user(opening: PGresult) -> str:
    """Return the user whom an opening has bound, and let the logs name them."""
    user_id = Rows(opening, None).text(0, 0)
    logs.note_user(user_id)
    return user_id


def _send(pgconn: PGconn, message: bytes) -> PQGen[list[PGresult]]:
    pgconn.send_query(message)
    results: list[PGresult] = yield from execute(pgconn)
    return results


def _late() -> DatabaseUnavailable:
    return DatabaseUnavailable(f"no answer within {settings.DATABASE_STATEMENT_TIMEOUT} s")
