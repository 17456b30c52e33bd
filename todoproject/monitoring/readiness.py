"""Is the database what this code needs: migrated, and fenced by roles that row-level security binds?"""

from functools import cache
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import ACCOUNT_ROLE, API_ROLE, Statement
from todoproject.database.errors import DatabaseNotReady
from todoproject.observability import metrics

MINIMUM_VERSION = 150_000  # the oldest that is tested, and that closes schema public to strangers

# The right to SET ROLE. Every member had it before PostgreSQL 16; since then, whoever makes a role is a member without.
TAKE_ON = "CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END"

APPLIED_MIGRATIONS = "SELECT app, name FROM django_migrations"
# One sentence a row for each way in which the fence is open.
OPEN_FENCES = f"""
WITH wanted_roles AS (SELECT unnest(%(roles)s::name[]) AS name),
     wanted_tables AS (SELECT unnest(%(tables)s::name[]) AS name),
     tables AS (SELECT c.relname, c.relowner, c.relrowsecurity
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p'))
SELECT format('role %%s does not exist', name) FROM wanted_roles
 WHERE name NOT IN (SELECT rolname FROM pg_roles)
UNION ALL
SELECT format('role %%s bypasses row-level security', rolname) FROM pg_roles
 WHERE rolname IN (SELECT name FROM wanted_roles) AND (rolbypassrls OR rolsuper)
UNION ALL
SELECT format('role %%s owns tables and so bypasses row-level security', rolname) FROM pg_roles
 WHERE rolname IN (SELECT name FROM wanted_roles) AND oid IN (SELECT relowner FROM tables)
UNION ALL
SELECT format('role %%s may not be taken on by %%s', rolname, current_user) FROM pg_roles
 WHERE rolname IN (SELECT name FROM wanted_roles) AND NOT pg_has_role(oid, {TAKE_ON})
UNION ALL
SELECT format('table %%s has no row-level security', name) FROM wanted_tables
 WHERE name NOT IN (SELECT relname FROM tables WHERE relrowsecurity)
"""  # noqa: S608 -- put together from words of our own


def fence_parameters() -> dict[str, Any]:
    """Return the parameters of OPEN_FENCES."""
    return {
        "roles": [API_ROLE, ACCOUNT_ROLE],
        "tables": [
            "users",
            "access_tokens",
            "email_links",
            "idempotency_keys",
            "tasks",
            "lists",
            "reminders",
            "stream_tickets",
            "webhooks",
            "webhooks_deliveries",
        ],
        "schema": settings.DATABASE_SCHEMA,
    }


def outdated(connection: BaseDatabaseWrapper) -> str | None:
    """Return the sentence that says so where the server is too old."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0])
    if version >= MINIMUM_VERSION:
        return None
    return f"PostgreSQL {version // 10_000} is too old: version {MINIMUM_VERSION // 10_000} is needed"


def open_fences(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the ways in which the fence is open, a sentence each."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_FENCES, fence_parameters())
        return [row[0] for row in cursor.fetchall()]


@cache
def _expected_migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)


async def shortcomings() -> list[str]:
    """Return what is missing, a sentence each; empty where all is well. Raises DatabaseUnavailable."""
    try:
        return [*await _unapplied(), *await _open_fences()]
    except DatabaseNotReady:
        return ["the schema is absent: run `python manage.py migrate`"]


async def _unapplied() -> list[str]:
    rows = await pool.execute(Statement.unfenced(APPLIED_MIGRATIONS, repeatable=True))
    applied = {(rows.text(row, 0), rows.text(row, 1)) for row in range(len(rows))}
    missing = sorted(f"{app}.{name}" for app, name in _expected_migrations() - applied)
    metrics.store.put("schema_behind", float(bool(missing)))
    return [f"unapplied migrations: {', '.join(missing)}"] if missing else []


async def _open_fences() -> list[str]:
    rows = await pool.execute(Statement.unfenced(OPEN_FENCES, repeatable=True), fence_parameters())
    return [rows.text(row, 0) for row in range(len(rows))]
