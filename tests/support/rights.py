"""Who may do what in the database, and what the database itself keeps true, as lines that people can read.

`tests/rights.txt` is how it has to be. `WRITE_RIGHTS=1 pytest tests/product/test_rights_of_roles.py` writes it anew;
the difference is what a reviewer looks at.
"""

from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

COPY = Path(__file__).parent.parent / "rights.txt"

# One column: a line. Of Django's own tables only who may use them is told; they change with Django.
_SECTIONS = {
    "What each role may do (the owner of the tables may do everything)": """
        SELECT format('%s: %s', what, string_agg(DISTINCT who || ' ' || privilege, ', '
                                                 ORDER BY who || ' ' || privilege))
          FROM (
            SELECT format('schema %s', nspname), nspowner, acl.* FROM pg_namespace,
                   aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl WHERE nspname = 'todo'
            UNION ALL
            SELECT 'database', datdba, acl.* FROM pg_database,
                   aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl WHERE datname = current_database()
            UNION ALL
            SELECT format('table %s', relname), relowner, acl.* FROM pg_class,
                   aclexplode(coalesce(relacl, acldefault('r', relowner))) AS acl
             WHERE relnamespace = 'todo'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
            UNION ALL
            SELECT format('column %s.%s', relname, attname), relowner, acl.* FROM pg_attribute
              JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl) AS acl
             WHERE relnamespace = 'todo'::regnamespace AND NOT attisdropped
            UNION ALL
            SELECT format('function %s(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)), proowner, acl.*
              FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl
             WHERE pronamespace = 'todo'::regnamespace
          ) AS rights (what, owner, grantor, grantee, privilege, is_grantable),
          LATERAL (SELECT CASE grantee WHEN 0 THEN 'everybody' ELSE grantee::regrole::text END) AS named (who)
         WHERE grantee <> owner
         GROUP BY what""",
    "How functions are run": """
        SELECT concat_ws(', ', format('%s(%s)', proname, pg_get_function_identity_arguments(oid)),
                         CASE WHEN prosecdef THEN 'as its owner' END,
                         CASE WHEN prosqlbody IS NOT NULL THEN 'names read when made' END,
                         array_to_string(proconfig, ', '))
          FROM pg_proc WHERE pronamespace = 'todo'::regnamespace""",
    "Row-level security": """
        SELECT format('%s: %s%s', relname, CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END,
                      CASE WHEN relforcerowsecurity THEN ', for its owner too' END)
          FROM pg_class
         WHERE relnamespace = 'todo'::regnamespace AND relkind IN ('r', 'p') AND {ours}""",
    "Policies": """
        SELECT format('%s.%s: %s, %s to %s USING %s WITH CHECK %s',
                      tablename, policyname, lower(permissive), lower(cmd), array_to_string(roles, ', '), qual,
                      with_check)
          FROM pg_policies WHERE schemaname = 'todo'""",
    "Triggers": """
        SELECT replace(pg_get_triggerdef(pg_trigger.oid), 'todo' || '.', '')
               || CASE tgenabled WHEN 'O' THEN '' WHEN 'A' THEN ' (always)' ELSE ' (disabled)' END
          FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
         WHERE relnamespace = 'todo'::regnamespace AND NOT tgisinternal""",
    "Constraints": """
        SELECT format('%s.%s: %s', relname, regexp_replace(conname, '_[0-9a-f]{8}_', '_…_'),
                      replace(pg_get_constraintdef(pg_constraint.oid), 'todo' || '.', ''))
          FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
         WHERE relnamespace = 'todo'::regnamespace AND contype <> 'n' AND {ours}""",
    "Indexes": """
        SELECT replace(pg_get_indexdef(indexrelid), 'todo' || '.', '')
               || CASE WHEN indisvalid THEN '' ELSE ' (not valid)' END
          FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
         WHERE relnamespace = 'todo'::regnamespace AND {ours}""",
    "Storage": """
        SELECT format('%s: %s', relname, array_to_string(reloptions, ', ')) FROM pg_class
         WHERE relnamespace = 'todo'::regnamespace AND reloptions IS NOT NULL""",
}
_OURS = "relname !~ '^(auth|django|users_(groups|user_permissions))'"


def lines(connection: "psycopg.Connection[TupleRow]") -> list[str]:
    """Return the snapshot, a line for each right, function, policy, trigger, constraint and index."""
    found = []
    for title, query in _SECTIONS.items():
        rows = connection.execute(query.replace("{ours}", _OURS).encode()).fetchall()
        found += [f"# {title}", *sorted(" ".join(str(line).split()) for (line,) in rows), ""]
    return found
