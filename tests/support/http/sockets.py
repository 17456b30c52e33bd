"""HTTP by the byte: what no well-behaved client library would send."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.support.processes.servers import Server


@dataclass(frozen=True)
class Answer:
    """One response, as it came over the wire. Status 0: the server closed the connection without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0]

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def written(method: str, target: bytes, headers: dict[str, bytes], content: bytes = b"") -> bytes:
    """Return a request as it is sent; a body is JSON unless the headers say otherwise."""
    own = {"Host": b"127.0.0.1"}
    if content:
        own |= {"Content-Type": b"application/json", "Content-Length": b"%d" % len(content)}
    lines = (b"%b: %b\r\n" % (name.encode(), value) for name, value in (own | headers).items())
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), target, b"".join(lines), content)


class Connection:
    """A connection to a server, reopened by itself when the server has closed it."""

    def __init__(self, server: Server) -> None:
        self._address = ("127.0.0.1", server.port)
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._timeout = 10.0

    def wait_at_most(self, seconds: float) -> None:
        """Wait so long for an answer; 10 seconds unless told."""
        self._timeout = seconds

    def ask(self, request: bytes, *, has_body: bool = True) -> Answer:
        """Send bytes and read one answer."""
        self.send(request)
        return self.read(has_body=has_body)

    def send(self, data: bytes) -> None:
        if self._socket is None:
            self._socket, self._buffer = socket.create_connection(self._address, timeout=self._timeout), b""
        # The server may refuse, and close, before it has read everything.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def read(self, *, has_body: bool = True) -> Answer:
        """Read the next answer; interim ones (1xx) are skipped."""
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return Answer(0, {}, b"")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        if status < 200:
            return self.read(has_body=has_body)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        length = int(headers.get("content-length", 0)) if has_body and status not in (204, 304) else 0
        is_chunked = has_body and headers.get("transfer-encoding", "") == "chunked"
        body = b"".join(self._read_chunks()) if is_chunked else self._read_exactly(length)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def hold_back(self) -> None:
        """Let what is sent from now on leave in one piece with the end, where the system can (Linux)."""
        if self._socket is None:
            self._socket, self._buffer = socket.create_connection(self._address, timeout=self._timeout), b""
        if hasattr(socket, "TCP_CORK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)

    def shut_down_writing(self) -> None:
        """Say that nothing more will come."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed by the server already
                self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _receive(self) -> bytes:
        if self._socket is None:
            return b""
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.close()
        return data

    def _read_until(self, end: bytes) -> bytes | None:
        while end not in self._buffer:
            data = self._receive()
            if not data:
                return None
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _read_chunks(self) -> Iterator[bytes]:
        while (length := int(self._read_until(b"\r\n") or b"0", 16)) > 0:
            yield self._read_exactly(length)
            self._read_until(b"\r\n")
        self._read_until(b"\r\n")

    def _read_exactly(self, length: int) -> bytes:
        while len(self._buffer) < length and (data := self._receive()):
            self._buffer += data
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
