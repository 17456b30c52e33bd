"""What happens, as it happens: server-sent events, read by hand and without I/O."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from todo_client.errors import ConnectionFailed, ProblemError, StreamEnded
from todo_client.exchange import Retries
from todo_client.models import Change, Document, Task

PATH = "/v1/changes/stream"
# The server says every 15 seconds that it is there.
SILENCE_SECONDS = 45.0
# Whoever listens wants to go on listening: a server that is started anew, or a sleeping laptop, takes a minute or two.
PATIENT = Retries(attempts=40, first_wait=1.0)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened. `cursor` is where to go on from; a reminder has its `task` and no `change`."""

    kind: str
    cursor: str
    document: Document
    change: Change | None = None
    task: Task | None = None


@dataclass(slots=True)
class Following:
    """A stream over its connections: where it is, and when it may come back."""

    retries: Retries
    cursor: str | None = None
    _buffer: bytes = b""
    _failures: int = 0
    _has_begun: bool = False
    _pause: float = 1.0

    @property
    def params(self) -> dict[str, str]:
        return {} if self.cursor is None else {"cursor": self.cursor}

    def feed(self, received: bytes) -> Iterator[Event]:
        """Yield the events that are complete now. Raises StreamEnded where the server cannot go on from the cursor.

        Lines end with LF here. `httpx.iter_lines` would also cut at what Unicode calls a line's end, inside of titles.
        """
        *blocks, self._buffer = (self._buffer + received).split(b"\n\n")
        for block in blocks:
            self._failures, self._has_begun = 0, True
            if (event := self._read(block)) is not None:
                yield event

    def _read(self, block: bytes) -> Event | None:
        pairs = (line.partition(b":")[::2] for line in block.split(b"\n"))
        lines = {name.decode(): text.removeprefix(b" ").decode() for name, text in pairs}
        self.cursor = lines.get("id", self.cursor)
        if "retry" in lines:
            self._pause = int(lines["retry"]) / 1000
        kind = lines.get("event")
        if kind == "sync-expired":
            raise StreamEnded("What happened since the cursor is purged: begin anew.")
        return None if kind is None else _event(kind, self.cursor or "", json.loads(lines.get("data", "{}")))

    def comes_back_after(self, failure: ProblemError | ConnectionFailed | None) -> float:
        """Return the seconds until the next connection. Raises the failure where it is not one that passes.

        A stream that has been open once is given more time than one that never was: that may be a wrong address.
        Without a failure the server has ended the stream in order, as it does after an hour.
        """
        self._buffer = b""
        if failure is None:
            return self._pause
        if isinstance(failure, ProblemError) and failure.status not in {429, 502, 503, 504}:
            raise failure
        self._failures += 1
        retries = PATIENT if self._has_begun else self.retries
        wait = retries.backoff(self._failures, getattr(failure, "retry_after", None))
        if wait is None:
            raise failure
        return wait


def _event(kind: str, cursor: str, document: Document) -> Event:
    if kind in {"task", "list"}:
        return Event(kind, cursor, document, change=Change.read(document))
    task = document.get("task")
    return Event(kind, cursor, document, task=None if task is None else Task.read(task))
