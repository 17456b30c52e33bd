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
