"""Connections of our own that go around a pooler, for what needs a session: dumps, restores, diagnosis."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler


def wrapper(database: str | None = None) -> BaseDatabaseWrapper:
    """Return a new connection, not yet open, to the direct database, or to another one of the same server."""
    name = database or connections["default"].settings_dict["NAME"]  # the tests have one of another name
    return ConnectionHandler({"default": {**settings.DIRECT_DATABASE, "NAME": name}})["default"]


def is_transaction_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether our statements meet changing sessions of the server, or one that others share with us.

    A session pooler, too, answers with a process number of its own making, but what is set in a session stays there.
    """
    connection.ensure_connection()
    session = connection.connection
    if _process(session) == session.info.backend_pid:
        return False
    second = ConnectionHandler({"default": connection.settings_dict})["default"]
    with connected(second) as other:
        return any(_process(session) in (_process(other), _process(other)) for _ in range(20)) or (
            len({_process(session) for _ in range(20)}) > 1
        )


def _process(session: "psycopg.Connection[Any]") -> int:
    [(number,)] = session.execute("SELECT pg_backend_pid()").fetchall()
    return int(number)


@contextmanager
def connected(connection: BaseDatabaseWrapper) -> "Iterator[psycopg.Connection[Any]]":
    """Open a connection, waiting for a sleeping server, and close it at the end.

    Raises Django's OperationalError where the server cannot be reached, and psycopg's errors afterwards.
    """
    connection.ensure_connection()
    try:
        yield connection.connection
    finally:
        connection.close()
