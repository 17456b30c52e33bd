"""Our tables: migrated, and fenced."""

from collections.abc import Iterator

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from todoproject.database import readiness
from todoproject.management.diagnosis.findings import Found, Session

_IS_THERE = "SELECT to_regclass(format('%%I.django_migrations', %(schema)s)) IS NOT NULL"

# Ways in which a fence can be open that the service does not look for at every start.
_MORE_FENCES = """
SELECT format('table %%s has a column user_id and no row-level security', relname)
  FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
 WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p') AND attname = 'user_id'
   AND atttypid = 'uuid'::regtype AND NOT attisdropped AND NOT relrowsecurity
   AND has_table_privilege(%(role)s, c.oid, 'SELECT')
UNION ALL
SELECT format('everybody on the server has the right to %%s table %%s', lower(privilege_type), relname)
  FROM pg_class, aclexplode(relacl) WHERE relnamespace = to_regnamespace(%(schema)s) AND grantee = 0
UNION ALL
SELECT format('everybody on the server may use schema %%s', nspname)
  FROM pg_namespace, aclexplode(nspacl) WHERE nspname = %(schema)s AND grantee = 0
"""
_ADVICE = {
    "does not exist": "Run `python manage.py migrate`; if all is applied already: CREATE ROLE … NOLOGIN, and GRANT it.",
    "owns tables": "ALTER TABLE … OWNER TO the role of DATABASE_URL.",
    "bypasses row-level security": "ALTER ROLE … NOBYPASSRLS NOSUPERUSER.",
    "may not be taken on": "GRANT that role TO the one of DATABASE_URL (from PostgreSQL 16 on: WITH SET TRUE).",
    "no row-level security": "ALTER TABLE … ENABLE ROW LEVEL SECURITY; and find out who has disabled it.",
}


def migrations(session: Session) -> Iterator[Found]:
    if not session.rows(_IS_THERE)[0][0]:
        yield "migrations", "problem", "the schema is absent", "Run `python manage.py migrate`, or restore a backup."
        return
    # By our own query: Django's would go to the connection named default, which may be the pooler's.
    rows = session.rows(f"SELECT app, name FROM {settings.DATABASE_SCHEMA}.django_migrations")  # noqa: S608
    applied, known = {(app, name) for app, name in rows}, set(MigrationLoader(None).disk_migrations)
    missing = sorted(f"{app}.{name}" for app, name in known - applied)
    unknown = sorted(f"{app}.{name}" for app, name in applied - known)
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        text = f"not applied: {', '.join(missing[:5])}{more}"
        yield "migrations", "problem", text, "Run `python manage.py migrate`."
    if unknown:
        advice = (
            "The database is newer than this code: deploy the newer version, or go back with it (docs/production.md)."
        )
        yield "migrations", "warning", f"applied, and unknown here: {', '.join(unknown)}", advice
    if not missing and not unknown:
        yield "migrations", "ok", f"all {len(applied)} applied", ""


def fence(session: Session) -> Iterator[Found]:
    if not session.rows(_IS_THERE)[0][0]:
        return
    found = readiness.open_fences(session.connection)
    if not any("does not exist" in sentence for sentence in found):
        for role in readiness.fence_parameters()["roles"]:
            found += [sentence for (sentence,) in session.rows(_MORE_FENCES, role=role)]
    for sentence in dict.fromkeys(found):
        advice = next((advice for words, advice in _ADVICE.items() if words in sentence), "Take it back: REVOKE.")
        yield "fence", "problem", sentence, advice
    if not found:
        [(policies,)] = session.rows("SELECT count(*) FROM pg_policies WHERE schemaname = %(schema)s")
        names = ", ".join(readiness.fence_parameters()["roles"])
        yield "fence", "ok", f"closed: {policies} policies bind {names}", ""
