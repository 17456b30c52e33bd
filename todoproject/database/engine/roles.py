"""The roles that the migrations make, or find made by another database's owner: they belong to the whole server."""

import re

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from todoproject.database.client.statement import ACCOUNT_ROLE, API_ROLE

# From PostgreSQL 16 on nobody may hand on, or take on, a role that somebody else has made. A superuser always may.
_FOREIGN = """
SELECT rolname FROM pg_roles
 WHERE rolname = ANY (%s) AND NOT pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION')
   AND current_setting('server_version_num')::int >= 160000
"""
_OURSELVES = "SELECT rolname, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"


def missing_rights(connection: BaseDatabaseWrapper) -> str | None:
    """Return what an administrator of the server must run before our roles can be made or used; None if nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_OURSELVES)
        owner, may_make_roles = cursor.fetchone()
        cursor.execute(_FOREIGN, [[API_ROLE, ACCOUNT_ROLE]])
        foreign = [name for (name,) in cursor.fetchall()]
    quoted = connection.ops.quote_name(owner)
    statements = [] if may_make_roles else [f"ALTER ROLE {quoted} CREATEROLE;"]
    statements += [f"GRANT {name} TO {quoted} WITH ADMIN OPTION;" for name in foreign]
    return " ".join(statements) or None


def renamed(sql: str) -> str:
    """Return the text of a migration, which calls the roles by their usual names, with what they are called here."""
    return re.sub(r"\btodo_(api|account)\b", rf"{settings.DATABASE_ROLE_PREFIX}_\1", sql)
