"""What tasks were made into, kept for the next time: apps ask every few minutes, and most tasks are as they were.

By what the task says, to the byte: so nothing here can be out of date, and nobody is given what another has written.
"""

from doors.calendar.components import Part
from tasks.queries.calendars import Feed

# Of the tasks and their parts; the whole is about a third more. Who was kept first goes first.
_MOST_BYTES = 16 * 1024 * 1024

Key = tuple[bytes, str, str]


def key(feed: Feed, task: bytes) -> Key:
    """Return what a part depends on. The task itself and no digest of it: that takes longer than to compare it."""
    return task, feed.kind, feed.timezone


class Rendered:
    """The parts of calendars that this process has made of late."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._parts: dict[Key, Part] = {}
        self._most_bytes = most_bytes
        self.bytes = 0

    def get(self, key: Key) -> Part | None:
        """Return what this task was made into in such a calendar."""
        return self._parts.get(key)

    def keep(self, key: Key, part: Part) -> None:
        """Keep what a task was made into."""
        if key in self._parts or _size(key, part) > self._most_bytes:
            return
        self._parts[key] = part
        self.bytes += _size(key, part)
        while self.bytes > self._most_bytes:
            oldest = next(iter(self._parts))
            self.bytes -= _size(oldest, self._parts.pop(oldest))


def _size(key: Key, part: Part) -> int:
    return len(key[0]) + len(part.text)
