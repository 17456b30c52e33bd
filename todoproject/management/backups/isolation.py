"""Keep a running service from writing into a database while it is restored and compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from todoproject.management.commands.migrate import DIRECT_NAME

# What the programs that restore are started with, since the rule below is for them, too.
EXEMPT = "-c default_transaction_read_only=off"

_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid() AND application_name <> %s
"""


@contextmanager
def read_only_for_others(session: "psycopg.Connection[Any]") -> Iterator[None]:
    """Let everybody else who logs in as our role read only, in this database, and end who is in already.

    The service answers writes with 503 meanwhile, and is there again by itself. A process that is killed leaves the
    rule behind: the next restore takes it away, and `dbcheck` tells of it.
    """
    _set(session, "SET default_transaction_read_only = on")
    session.execute(_END_OTHERS, [DIRECT_NAME])
    try:
        yield
    finally:
        if not session.closed:
            _set(session, "RESET default_transaction_read_only")
            session.execute(_END_OTHERS, [DIRECT_NAME])  # those that came meanwhile would stay read only


def _set(session: "psycopg.Connection[Any]", change: str) -> None:
    database = sql.Identifier(session.info.dbname)
    session.execute(sql.SQL(f"ALTER ROLE CURRENT_USER IN DATABASE {{}} {change}").format(database))
