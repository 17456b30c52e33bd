"""What the app finds in the server: its database, and the role that owns it."""

import psycopg
from psycopg import sql

DATABASE = "todo"
OWNER = "todo_owner"

# Each is looked for by itself, so that the next start completes one that was interrupted between them.
_ABSENT = """
    SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s),
           NOT EXISTS (SELECT FROM pg_database WHERE datname = %s)
"""


def ensure(connection: psycopg.Connection) -> None:
    """Make the role and the database that are absent.

    The role may make roles, which the migrations do, and databases, which the tests do; it is no superuser,
    because a superuser passes every row-level policy. Raise `psycopg.Error`.
    """
    no_role, no_database = connection.execute(_ABSENT, [OWNER, DATABASE]).fetchone() or (True, True)
    if no_role:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB").format(sql.Identifier(OWNER)))
    if no_database:
        create = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(create.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
