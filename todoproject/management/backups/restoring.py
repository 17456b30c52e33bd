"""Restore a backup into an empty or a new database, and compare what came of it with what the backup must hold."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from todoproject.database import direct_connection
from todoproject.management.backups import contents, isolation, manifest, programs
from todoproject.management.backups.errors import BackupError
from todoproject.management.backups.manifest import Manifest
from todoproject.management.commands.migrate import LOCK, prepare_schema
from todoproject.management.interruption import held
from todoproject.monitoring import readiness

_IN_SCHEMA = """
SELECT count(*) FROM (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)
                      UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = to_regnamespace(%(schema)s)) AS objects
"""
# Roles belong to the server, not to a database, so a dump has none. As in accounts/migrations/0002_fence.py.
_MAKE_ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# Who makes a role may hand it on, but from PostgreSQL 16 on not take it on, unless that is granted.
_MAY_TAKE_ON = f"SELECT pg_has_role(%s, {readiness.TAKE_ON})"


def check(dump: Path, tell: Callable[[str], None]) -> Manifest:
    """Read and check a backup before anything is touched. Raises BackupError."""
    made = manifest.read(dump)
    manifest.check(dump, made, tell)
    if made.schema != settings.DATABASE_SCHEMA:
        raise BackupError(f"{dump} holds schema {made.schema}: set DATABASE_SCHEMA={made.schema}")
    return made


def restore(dump: Path, made: Manifest, connection: BaseDatabaseWrapper, tell: Callable[[str], None]) -> bool:
    """Restore into the connection's database, whose schema must be empty, as a whole or not at all.

    Return whether those who follow changes are sent back to the beginning: a schema from before that cannot.
    Raises BackupError, also where the outcome is not what was backed up, and database errors.
    """
    with direct_connection.connected(connection) as session:
        session.execute("SET default_transaction_read_only = off")  # a killed restore has left it on for us, too
        _refuse_company(session)
        program = programs.find("pg_restore", session.info.server_version // 10_000, oldest=made.pg_dump)
        _refuse_what_is_not_empty(session, made.schema)
        tell("roles")
        for role in made.roles:
            _make_role(session, role)
        with isolation.read_only_for_others(session), _whole_or_nothing(session, made.schema):
            arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-tablespaces", str(dump)]
            options = isolation.EXEMPT
            programs.run(program, *arguments, connection=connection, tell=_Steps(tell), options=options)
            prepare_schema(connection)
            session.execute("ANALYZE")  # a dump has no statistics, and without them plans are guesses
            _compare(session, made, tell)
            return _reset_sync(session, made.schema)


@contextmanager
def _whole_or_nothing(session: "psycopg.Connection[Any]", schema: str) -> Iterator[None]:
    """Drop the schema, empty by now, which the dump makes itself; and what has become of it where that fails."""
    name = sql.Identifier(schema)
    session.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(name))
    try:
        yield
    except BaseException:
        with held():
            if not session.closed:
                session.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
        raise


@contextmanager
def database(name: str, tell: Callable[[str], None]) -> Iterator[BaseDatabaseWrapper]:
    """Yield a connection to a database, making it where there is none; a failure drops what was made."""
    with ExitStack() as undo:
        is_ours = name == connections["default"].settings_dict["NAME"]
        if not is_ours and create(name, undo, otherwise=f"make {name} yourself"):
            tell(f"made database {name}")
        connection = direct_connection.wrapper(name)
        undo.callback(connection.close)
        yield connection
        undo.pop_all()


def create(name: str, undo: ExitStack, *, otherwise: str) -> bool:
    """Make a database, which `undo` drops; return False where it is there already.

    Raises BackupError, which advises to do `otherwise`.
    """
    with direct_connection.connected(direct_connection.wrapper()) as session:
        if session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return False
        try:
            with held():  # once asked, the server makes it, whether we wait for that or not
                session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                undo.callback(drop, name)
        except psycopg.errors.DuplicateDatabase:
            return False
        except psycopg.errors.InsufficientPrivilege as error:
            raise BackupError(
                f"{session.info.user} may not make databases: {otherwise}, or give the right with "
                f"ALTER ROLE {session.info.user} CREATEDB"
            ) from error
        return True


def drop(name: str) -> None:
    """Drop a database with whoever is still in it, also where a second signal would end us."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    with held(), direct_connection.connected(direct_connection.wrapper()) as session:
        try:
            session.execute(statement + sql.SQL(" WITH (FORCE)"))
        except psycopg.errors.InsufficientPrivilege:
            # Autovacuum is in it, which only a superuser may end. Without FORCE, PostgreSQL itself sends it away.
            session.execute(statement)


def _refuse_company(session: "psycopg.Connection[Any]") -> None:
    """Take the lock under which a database changes its shape; it ends with the session."""
    [(is_ours,)] = session.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchall()
    if not is_ours:
        raise BackupError(f"a migration or another restore of {session.info.dbname} is under way: wait for its end")


def _refuse_what_is_not_empty(session: "psycopg.Connection[Any]", schema: str) -> None:
    [(count,)] = session.execute(_IN_SCHEMA, {"schema": schema}).fetchall()
    if count:
        raise BackupError(
            f"database {session.info.dbname} is not empty: schema {schema} holds {count} objects; restore into a new "
            f"database: --database {session.info.dbname}_restored"
        )


def _make_role(session: "psycopg.Connection[Any]", role: str) -> None:
    """Make a role that can do nothing by itself, and let the owner take it on, as the migrations do."""
    name = sql.Identifier(role)
    try:
        session.execute(sql.SQL(_MAKE_ROLE).format(role=name))
        [(may_take_on,)] = session.execute(_MAY_TAKE_ON, [role]).fetchall()
        if not may_take_on:
            session.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            f"{session.info.user} may not make or take on role {role}: as the server's administrator run "
            f"CREATE ROLE {role} NOLOGIN (if it is absent), and GRANT {role} TO {session.info.user}"
        ) from error


def _compare(session: "psycopg.Connection[Any]", made: Manifest, tell: Callable[[str], None]) -> None:
    with session.transaction():
        found = made.contents.differences(contents.read(session, made.schema, tell))
    if found:
        more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
        raise BackupError(f"what was restored is not what was backed up: {'; '.join(found[:5])}{more}")


def _reset_sync(session: "psycopg.Connection[Any]", schema: str) -> bool:
    """Leave out the numbers that were given after the backup was taken: nobody may meet one twice."""
    function = f"{schema}.reset_sync()"
    [(is_there,)] = session.execute("SELECT to_regprocedure(%s) IS NOT NULL", [function]).fetchall()
    if is_there:
        session.execute(sql.SQL("SELECT {}.reset_sync()").format(sql.Identifier(schema)))
    return bool(is_there)


class _Steps:
    """Puts what pg_restore says into words of ours."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def __call__(self, line: str) -> None:
        if found := re.fullmatch(r'processing data for table "\w+\.(\w+)"', line):
            self._tell(f"restoring the rows of {found[1]}")
        elif found := re.fullmatch(r'creating (INDEX|(?:FK )?CONSTRAINT) "\w+\.(.+)"', line):
            self._tell(f"building {found[1].lower()} {found[2]}")
