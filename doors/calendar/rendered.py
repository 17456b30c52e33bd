"""What tasks were made into, kept for the next time: apps ask every few minutes, and most tasks are as they were.

By what the task says, to the byte: so nothing here can be out of date, and nobody is given what another has written.
"""

import hashlib

from doors.calendar.components import Part
from tasks.queries.calendars import Feed

# Of the parts; the whole is about twice as much. Who was kept first goes first.
_MOST_BYTES = 8 * 1024 * 1024


class Rendered:
    """The parts of calendars that this process has made of late."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._parts: dict[bytes, Part] = {}
        self._most_bytes = most_bytes
        self.bytes = 0

    def get(self, feed: Feed, task: bytes) -> Part | None:
        """Return what this task was made into in such a calendar."""
        return self._parts.get(_key(feed, task))

    def keep(self, feed: Feed, task: bytes, part: Part) -> None:
        """Keep what a task was made into."""
        key = _key(feed, task)
        if key in self._parts or len(part.text) > self._most_bytes:
            return
        self._parts[key] = part
        self.bytes += len(part.text)
        while self.bytes > self._most_bytes:
            oldest = next(iter(self._parts))
            self.bytes -= len(self._parts.pop(oldest).text)


def _key(feed: Feed, task: bytes) -> bytes:
    # One that nobody can find a second text for, as it keeps apart what different people have written.
    return hashlib.blake2b(task, digest_size=24, person=feed.kind.encode(), salt=b"").digest() + feed.timezone.encode()
