"""The server's process: find it, start it, stop it."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from . import log
from .account import Account
from .binaries import Binaries
from .errors import EmbeddedServerError
from .folders import PORT, SOCKET

# A recovery after a crash replays at most some minutes of a small database's work.
_RECOVERY_SECONDS = 120
# A server that neither answers nor ends: between its two pid and socket files, or out of connections.
_SETTLE_SECONDS = 10
_STOP_SECONDS = 60

# Linux has it, macOS has not.
_PROC = Path("/proc/self")

# Another server on the same folder came first.
_CAME_FIRST = 'lock file "postmaster.pid" already exists'
# The children of a killed server, which end as soon as they notice.
_ORPHANS = "pre-existing shared memory block"

_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",  # Its log is read below.
    "log_checkpoints": "off",  # The log of an idle server should not grow.
}


@dataclass(frozen=True)
class Place:
    """A data folder, its socket's folder, and who runs the server there."""

    directory: Path
    socket: Path
    account: Account


def adopt(place: Place) -> psycopg.Connection | None:
    """Return a superuser's connection to the server of this data folder, and None where none runs.

    Wait for one that is starting, recovering or stopping. Raise `EmbeddedServerError` where it does not get
    through, or where the server at the socket has another data folder.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        if connection := _connect(place.socket):
            if _serves(connection, place.directory):
                return connection
            connection.close()
            raise EmbeddedServerError(
                f"The PostgreSQL at {place.socket} serves another data folder than {place.directory}, "
                "or one that was moved or deleted: stop it, or wait a minute, until it notices and ends."
            )
        process = _postmaster(place.directory)
        if not process:
            return None
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"PostgreSQL (process {process}) runs on {place.directory} but does not answer "
                f"at {place.socket}: stop it with: kill -INT {process}"
            )
        time.sleep(0.02)


def launch(place: Place, binaries: Binaries, options: Mapping[str, str]) -> None:
    """Start a server, if need be through a crash recovery, and wait for it.

    Return also where another server on the same folder came first: `adopt` tells. Raise `EmbeddedServerError`
    where it fails.
    """
    _remove_stale_lock_files(place)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while complaint := _pg_ctl_start(place, binaries, options):
        if _CAME_FIRST in complaint:
            return
        if _ORPHANS not in complaint or time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"PostgreSQL does not start: {log.summary(complaint)} (log: {log.path(place.directory)})"
            )
        time.sleep(0.05)


def _pg_ctl_start(place: Place, binaries: Binaries, options: Mapping[str, str]) -> str | None:
    """Return None, or what the log says about the failure."""
    settings = {**_SETTINGS, **options, "unix_socket_directories": _quoted(place.socket)}
    # pg_ctl hands these to a shell, so they are quoted here; it would not quote the folder well, so that is
    # told it by PGDATA.
    arguments = shlex.join(["-D", str(place.directory), *(f"--{name}={value}" for name, value in settings.items())])
    command: list[str | Path] = [
        binaries["pg_ctl"],
        "start",
        "-w",
        "-t",
        str(_RECOVERY_SECONDS),
        "-s",
        "-o",
        arguments,
    ]
    output = log.open_for_append(place.directory, place.account)
    try:
        before = os.fstat(output).st_size
        result = place.account.run(command, output=output, env={"PGDATA": str(place.directory)})
        return log.read_from(output, before) or "no output" if result.returncode else None
    finally:
        os.close(output)


def halt(place: Place) -> None:
    """Stop the server of this data folder if it runs, and wait for its end; its clients are disconnected.

    Raise `EmbeddedServerError` where it does not end within a minute.
    """
    # By a signal and not by pg_ctl: this runs at exit, where Python 3.12.0 and 3.12.1 start no processes.
    process = _pid(place.directory)
    if not process or not (connection := _connect(place.socket)):
        return
    with connection:
        ours = _serves(connection, place.directory)
    # Where the folder is shared between containers, the number may be a stranger's here.
    if not ours or (_PROC.exists() and not _is_server(process, place.directory)):
        return
    os.kill(process, signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    while _pid(place.directory) == process:
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"PostgreSQL (process {process}) does not stop (log: {log.path(place.directory)}): kill -QUIT {process}"
            )
        time.sleep(0.005)


def _connect(socket: Path) -> psycopg.Connection | None:
    """Return None where nothing answers at the socket."""
    address = make_conninfo(host=str(socket), port=PORT, user="postgres", dbname="postgres", connect_timeout=5)
    begin = time.monotonic()
    while True:
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError as error:
            state = PGconn.ping(address.encode())
            if state in (Ping.NO_RESPONSE, Ping.NO_ATTEMPT):
                return None
            patience = _RECOVERY_SECONDS if state == Ping.REJECT else _SETTLE_SECONDS
            if time.monotonic() - begin > patience:
                raise EmbeddedServerError(
                    f"PostgreSQL at {socket} lets nobody in: {log.summary(str(error))}"
                ) from error
            time.sleep(0.02)


def _serves(connection: psycopg.Connection, directory: Path) -> bool:
    """Tell whether this is the server of the data folder: it must see the same pid file there as we do."""
    try:
        ours = (directory / "postmaster.pid").read_text()
    except FileNotFoundError:
        return False
    row = connection.execute("SELECT pg_read_file('postmaster.pid', 0, 10000, true)").fetchone()
    theirs = row[0] if row else None
    # Process, folder and time of start; the lines below them change while it runs.
    return isinstance(theirs, str) and theirs.splitlines()[:3] == ours.splitlines()[:3]


def _pid(directory: Path) -> int | None:
    return _number(directory / "postmaster.pid")


def _number(lock_file: Path) -> int | None:
    """Return the process in the first line of one of PostgreSQL's lock files."""
    try:
        line = lock_file.read_text().partition("\n")[0]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return int(line) if line.isdecimal() else None


def _postmaster(directory: Path) -> int | None:
    """Return the process in the pid file if it is alive and really a server on this folder."""
    process = _pid(directory)
    return process if process and _is_server(process, directory) else None


def _is_server(process: int, directory: Path) -> bool:
    command = _command(process)
    return b"postgres" in command and os.fsencode(directory) in command


def _command(process: int) -> bytes:
    """Return the command line of a process; empty where there is none, or only its remains."""
    if not _PROC.exists():
        ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(process)]
        return subprocess.run(ps, capture_output=True, check=False).stdout
    try:
        return (_PROC.parent / str(process) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _remove_stale_lock_files(place: Place) -> None:
    """Remove what a killed server left, where its process number is another program's now, or a zombie's.

    PostgreSQL refuses to start then, because it only looks whether there is such a process. It still finds
    the shared memory of a living server by itself.
    """
    for file in (place.directory / "postmaster.pid", place.socket / f"{SOCKET}.lock"):
        process = _number(file)
        if process and _exists(process) and not _is_server(process, place.directory):
            file.unlink()


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _quoted(path: Path) -> str:
    # A list of folders, in which a comma would end the name.
    return '"' + str(path).replace('"', '""') + '"'
