"""File locks (flock) that end with their process, however it ends, and that no forked child inherits."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .account import Account
from .errors import EmbeddedServerError

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX

# Longer than a slow machine needs for initdb and a recovery.
_TIMEOUT_SECONDS = 180

_held: set[int] = set()


def acquire(path: Path, account: Account, kind: int) -> int:
    """Lock a file, made where it is missing, and return its descriptor for `release`.

    Every call opens the file anew, because a lock belongs to the open file and threads and forks would
    share it. Raise `EmbeddedServerError` after three minutes.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        descriptor = open_owned(path, os.O_RDWR, account)
        _held.add(descriptor)
        if try_lock(descriptor, kind) and is_at(descriptor, path):
            return descriptor
        release(descriptor)
        time.sleep(0.01)
    raise EmbeddedServerError(
        f"Another process has held {path} for {_TIMEOUT_SECONDS} seconds: look for it with: lsof {path}"
    )


def try_lock(descriptor: int, kind: int) -> bool:
    """Take a lock, or change its kind, without waiting; a change that fails may lose the lock (flock(2))."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the path still leads to the locked file: a lock on a deleted file keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def release(descriptor: int) -> None:
    _held.discard(descriptor)
    # Closing alone would leave the lock with a copy that a fork may hold.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextmanager
def exclusive(path: Path, account: Account) -> Iterator[int]:
    descriptor = acquire(path, account, EXCLUSIVE)
    try:
        yield descriptor
    finally:
        release(descriptor)


def open_owned(path: Path, flags: int, account: Account) -> int:
    """Open a file, made for the account where it is missing; never follow a symbolic link."""
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # Its owner is left alone: root must not give away a file that somebody linked here.
        return os.open(path, flags)
    os.fchown(descriptor, account.uid, account.gid)
    return descriptor


def _forget_after_fork() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
