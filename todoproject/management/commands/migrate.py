"""`migrate`, over a direct connection, one process at a time, creating the schema first."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

# Any number will do, so long as every process of this project takes the same.
LOCK = 8_210_725_133


class Command(migrate.Command):
    help = "Create or update the database: its schema, roles, tables, policies and triggers. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        _connect_directly(connection)
        with _alone(connection):
            prepare_schema(connection)
            super().handle(*args, **options)


def _connect_directly(connection: BaseDatabaseWrapper) -> None:
    """Bypass a transaction pooler: the lock below and the search_path need one session throughout."""
    name = connection.settings_dict["NAME"]
    direct = {**settings.DIRECT_DATABASE, "NAME": name}  # the tests have a database of another name
    if any(connection.settings_dict[key] != direct[key] for key in ("HOST", "PORT", "USER", "PASSWORD")):
        connection.close()
        connection.settings_dict.update(direct)


@contextmanager
def _alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let one process at a time migrate a database; the others wait and then find nothing to do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def prepare_schema(connection: BaseDatabaseWrapper) -> None:
    """Create the schema and make it the role's search_path in this database: a pooler refuses it in the URL."""
    schema, database = (
        sql.Identifier(settings.DATABASE_SCHEMA),
        sql.Identifier(connection.settings_dict["NAME"]),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        for setting, value in (("search_path", schema), ("timezone", sql.Literal("UTC"))):
            name = sql.SQL(setting)
            cursor.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}").format(database, name, value))
            cursor.execute(sql.SQL("SET {} = {}").format(name, value))
