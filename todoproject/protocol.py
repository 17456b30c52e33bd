"""uvicorn's HTTP protocol, with three changes: its own errors are problem documents, an answer is one packet, and no
connection in use is closed.
"""

import asyncio
import select
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from todoproject import problems
from todoproject.problems import MALFORMED_REQUEST, UNAVAILABLE, Problem


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

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way: read in part, waiting for its answer, or being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def close_if_idle(self) -> None:
        """Close a connection that has no request, unless one has just come in and is about to be read."""
        if not self.is_busy and not self.transport.is_closing() and not self._has_input():
            self.transport.close()

    def cut_off(self) -> None:
        """Close a connection whatever it does; a request without an answer is told to come again."""
        if self.is_busy and not self.cycle.response_started:
            self._send(Problem(UNAVAILABLE, "The server is ending.", headers={"Retry-After": "1"}))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that cannot be read as HTTP, and close: where the next request begins, nobody knows."""
        self._send(Problem(MALFORMED_REQUEST, "This is not HTTP/1.1, or too long."))
        self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        self.close_if_idle()  # a request that came in the last moment is answered

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # After a reset uvicorn leaves the timer, which keeps all of the connection in memory until it goes off.
        self._unset_keepalive_if_required()

    def _has_input(self) -> bool:
        poller = select.poll()
        poller.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def _send(self, problem: Problem) -> None:
        """Write an answer by hand, where there is no request, or nobody who answers it."""
        response = problems.respond(problem, "/")
        status = HTTPStatus(response.status_code)
        head = [
            f"HTTP/1.1 {status} {status.phrase}",
            *(f"{name}: {value}" for name, value in response.items()),
            f"Content-Length: {len(response.content)}",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode("latin-1") + response.content)
