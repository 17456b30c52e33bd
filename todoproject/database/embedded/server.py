"""The users of a server: the first starts it, the last stops it.

Two locks in the run folder. `start.lock` is exclusive, and held for the whole of each change: a start, or a
leaving. `users.lock` is shared, and each process that uses the server holds it while it lives; it is only
taken and tried under `start.lock`. So whoever leaves and can turn it exclusive is the last, and nobody can
have come meanwhile. A process that is killed loses its lock and stops nothing: the next one adopts the
server.
"""

import atexit
import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg

from . import binaries, catalog, cluster, locks, log, postmaster
from .account import server_account
from .errors import EmbeddedServerError
from .folders import effective_directory, make_parents, make_private, run_directory, socket_directory
from .postmaster import Place

# The second finds what another process started meanwhile; more would only hide that it keeps ending.
_LAUNCHES = 3

_mutex = threading.Lock()
_uses: dict[Path, tuple[Place, int]] = {}


def start(data_directory: Path, *, options: Mapping[str, str] = {}) -> None:
    """Make the server of a data folder run, with its role and database, until this process stops using it.

    Make the data folder, start or adopt the server, and count this process among its users. `options` are
    more server settings, for the case that this call starts the server. To be called again at will, from
    any thread, and by a forked child for itself. Raise `EmbeddedServerError`.
    """
    directory = effective_directory(data_directory)
    try:
        with _mutex:
            _start(directory, options)
    except OSError as error:
        # Whichever file it was, to the caller it is one thing: a folder that cannot be used.
        raise EmbeddedServerError(f"The data folder {directory} cannot be used: {error}") from error
    except psycopg.Error as error:
        raise EmbeddedServerError(f"The database in {directory} cannot be made: {log.summary(str(error))}") from error


def stop() -> None:
    """Give up this process's use of the server, which stops with its last user; called at exit by itself.

    Raise `EmbeddedServerError` where the server does not stop.
    """
    with _mutex:
        while _uses:
            _, (place, use) = _uses.popitem()
            try:
                # A run folder that is gone was deleted with the data; its server notices, and ends by itself.
                with suppress(FileNotFoundError), locks.exclusive(_start_lock(place), place.account):
                    _leave(place, use)
            finally:
                locks.release(use)


def _start(directory: Path, options: Mapping[str, str]) -> None:
    place = Place(directory, socket_directory(directory), server_account(directory))
    make_parents(directory)
    make_private(run_directory(directory), place.account)
    with locks.exclusive(_start_lock(place), place.account) as lock, ExitStack() as failure:
        use = _register(place, failure)
        with _server(place, options, lock) as connection:
            catalog.ensure(connection)
        failure.pop_all()
        _uses[directory] = place, use
    # Once, however often it starts.
    atexit.unregister(stop)
    atexit.register(stop)


def _register(place: Place, failure: ExitStack) -> int:
    """Return the lock that counts this process among the users; a new one is given up on a failure."""
    if place.directory in _uses:
        _, known = _uses[place.directory]
        if locks.is_at(known, _users_lock(place)):
            return known
        del _uses[place.directory]
        locks.release(known)
    use = locks.acquire(_users_lock(place), place.account, locks.SHARED)
    failure.callback(locks.release, use)
    failure.callback(_leave, place, use)
    return use


def _server(place: Place, options: Mapping[str, str], lock: int) -> psycopg.Connection:
    """Return a connection to the server, which is made and started as far as it is not."""
    major = cluster.major_version(place.directory)
    if place.socket != place.directory:
        make_private(place.socket, place.account)
    for _ in range(_LAUNCHES):
        if connection := postmaster.adopt(place):
            return connection
        programs = binaries.find(major, place.account, place.directory)
        if major is None:
            sync = options.get("fsync") != "off"
            cluster.create(place.directory, place.account, programs, lock=lock, sync=sync)
            major = programs.major
        postmaster.launch(place, programs, options)
    raise EmbeddedServerError(f"PostgreSQL starts and ends at once (log: {log.path(place.directory)}).")


def _leave(place: Place, use: int) -> None:
    """Stop the server if the lock can become exclusive: then there is no other user."""
    if locks.is_at(use, _users_lock(place)) and locks.try_lock(use, locks.EXCLUSIVE):
        postmaster.halt(place)


def _start_lock(place: Place) -> Path:
    return run_directory(place.directory) / "start.lock"


def _users_lock(place: Place) -> Path:
    return run_directory(place.directory) / "users.lock"


def _forget_after_fork() -> None:
    """Leave the parent's servers to the parent."""
    _uses.clear()
    _mutex.release()


# A fork waits for a start in another thread, whose lock it would otherwise keep.
os.register_at_fork(before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_forget_after_fork)
