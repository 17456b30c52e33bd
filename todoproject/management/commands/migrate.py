"""`migrate`, beside servers that go on serving: over a direct connection, one process at a time, never in the way.

A statement that waits for a lock makes everything wait that comes after it. So none waits for longer than
MIGRATION_LOCK_TIMEOUT_SECONDS: the migration is undone, traffic goes through, and it is tried again.
"""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import errors, sql

from todoproject.database import direct_connection as direct
from todoproject.database.engine import roles
from todoproject.database.lock_watch import Watch

logger = logging.getLogger("todoproject")

# Any number will do, so long as every process of this project takes the same.
LOCK = 8_210_725_133
_TELL_EVERY_SECONDS = 10
_GAVE_WAY = (errors.LockNotAvailable, errors.DeadlockDetected)

_CONCURRENTLY = re.compile(r'\s*(CREATE|DROP)\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+[A-Z ]*EXISTS\s+)?"?(\w+)')
_IS_BROKEN = """
SELECT EXISTS (SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                WHERE relname = %s AND relnamespace = current_schema()::regnamespace AND NOT indisvalid)
"""
_HOLDER = """
SELECT concat('pid ', pid, ', connected for ', round(extract(epoch FROM clock_timestamp() - backend_start)), ' s')
  FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = %s AND granted
"""

# Where this is there, the migration that makes the roles is applied, and no later one needs to hand them on.
_HAS_ROLES = "SELECT to_regprocedure(format('%%I.current_user_id()', %s::text)) IS NOT NULL"

DIRECT_NAME = "todoproject migrate"  # how PostgreSQL tells such a session from those of a pooler
_END_POOLED_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE usename = current_user AND datname = current_database() AND application_name <> %s
"""


class Command(migrate.Command):
    help = (
        "Create or update the database: its schema, roles, tables, policies and triggers. Safe to repeat, and while"
        " others serve: a migration gives way to traffic and is tried again. Exit code 0: done; 1: not done."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        self._is_told = options["verbosity"] > 0
        _connect_directly(connection)
        _refuse_what_cannot_succeed(connection)

        def apply() -> None:
            prepare_schema(connection)
            super(Command, self).handle(*args, **options)

        with self._alone(connection), _impatient(connection), connection.execute_wrapper(self._execute):
            self._give_way(connection, apply)

    def _give_way(self, connection: BaseDatabaseWrapper, apply: Callable[[], None]) -> None:
        """Apply what is missing, and again where a lock was not to be had; what is applied stays applied."""
        deadline = time.monotonic() + settings.MIGRATION_PATIENCE
        delay = 0.5
        while True:
            with Watch(connection, _value(connection, "SELECT pg_backend_pid()"), self._tell) as watch:
                try:
                    return apply()
                except OperationalError as error:
                    if not isinstance(error.__cause__, _GAVE_WAY):
                        raise
            blockers = watch.blockers or "somebody who was gone before we could look"
            if time.monotonic() + delay > deadline:
                raise CommandError(
                    f"no lock was to be had in {settings.MIGRATION_PATIENCE} s (MIGRATION_PATIENCE_SECONDS). It is held"
                    f" by {blockers}. Migrations before this one stay applied. Run migrate again when that has ended,"
                    " or end it: SELECT pg_terminate_backend(pid)"
                )
            self._tell(f" gave way to {blockers}. Trying again in {delay:.1f} s.")
            # Those who queued behind us get through, and we do not come back in step with what blocks us.
            time.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 -- jitter is not a secret
            delay = min(delay * 2, 15.0)

    @contextmanager
    def _alone(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Let one process at a time migrate a database; the others wait, and then find nothing to do.

        They ask again and again: a session that waits inside pg_advisory_lock holds a snapshot, and a CREATE INDEX
        CONCURRENTLY of the process that migrates waits until that is gone, which is never.
        """
        told = -_TELL_EVERY_SECONDS * 1.0
        while not _value(connection, "SELECT pg_try_advisory_lock(%s)", LOCK):
            if time.monotonic() - told > _TELL_EVERY_SECONDS:
                told = time.monotonic()
                self._tell(f"Another process migrates ({_value(connection, _HOLDER, LOCK)}): waiting for it.")
            time.sleep(random.uniform(0.1, 0.3))  # noqa: S311 -- jitter is not a secret
        try:
            yield
        finally:
            _if_alive(connection, "SELECT pg_advisory_unlock(%s)", LOCK)

    def _execute(self, execute: Any, statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Let a concurrent build wait as long as it must: nobody waits behind it. Clear a broken index away first."""
        found = _CONCURRENTLY.match(str(statement))
        if found is None:
            return execute(statement, params, many, context)
        connection: BaseDatabaseWrapper = context["connection"]
        _value(connection, "SELECT set_config('lock_timeout', '0', false)")
        if found[1] == "CREATE" and _value(connection, _IS_BROKEN, found[2]):
            self._tell(f" the index {found[2]} is broken, left by a build that was cut short: building it anew.")
            execute(f"DROP INDEX CONCURRENTLY {connection.ops.quote_name(found[2])}", None, False, context)
        try:
            return execute(statement, params, many, context)
        finally:
            _limit_lock_waits(connection)

    def _tell(self, text: str) -> None:
        if self._is_told:
            self.stdout.write(text)
            self.stdout.flush()
        else:  # a server migrates before it serves: people read its log
            logger.warning("migrating", extra={"reason": text.strip()})


def _connect_directly(connection: BaseDatabaseWrapper) -> None:
    """Bypass a transaction pooler: the locks, the timeout and the search_path below need one session throughout."""
    name = connection.settings_dict["NAME"]
    direct = {**settings.DIRECT_DATABASE, "NAME": name}  # the tests have a database of another name
    if any(connection.settings_dict[key] != direct[key] for key in ("HOST", "PORT", "USER", "PASSWORD")):
        connection.close()
        # A copy: the dict is the setting itself, by which the API's pool and every other thread connect.
        options = {**direct["OPTIONS"], "application_name": DIRECT_NAME}
        connection.settings_dict = {**connection.settings_dict, **direct, "OPTIONS": options}


def _refuse_what_cannot_succeed(connection: BaseDatabaseWrapper) -> None:
    """Raise CommandError before anything is changed, and before anything is set on a session that others share."""
    if direct.is_transaction_pooled(connection):
        raise CommandError(
            "a transaction pooler stands before this database, and migrations need a session of their own: set"
            " DIRECT_DATABASE_URL to the server's own address, with the same database"
        )
    wanted = roles.missing_rights(connection)
    if wanted is not None and not _value(connection, _HAS_ROLES, settings.DATABASE_SCHEMA):
        raise CommandError(
            "another owner on this server has made the roles of this project, or this one may make none; nothing was"
            f" changed. As an administrator of the server run: {wanted}"
        )


@contextmanager
def _impatient(connection: BaseDatabaseWrapper) -> Iterator[None]:
    _limit_lock_waits(connection)
    try:
        yield
    finally:
        _if_alive(connection, "RESET lock_timeout")


def _limit_lock_waits(connection: BaseDatabaseWrapper) -> None:
    _if_alive(connection, "SELECT set_config('lock_timeout', %s, false)", f"{settings.MIGRATION_LOCK_TIMEOUT}s")


def prepare_schema(connection: BaseDatabaseWrapper) -> None:
    """Create the schema and make it the role's search_path in this database: a pooler refuses it in the URL."""
    schema, database = (
        sql.Identifier(settings.DATABASE_SCHEMA),
        sql.Identifier(connection.settings_dict["NAME"]),
    )
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        is_new = cursor.fetchone() != (settings.DATABASE_SCHEMA,)
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        for setting, value in (("search_path", schema), ("timezone", sql.Literal("UTC"))):
            name = sql.SQL(setting)
            cursor.execute(sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}").format(database, name, value))
            cursor.execute(sql.SQL("SET {} = {}").format(name, value))
        if is_new and connection.settings_dict["OPTIONS"].get("application_name") == DIRECT_NAME:
            # What a pooler keeps open has the old path for as long as it lives, and would not find a table.
            cursor.execute(_END_POOLED_SESSIONS, [DIRECT_NAME])


def _value(connection: BaseDatabaseWrapper, query: str, *parameters: str | int) -> Any:
    """Return the first column of the first row; None where there is no row."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def _if_alive(connection: BaseDatabaseWrapper, statement: str, *parameters: str | int) -> None:
    """Run a statement that only matters to a session that goes on."""
    if connection.connection is not None and not connection.connection.closed:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
