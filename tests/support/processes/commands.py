"""Commands of `manage.py`, each in a process of its own, on a database of the tests' server."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.environment import FOLDER
from tests.support.postgres.databases import connect
from tests.support.processes.servers import ROOT
from todoproject.database import embedded


def url(database: str, *, user: str = embedded.OWNER) -> str:
    """Return the URL of a database on the tests' server."""
    return f"postgresql://{user}@/{database}?host={embedded.socket_directory(FOLDER / 'postgres')}"


def start(*arguments: str | Path, database: str, **settings: str) -> "subprocess.Popen[str]":
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url(database), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str | Path, database: str, **settings: str) -> tuple[int, str, str]:
    """Run a command and return its exit code, its output and its error output."""
    process = start(*arguments, database=database, **settings)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def succeed(*arguments: str | Path, database: str, **settings: str) -> str:
    """Run a command that must succeed, and return its output."""
    code, output, errors = run(*arguments, database=database, **settings)
    assert code == 0, errors
    return output


@contextmanager
def new_database(prefix: str) -> Iterator[str]:
    """Make an empty database, and drop it at the end."""
    name = f"{prefix}_{uuid.uuid4().hex}"
    with connect("postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield name
    finally:
        drop(name)


def drop(name: str) -> None:
    with connect("postgres", autocommit=True) as connection:
        try:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        except psycopg.errors.InsufficientPrivilege:  # autovacuum is in it; without FORCE it is sent away
            connection.execute(f"DROP DATABASE IF EXISTS {name}")


def databases() -> set[str]:
    """Return the names of the databases on the tests' server."""
    with connect("postgres") as connection:
        return {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}
