"""The folder that the workers of one server share: a file for each, locked (flock) by the worker that counts in it.

A lock ends with its process, however that ends. The next worker then takes the file over, so there are never more
files than there were workers at once.

A file's name holds the layout of what is in it. After a reload into another release workers of two layouts may share
a folder: neither reads or goes on with the other's files, so the sums of the new ones begin at zero.
"""

import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "todoproject-metrics-"
_LOCK = "lock"
_NAME = "counts"
# A server that starts beside us makes its folder a moment before it locks it.
_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class File:
    """What a worker has counted, and whether it lives."""

    content: bytes
    is_owned: bool


@contextmanager
def made() -> Iterator[Path]:
    """Make the folder of a server, which goes away with it; also those that killed servers have left behind."""
    place = _place()
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    lock = _open(folder / _LOCK)
    _try_lock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def own_file(folder: Path, layout: str, size: int) -> int:
    """Take a file of this layout that no living worker has, or make one, and return its descriptor; it stays open.

    Raises OSError where there is no room for it.
    """
    for number in itertools.count(1):
        descriptor = _open(folder / f"{_NAME}-{layout}-{number}")
        if _try_lock(descriptor, fcntl.LOCK_EX):
            try:
                _fill(descriptor, size)
            except OSError:
                os.close(descriptor)
                raise
            return descriptor
        os.close(descriptor)
    raise AssertionError("counting has ended")


def files(folder: Path, layout: str, size: int) -> Iterator[File]:
    """Read the workers' files of this layout."""
    for path in sorted(folder.glob(f"{_NAME}-{layout}-*")):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            is_owned = not _try_lock(descriptor, fcntl.LOCK_SH)
            head = os.pread(descriptor, 8, 0).ljust(8, b"\0")
            # As much as there was when it was asked how much: its owner may be writing more.
            yield File(head + os.pread(descriptor, min(int.from_bytes(head, "little"), size), 8), is_owned)
        finally:
            os.close(descriptor)


def _fill(descriptor: int, size: int) -> None:
    """Write what is missing, as zeros: a page that is only promised kills (SIGBUS) who writes to it on a full disk."""
    before = there = os.fstat(descriptor).st_size
    try:
        while there < size:
            there += os.pwrite(descriptor, bytes(min(size - there, 65_536)), there)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _place() -> str:
    """Return where files are memory: on a disk, a page that is being written back would make its writer wait."""
    memory = "/dev/shm"  # noqa: S108 -- a folder of our own in there is made by mkdtemp
    return memory if os.access(memory, os.W_OK | os.X_OK) else tempfile.gettempdir()


def _sweep(place: str) -> None:
    """Remove the folders of servers that were killed: nobody holds their lock."""
    for folder in Path(place).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or just gone
            if folder.stat().st_uid != os.geteuid() or time.time() - folder.stat().st_mtime < _GRACE_SECONDS:
                continue
            lock = _open(folder / _LOCK)
            if _try_lock(lock, fcntl.LOCK_EX):
                shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
