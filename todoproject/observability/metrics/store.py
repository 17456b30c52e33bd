"""Where the numbers of a worker are kept: in a file that is mapped into memory, so that any process can add them up.

A worker that is killed loses nothing, and the one that replaces it goes on in the same file: a counter never goes
backwards. Where there is no room for a file (a container's /dev/shm is small) a worker counts in its own memory, and
says so. A file begins with the length of what follows, then come entries: the lengths of key and numbers, the key,
the numbers (64-bit floats, each written in one piece).
"""

import logging
import mmap
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from todoproject.observability.metrics import files

logger = logging.getLogger("todoproject")

Key = tuple[str, ...]
Numbers = Sequence[float]

GAUGE = "gauge"  # the first part of keys whose numbers end with their worker

# Five times what all routes, methods and statuses take. All of it is taken at once, from the memory of the machine.
_SIZE = 1024 * 1024
_FORMAT = 2  # of entries; another one is never read as this one
_SPARE = _SIZE - 1024  # where is counted what has no room any more; nobody reads it
_HEAD = struct.Struct("<Q")
_ENTRY = struct.Struct("<II")


class Store:
    """The numbers of this process, and the sums over all workers that share its folder.

    `rows` tells where the numbers of a key begin in `cells`; callers may add keys of their own that mean the same.
    `shape` is what the numbers of a key mean: only stores of the same shape count together.
    """

    def __init__(self, *shape: object) -> None:
        self._layout = f"{zlib.crc32(repr((_FORMAT, _SIZE, shape)).encode()):08x}"
        self.lock = Lock()
        self._folder: Path | None = None
        self._map(mmap.mmap(-1, _SIZE))

    def share(self, folder: Path) -> None:
        """Go on in a file of this folder that no living worker has. What this process has counted is left behind.

        Without room for a file nothing changes, and the log says so.
        """
        try:
            self._file = files.own_file(folder, self._layout, _SIZE)
        except OSError as error:
            facts = {"folder": str(folder), "reason": error.strerror}
            logger.error(
                "no room to count together with the other workers: this one's numbers are missing", extra=facts
            )
            return
        self._folder = folder
        self._map(mmap.mmap(self._file, _SIZE))
        for key, row in self.rows.items():
            if key[0] == GAUGE:
                self.cells[row] = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether the other workers of the server can read these numbers."""
        return self._folder is not None

    def row(self, key: Key, width: int) -> int:
        """Return where the numbers of a key begin; they are made, as zeros, where there are none."""
        row = self.rows.get(key)
        if row is None:
            with self.lock:
                row = self.rows.get(key) or self._make(key, width)
        return row

    def add(self, key: Key, amount: float) -> None:
        row = self.row(key, 1)
        with self.lock:
            self.cells[row] += amount

    def put(self, name: str, value: float) -> None:
        """Say how something stands in this worker."""
        self.cells[self.row((GAUGE, name), 1)] = value

    def total(self) -> dict[Key, list[float]]:
        """Return the sums over all workers that share the folder, or the numbers of this process."""
        if self._folder is not None:
            return self.total_of(self._folder)
        return dict(_entries(self._mapped))

    def total_of(self, folder: Path) -> dict[Key, list[float]]:
        """Return the sums over all workers, those that have ended included; of what stands, over the living."""
        sums: dict[Key, list[float]] = {}
        for file in files.files(folder, self._layout, _SIZE):
            for key, numbers in _entries(file.content):
                if key[0] != GAUGE or file.is_owned:
                    before = sums.get(key)
                    sums[key] = numbers if before is None else [a + b for a, b in zip(before, numbers, strict=True)]
        return sums

    def _map(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self.cells = memoryview(mapped).cast("d")
        self.rows: dict[tuple[object, ...], int] = {key: start // 8 for key, start, _ in _places(mapped)}

    def _make(self, key: Key, width: int) -> int:
        text = "\t".join(key).encode()
        entry = _HEAD.size + _HEAD.unpack_from(self._mapped)[0]
        start = _numbers_at(entry, len(text))
        end = start + 8 * width
        if end > _SPARE:
            return _SPARE // 8
        _ENTRY.pack_into(self._mapped, entry, len(text), width)
        self._mapped[entry + _ENTRY.size : entry + _ENTRY.size + len(text)] = text
        # Last, so that whoever reads meanwhile, or goes on after a kill, never sees half an entry.
        _HEAD.pack_into(self._mapped, 0, end - _HEAD.size)
        self.rows[key] = start // 8
        return start // 8


def _entries(content: mmap.mmap | bytes) -> Iterator[tuple[Key, list[float]]]:
    for key, start, width in _places(content):
        yield key, list(struct.unpack_from(f"<{width}d", content, start))


def _places(content: mmap.mmap | bytes) -> Iterator[tuple[Key, int, int]]:
    """Yield each key, where its numbers begin, and how many there are."""
    entry, end = _HEAD.size, _HEAD.size + _HEAD.unpack_from(content)[0]
    while entry < end:
        length, width = _ENTRY.unpack_from(content, entry)
        text = content[entry + _ENTRY.size : entry + _ENTRY.size + length]
        start = _numbers_at(entry, length)
        yield tuple(text.decode().split("\t")), start, width
        entry = start + 8 * width


def _numbers_at(entry: int, length: int) -> int:
    """Return where the numbers begin: behind the key, at a multiple of eight, so that no number is ever torn."""
    return -(-(entry + _ENTRY.size + length) // 8) * 8
