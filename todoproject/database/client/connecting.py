"""How a connection of the API's pool is opened, and at what pace it is tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import connections
from psycopg import AsyncConnection, OperationalError
from psycopg.errors import ConnectionTimeout

from todoproject.database import embedded
from todoproject.database.client.connection import Connection

# Between two tries of one connection: short enough that whoever waits is answered soon after the server wakes.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.5

Parameters = Callable[[], Awaitable[dict[str, Any]]]


def pauses() -> Iterator[float]:
    """Yield what to wait between tries, with jitter: workers that one broken server has hit do not return in step."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 -- not a secret
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def parameters() -> dict[str, Any]:
    """Return what to connect with; an embedded server is started first, also where it has ended meanwhile."""
    if settings.DATABASE_EMBEDDED:
        await asyncio.to_thread(embedded.start, settings.EMBEDDED_DATA_DIR)
    found = connections["default"].get_connection_params()
    for of_django in ("cursor_factory", "context"):
        found.pop(of_django, None)
    return {**found, "autocommit": True}


async def connected(get_parameters: Parameters, on_end: Callable[[Connection], None]) -> Connection:
    """Open a connection; refuse a server whose texts we could not read.

    A try that hangs is cut short and begun anew: what it hangs on may be mended, and a server that wakes wakes anyway.
    Not by psycopg's own timeout, after which the socket stays open until the garbage is collected.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.DATABASE_CONNECT_TIMEOUT / 3):
            connection = await AsyncConnection.connect(**await get_parameters())
            if connection.pgconn.parameter_status(b"client_encoding") != b"UTF8":
                await connection.close()
                raise OperationalError("the server must use client_encoding=UTF8")
            return Connection(connection, on_end)
    # Out here, so that whoever keeps this error does not keep the frames with the socket.
    raise ConnectionTimeout("connection timeout expired")
