"""uvicorn's HTTP protocol, with two changes: its own errors are problem documents, and an answer is one packet."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from todoproject import problems
from todoproject.problems import MALFORMED_REQUEST, Problem


class _Gathering:
    """A transport that sends in one piece what is written in one turn of the event loop: an answer's head and body.

    ASGI hands them over one after the other, and uvicorn writes each as it comes: two system calls, two packets.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pieces:
            self._transport.write(b"".join(self._pieces))
            self._pieces = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """What reads requests from a socket and writes the answers."""

    def connection_made(self, transport: Any) -> None:
        """Begin with a new client."""
        super().connection_made(_Gathering(transport, self.loop))  # type: ignore[arg-type]  # it is one in all but name

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that cannot be read as HTTP, and close: where the next request begins, nobody knows."""
        response = problems.respond(Problem(MALFORMED_REQUEST, "This is not HTTP/1.1, or too long."), "/")
        status = HTTPStatus(response.status_code)
        head = [
            f"HTTP/1.1 {status} {status.phrase}",
            *(f"{name}: {value}" for name, value in response.items()),
            f"Content-Length: {len(response.content)}",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.content)
        self.transport.close()
