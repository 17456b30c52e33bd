"""What PostgreSQL's log tells about the statements of a server, whatever way they were sent."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg import sql

from bench.postgres import Postgres
from todoproject.database.embedded import log

_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] (?=[A-Z]+:  )", re.MULTILINE)


@contextmanager
def logging(postgres: Postgres, database: str, **settings: str) -> Iterator[Callable[[], list[str]]]:
    """Log what these settings say, for sessions that begin meanwhile; the function returns the entries so far."""
    path = log.path(postgres.directory)
    start = path.stat().st_size
    name = sql.Identifier(database)
    for setting, value in settings.items():
        parameter = sql.SQL(setting.replace("__", "."))
        postgres.execute(
            "postgres", sql.SQL("ALTER DATABASE {} SET {} = {}").format(name, parameter, sql.Literal(value))
        )

    def entries() -> list[str]:
        with path.open("rb") as file:
            file.seek(start)
            return [entry.replace("\n\t", "\n") for entry in _ENTRY.split(file.read().decode(errors="replace"))[1:]]

    try:
        yield entries
    finally:
        for setting in settings:
            parameter = sql.SQL(setting.replace("__", "."))
            postgres.execute("postgres", sql.SQL("ALTER DATABASE {} RESET {}").format(name, parameter))
