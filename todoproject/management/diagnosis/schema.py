"""Our tables: migrated, and fenced."""

from collections.abc import Iterator

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from todoproject.management.diagnosis.findings import Found, Session
from todoproject.monitoring import readiness

_IS_THERE = "SELECT to_regclass(format('%%I.django_migrations', %(schema)s)) IS NOT NULL"

# Ways in which a fence can be open that the service does not look for at every start. The roles may read tables, and
# write columns that are granted to them one by one; some columns are not theirs by any grant.
_MORE_FENCES = """
SELECT format('table %%s has no row-level security, but a column user_id', relname)
  FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
 WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p') AND attname = 'user_id'
   AND atttypid = 'uuid'::regtype AND NOT attisdropped AND NOT relrowsecurity AND relname <> ALL (%(tables)s::name[])
   AND has_table_privilege(%(role)s, c.oid, 'SELECT')
UNION ALL
SELECT format('table %%s gives everybody on the server the right to %%s', relname, lower(privilege_type))
  FROM pg_class, aclexplode(relacl) WHERE relnamespace = to_regnamespace(%(schema)s) AND grantee = 0
UNION ALL
SELECT format('role %%s may %%s on the whole table %%s', %(role)s::text, lower(privilege_type), relname)
  FROM pg_class, aclexplode(relacl)
 WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('r', 'p') AND privilege_type <> 'SELECT'
   AND grantee = (SELECT oid FROM pg_roles WHERE rolname = %(role)s)
UNION ALL
SELECT format('role %%s may %%s column %%s of table %%s', %(role)s::text, lower(privilege), name, relname)
  FROM (VALUES ('users', 'password', 'SELECT'), ('users', 'email', 'UPDATE'), ('users', 'is_staff', 'UPDATE'),
               ('users', 'change_no', 'UPDATE'), ('access_tokens', 'digest', 'SELECT'),
               ('access_tokens', 'user_id', 'UPDATE'), ('tasks', 'user_id', 'UPDATE'))
          AS kept (of_table, name, privilege)
       JOIN pg_class c ON relname = of_table AND relnamespace = to_regnamespace(%(schema)s)
       JOIN pg_attribute ON attrelid = c.oid AND attname = name
 WHERE has_column_privilege(%(role)s::name, c.oid, attnum, privilege)
UNION ALL
SELECT format('everybody on the server may use schema %%s', nspname)
  FROM pg_namespace, aclexplode(nspacl) WHERE nspname = %(schema)s AND grantee = 0
"""
_ADVICE = {
    "does not exist": "Run `python manage.py migrate`; if all is applied: CREATE ROLE {name} NOLOGIN, and GRANT it.",
    "owns tables": "ALTER TABLE … OWNER TO the role of DATABASE_URL.",
    "bypasses row-level security": "ALTER ROLE {name} NOBYPASSRLS NOSUPERUSER.",
    "may not be taken on": "GRANT {name} TO the role of DATABASE_URL (from PostgreSQL 16 on: WITH SET TRUE).",
    "no row-level security": "ALTER TABLE {schema}.{name} ENABLE ROW LEVEL SECURITY; and find out who disabled it.",
    "may use schema": "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC.",
    "on the whole table": "REVOKE it from {name}, and find out who granted it: the API needs no such right.",
    " column ": "REVOKE it from {name}, and find out who granted it: the API needs no such right.",
    "table": "REVOKE ALL ON {schema}.{name} FROM PUBLIC.",
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
        wanted = readiness.fence_parameters()
        for role in wanted["roles"]:
            found += [sentence for (sentence,) in session.rows(_MORE_FENCES, role=role, tables=wanted["tables"])]
    for sentence in dict.fromkeys(found):
        advice = next((advice for words, advice in _ADVICE.items() if words in sentence), "Find out who opened it.")
        name = sentence.split()[1]  # each begins with "table …" or "role …"
        yield "fence", "problem", sentence, advice.format(name=name, schema=settings.DATABASE_SCHEMA)
    if not found:
        [(policies,)] = session.rows("SELECT count(*) FROM pg_policies WHERE schemaname = %(schema)s")
        names = ", ".join(readiness.fence_parameters()["roles"])
        yield "fence", "ok", f"closed: {policies} policies bind {names}", ""
