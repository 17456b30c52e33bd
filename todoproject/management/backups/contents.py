"""What a database holds, in few words: rows and a checksum of each table, and the names of everything around them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

# A row's text must not depend on who looks at it. row_security: rather an error than a table that looks empty.
# lock_timeout: a migration holds its locks for seconds; who waits longer makes everything queue behind it.
_READING = """
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL search_path = '';
SET LOCAL row_security = off; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = '10s';
"""

_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' ORDER BY relname
"""

# The sum of the rows' digests: the order of rows, which a dump does not keep, does not matter. SHA-256, cut to 64 bits,
# and not hash_record, which may change with PostgreSQL's version.
_TABLE = """
SELECT count(*), coalesce(sum(('x' || encode(substr(digest, 1, 8), 'hex'))::bit(64)::bigint), 0)::text
  FROM (SELECT sha256(convert_to(the_row::text, 'UTF8')) AS digest FROM ONLY {} AS the_row) AS digests
"""

_SEQUENCES = """
SELECT sequencename, coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = %s ORDER BY sequencename
"""

_ROLES = """
SELECT DISTINCT pg_get_userbyid(role) FROM (
    SELECT unnest(polroles) AS role FROM pg_policy p JOIN pg_class c ON c.oid = polrelid
     WHERE relnamespace = to_regnamespace(%(schema)s)
    UNION SELECT grantee FROM pg_class, aclexplode(relacl)
     WHERE relnamespace = to_regnamespace(%(schema)s) AND grantee <> relowner
    UNION SELECT grantee FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl)
     WHERE relnamespace = to_regnamespace(%(schema)s) AND grantee <> relowner
    UNION SELECT grantee FROM pg_proc, aclexplode(proacl)
     WHERE pronamespace = to_regnamespace(%(schema)s) AND grantee <> proowner
    UNION SELECT grantee FROM pg_namespace, aclexplode(nspacl) WHERE nspname = %(schema)s AND grantee <> nspowner
) AS named WHERE role <> 0 ORDER BY 1
"""

# Names and switches, not definitions: those are worded differently by different versions of PostgreSQL.
_OBJECTS = """
WITH tables AS (SELECT * FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s))
SELECT format('%%s %%s', CASE relkind WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' ELSE 'relation' END, relname)
       || CASE WHEN relrowsecurity THEN ' with row-level security' ELSE '' END
  FROM tables WHERE relkind NOT IN ('i', 'I', 't')
UNION ALL
SELECT format('index %%s', c.relname) || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
  FROM pg_index JOIN tables c ON c.oid = indexrelid
UNION ALL
SELECT format('constraint %%s on %%s', conname, relname) || CASE WHEN convalidated THEN '' ELSE ' (not validated)' END
  FROM pg_constraint JOIN tables c ON c.oid = conrelid WHERE contype IN ('c', 'f', 'p', 'u', 'x')
UNION ALL
SELECT format('trigger %%s on %%s (%%s)', tgname, relname, tgenabled) FROM pg_trigger JOIN tables c ON c.oid = tgrelid
 WHERE NOT tgisinternal
UNION ALL
SELECT format('policy %%s on %%s', polname, relname) FROM pg_policy JOIN tables c ON c.oid = polrelid
UNION ALL
SELECT format('function %%s(%%s)', proname, pg_get_function_identity_arguments(oid))
       || CASE WHEN prosecdef THEN ' with its owner''s rights' ELSE '' END
  FROM pg_proc WHERE pronamespace = to_regnamespace(%(schema)s)
UNION ALL
SELECT format('grant of %%s on %%s to %%s', lower(privilege_type), object, coalesce(rolname, 'public')) FROM (
    SELECT relname::text AS object, privilege_type, grantee FROM tables, aclexplode(relacl) WHERE grantee <> relowner
    UNION ALL SELECT format('%%s.%%s', relname, attname), privilege_type, grantee
      FROM pg_attribute JOIN tables c ON c.oid = attrelid, aclexplode(attacl) WHERE grantee <> relowner
    UNION ALL SELECT format('%%s(%%s)', proname, pg_get_function_identity_arguments(oid)), privilege_type, grantee
      FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
     WHERE pronamespace = to_regnamespace(%(schema)s) AND grantee <> proowner
    UNION ALL SELECT nspname, privilege_type, grantee FROM pg_namespace, aclexplode(nspacl)
     WHERE nspname = %(schema)s AND grantee <> nspowner
) AS granted LEFT JOIN pg_roles r ON r.oid = grantee
ORDER BY 1
"""


# The two that `migrate` and `restore` set themselves are left out.
_SETTINGS = """
SELECT CASE WHEN setrole = 0 THEN format('ALTER DATABASE %%I', datname)
            WHEN setdatabase = 0 THEN format('ALTER ROLE %%I', rolname)
            ELSE format('ALTER ROLE %%I IN DATABASE %%I', rolname, datname) END
       || format(' SET %%s = %%L', split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)) AS statement
  FROM pg_db_role_setting
       LEFT JOIN pg_roles r ON r.oid = setrole
       LEFT JOIN pg_database d ON d.oid = setdatabase
       CROSS JOIN unnest(setconfig) AS setting
 WHERE (setdatabase = 0 OR datname = current_database())
   AND (setrole = 0 OR rolname = current_user OR rolname = ANY (%(roles)s))
   AND NOT (setdatabase <> 0 AND rolname = current_user AND split_part(setting, '=', 1) IN ('search_path', 'TimeZone'))
 ORDER BY statement
"""


@dataclass(frozen=True)
class Table:
    rows: int
    checksum: str


@dataclass(frozen=True)
class Contents:
    tables: dict[str, Table]
    sequences: dict[str, int]
    objects: list[str]

    def differences(self, other: "Contents") -> list[str]:
        """Return where the other one, said to be a copy of this one, is not: a sentence each."""
        names = sorted(self.tables.keys() | other.tables.keys())
        found = [sentence for name in names if (sentence := _difference(name, self.tables, other.tables))]
        found += [f"lacks: {name}" for name in sorted(set(self.objects) - set(other.objects))]
        found += [f"has beyond it: {name}" for name in sorted(set(other.objects) - set(self.objects))]
        # A sequence stands outside of every snapshot: it may have gone on, but never back.
        found += [
            f"sequence {name} stands at {other.sequences.get(name)}, before {value}"
            for name, value in self.sequences.items()
            if other.sequences.get(name, -1) < value
        ]
        return found


def _difference(name: str, ours: dict[str, Table], theirs: dict[str, Table]) -> str | None:
    if name not in ours or name not in theirs:
        return f"table {name} is {'beyond it' if name not in ours else 'absent'}"
    if ours[name].rows != theirs[name].rows:
        return f"table {name} has {theirs[name].rows} rows instead of {ours[name].rows}"
    return None if ours[name] == theirs[name] else f"table {name} has other values in its {ours[name].rows} rows"


def read(connection: "psycopg.Connection[Any]", schema: str, tell: Callable[[str], None]) -> Contents:
    """Read all of a schema, within the caller's transaction, whose settings this changes."""
    connection.execute(_READING)
    tables = {}
    for (name,) in connection.execute(_TABLES, [schema]).fetchall():
        tell(f"reading {name}")
        tables[name] = _table(connection, schema, name)
    return Contents(
        tables=tables,
        sequences=dict(connection.execute(_SEQUENCES, [schema]).fetchall()),
        objects=[name for (name,) in connection.execute(_OBJECTS, {"schema": schema}).fetchall()],
    )


def roles(connection: "psycopg.Connection[Any]", schema: str) -> list[str]:
    """Return the roles that grants and policies of a schema name."""
    return [name for (name,) in connection.execute(_ROLES, {"schema": schema}).fetchall()]


def settings(connection: "psycopg.Connection[Any]", schema: str) -> list[str]:
    """Return what is set for the database, its owner and its roles, as statements that set it again."""
    names = {"roles": roles(connection, schema)}
    return [statement for (statement,) in connection.execute(_SETTINGS, names).fetchall()]


def _table(connection: "psycopg.Connection[Any]", schema: str, name: str) -> Table:
    query = sql.SQL(_TABLE).format(sql.Identifier(schema, name))
    [(rows, checksum)] = connection.execute(query).fetchall()
    return Table(rows, checksum)
