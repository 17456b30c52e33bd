"""The one PostgreSQL that all peers share: the project's embedded server, with a cluster and settings of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from bench import processes
from bench.errors import BenchError
from todoproject.database import embedded
from todoproject.database.embedded import binaries
from todoproject.database.embedded.account import server_account

OWNER = embedded.OWNER

# The same for all peers. What is not named here is PostgreSQL's default: fsync and synchronous_commit stay on.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_connections": "200",
    # A checkpoint or a vacuum in the middle of one peer's turn would be counted to that peer. Instead tables are
    # vacuumed before each round, and checkpoints are rare enough not to matter.
    "autovacuum": "off",
    "checkpoint_timeout": "30min",
    "max_wal_size": "8GB",
}
# What the results tell about the server, so that a reader sees what was on.
REPORTED = (
    "server_version",
    *SETTINGS,
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "work_mem",
    "effective_cache_size",
    "random_page_cost",
    "jit",
    "data_checksums",
)


class Postgres:
    """A running server. Connections are a superuser's unless an owner's are asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            embedded.start(directory, options=SETTINGS)
        except embedded.EmbeddedServerError as error:
            raise BenchError(str(error)) from error
        self.directory = embedded.effective_directory(directory)
        self.socket = embedded.socket_directory(directory)
        self.pid = int((self.directory / "postmaster.pid").read_text().split()[0])

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """Return the URL of a database as its owner connects to it."""
        return f"{scheme}://{OWNER}@/{database}?host={quote(str(self.socket), safe='')}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """Connect as the superuser, in autocommit mode."""
        return psycopg.connect(host=str(self.socket), user="postgres", dbname=database, autocommit=True)

    def execute(self, database: str, *statements: str | sql.Composed) -> None:
        """Run statements as the superuser."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def create(self, database: str, template: str | None = None) -> None:
        """Make a database anew, empty or as a copy of another."""
        self.drop(database)
        source = (
            sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template)) if template else sql.SQL("")
        )
        make = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(OWNER))
        self.execute("postgres", make + source)

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute("postgres", sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def rename(self, database: str, name: str) -> None:
        """Give a database another name."""
        names = sql.Identifier(database), sql.Identifier(name)
        self.execute("postgres", sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))

    def exists(self, database: str) -> bool:
        """Tell whether there is such a database."""
        with self.connect() as connection:
            query = "SELECT FROM pg_database WHERE datname = %s"
            return connection.execute(query, [database]).rowcount == 1

    def program(self, name: str) -> Path:
        """Return a program of the same version as the server. Raises BenchError where it is absent."""
        major = int((self.directory / "PG_VERSION").read_text())
        path = binaries.find(major, server_account(self.directory), self.directory)[name]
        if not path.exists():
            raise BenchError(f"{path} is missing")
        return path

    def settings(self) -> dict[str, str]:
        """Return the server's settings that matter for speed."""
        with self.connect() as connection:
            query = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)"
            found = dict(connection.execute(query, [list(REPORTED)]).fetchall())
            return {name: str(found[name]) for name in REPORTED}

    def cpu_seconds(self) -> float:
        """Return the processor time of the server so far, ended backends included."""
        return processes.cpu_seconds(self.pid)


@contextmanager
def running(directory: Path) -> Iterator[Postgres]:
    """Run the server for a while."""
    server = Postgres(directory)
    try:
        yield server
    finally:
        embedded.stop()
