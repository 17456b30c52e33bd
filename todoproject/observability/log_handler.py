"""Where log lines go: to standard error, but never so that the service waits for whoever reads them.

A pipe holds 64 KiB. When its reader stalls, an ordinary write would stop the event loop, and with it every request.
"""

import errno
import logging
import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TextIO

from todoproject.observability import metrics

# How long the end of the process waits for the reader to take what is left of a long line.
_LAST_SECONDS = 1.0
Output = tuple[Callable[[bytes], int], int, Callable[[], None]]  # what DroppingHandler takes

_FULL = (errno.EAGAIN, errno.ENOBUFS)


def handler() -> logging.Handler:
    """Return a handler for standard error, by what that is: a pipe or socket, a file or terminal, or nothing."""
    stream: TextIO | None = sys.stderr
    if stream is None:  # started with 2>&-; number 2 may be anybody's socket by now
        return logging.NullHandler()
    try:
        descriptor = stream.fileno()
        kind = os.fstat(descriptor).st_mode
    except (OSError, ValueError):  # not a file at all, or closed
        return logging.StreamHandler()
    if stat.S_ISSOCK(kind):
        return DroppingHandler(*_to_socket(descriptor))
    if stat.S_ISFIFO(kind):
        return DroppingHandler(*_to_pipe(descriptor))
    return logging.StreamHandler()


class DroppingHandler(logging.Handler):
    """Write each line if there is room for it; count what there is none for, and tell the count when there is again.

    `write` takes what it can without waiting and returns how much that was, or raises OSError. `descriptor` is where
    it writes; `release` closes it, with the handler.
    """

    def __init__(self, write: Callable[[bytes], int], descriptor: int, release: Callable[[], None]) -> None:
        super().__init__()
        self._write = write
        self._descriptor = descriptor
        self._release = release
        self._rest = b""  # of a line longer than the room there was
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001 -- as every handler of the library: a bad log call must not end a request
            self.handleError(record)
            return
        if self._rest and not self._put(b""):
            self._drop()
            return
        if self._dropped:
            told, self._dropped = self._dropped, 0
            if not self._put(self._notice(told)):
                self._dropped = told
        if self._dropped or not self._put(line):
            self._drop()

    def _put(self, line: bytes) -> bool:
        """Write what is left over and this line; tell whether its beginning, at least, is on its way."""
        before = len(self._rest)
        data = self._rest + line
        try:
            written = self._write(data)
        except OSError as error:
            if error.errno not in _FULL:  # nobody reads any more, and nobody will
                self._rest = b""
            return False
        self._rest = data[written:] if written >= before else self._rest[written:]
        return written > before or not line

    def _drop(self) -> None:
        self._dropped += 1
        metrics.count("log_dropped")

    def _notice(self, count: int) -> bytes:
        record = logging.makeLogRecord(
            {
                "name": "todoproject",
                "levelno": logging.WARNING,
                "levelname": "WARNING",
                "msg": "log lines were dropped: their reader had stalled",
                "lines": count,
            }
        )
        return self.format(record).encode() + b"\n"

    def close(self) -> None:
        """Give the reader a moment for the rest of a long line."""
        poller = select.poll()
        with suppress(OSError):  # closed already
            poller.register(self._descriptor, select.POLLOUT)
            if self._rest and poller.poll(_LAST_SECONDS * 1000):
                self._put(b"")
            self._release()
        super().close()


def _to_socket(descriptor: int) -> Output:
    own = os.dup(descriptor)
    sender = socket.socket(fileno=own)
    flags = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)  # the latter is Python's default, where it can
    return lambda data: sender.send(data, flags), own, sender.close


def _to_pipe(descriptor: int) -> Output:
    """Open the pipe a second time: that it shall not wait must not be so for those who share the first."""
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no /proc, or somebody else's pipe: ask before each write, which another process may outrun
        return _after_asking(os.dup(descriptor))
    return partial(os.write, own), own, partial(os.close, own)


def _after_asking(descriptor: int) -> Output:
    def write(data: bytes) -> int:
        if not poller.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return os.write(descriptor, data[: select.PIPE_BUF])

    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return write, descriptor, partial(os.close, descriptor)
