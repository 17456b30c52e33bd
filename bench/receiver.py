"""A receiver of webhooks in this process, which answers at once, or never, and keeps when each event came."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TITLE = re.compile(rb'"title":"([^"]*)"')


@dataclass
class Receiver:
    """What listens at `url`; `arrivals` are moments of `time.perf_counter`, by the title of the task."""

    url: str = ""
    answers: bool = True
    arrivals: dict[str, float] = field(default_factory=dict)

    def take(self, body: bytes) -> None:
        """Keep when an event came."""
        if (found := _TITLE.search(body)) is not None:
            self.arrivals.setdefault(found[1].decode(), time.perf_counter())


class _Connection(asyncio.Protocol):
    """Requests, one after the other."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver, self._read = receiver, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._read, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._read) < end:
                return
            self._receiver.take(bytes(self._read[head + 4 : end]))
            del self._read[:end]
            if self._receiver.answers:
                self._transport.write(_OK)


@asynccontextmanager
async def listening(*, answers: bool = True) -> AsyncIterator[Receiver]:
    """Listen at a port of this machine."""
    receiver = Receiver(answers=answers)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(receiver), "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    yield receiver
    server.close()
