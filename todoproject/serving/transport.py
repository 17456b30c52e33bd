"""Where a connection's answers go out: what is written in one turn of the event loop goes out in one piece."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from todoproject.serving.protocol import Protocol


class GatheringTransport:
    """A transport that sends in one piece what is written in one turn of the event loop: an answer's head and body.

    ASGI hands them over one after the other, and uvicorn writes each as it comes: two system calls, two packets.
    """

    def __init__(self, transport: Any, protocol: "Protocol") -> None:
        self._transport = transport
        self._protocol = protocol
        self._pieces: list[bytes] = []
        self._sent = 0
        self.is_lingering = False

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._protocol.loop.call_soon(self.flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Close; where the client has more to send, say so first, and read on without listening."""
        self.flush()
        if not self._protocol.has_more_to_send or self._transport.is_closing():
            self._transport.close()
        elif not self.is_lingering:
            self.is_lingering = True
            self._transport.write_eof()
            self._protocol.linger()

    def is_closing(self) -> bool:
        return self.is_lingering or bool(self._transport.is_closing())

    def taken(self) -> tuple[int, int]:
        """Return how many bytes the client's system has taken, and how many more there are for it."""
        waiting = int(self._transport.get_write_buffer_size())
        return self._sent - waiting, waiting

    def flush(self) -> None:
        """Send what has been gathered, unless nobody can receive it any more."""
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces = []
            if not self.is_closing():
                self._sent += len(data)
                self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
