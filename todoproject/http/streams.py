"""Answers that go on: server-sent events, written as they come, and beats between them, until one side ends."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from django.http import HttpResponse

from todoproject.http.heartbeats import heartbeats

MEDIA_TYPE = "text/event-stream"
_HEADERS = {
    # Nothing on the way may keep an event back to fill a buffer, or to compress it.
    "X-Accel-Buffering": "no",
    "Cache-Control": "no-store, no-transform",
}

_BEAT = b":\n\n"  # a comment

Blocks = AsyncGenerator[bytes, None]


class EventStream(HttpResponse):
    """An answer of server-sent events.

    `end` is called when the client has gone, after which no block should come; `forget` when it is over, however.
    """

    is_endless = True

    def __init__(self, blocks: Blocks, end: Callable[[], None], forget: Callable[[], None]) -> None:
        super().__init__(content_type=MEDIA_TYPE, headers=_HEADERS)
        self.blocks, self.end, self.forget = blocks, end, forget


class FileStream(EventStream):
    """A file, sent as it is made. It has an end: where that cannot be reached, the connection breaks before it."""

    is_endless = False

    def __init__(self, pieces: Blocks, content_type: str, name: str) -> None:
        HttpResponse.__init__(self, content_type=content_type, headers={"Cache-Control": "no-store"})
        self.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        self.blocks, self.end, self.forget = pieces, _do_nothing, _do_nothing


def _do_nothing() -> None:
    """Do nothing: a file is given up when writing it fails."""


def block(event: str, data: bytes, cursor: bytes | None = None) -> bytes:
    """Return an event (HTML standard, section 9.2.6); JSON has no line breaks in it."""
    identity = b"" if cursor is None else b"id: %b\n" % cursor
    return b"event: %b\n%bdata: %b\n\n" % (event.encode(), identity, data)


# Told of the connection of each stream that begins.
beginnings: list[Callable[[Any], None]] = []


async def write(stream: EventStream, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Write the blocks of a stream as an ASGI body. Whoever reads slowly is waited for: nothing is gathered here."""
    connection = scope.get("extensions", {}).get("connection")  # another server than ours has none
    for begin in beginnings if connection is not None and stream.is_endless else ():
        begin(connection)
    leaving = asyncio.create_task(_leaving(receive, stream.end))
    body = _Body(send)
    heartbeats.add(body)
    try:
        async with aclosing(stream.blocks) as blocks:
            async for content in blocks:
                await body.write(content)
        await body.write(b"", more=False)
    finally:
        heartbeats.remove(body)
        leaving.cancel()
        stream.forget()


class _Body:
    """The body of a stream: its blocks, and beats where none is on its way."""

    def __init__(self, send: Any) -> None:
        self._send, self._is_sending = send, False

    async def write(self, content: bytes, *, more: bool = True) -> None:
        self._is_sending = True
        await self._send({"type": "http.response.body", "body": content, "more_body": more})
        self._is_sending = not more

    def beat(self) -> None:
        """Send a beat if that takes no waiting: to whoever has not taken all before, it would tell nothing."""
        if self._is_sending:
            return
        sending = self._send({"type": "http.response.body", "body": _BEAT, "more_body": True})
        # By hand: a task for each would cost several times what the beat does.
        with suppress(StopIteration):
            sending.send(None)
        sending.close()


async def _leaving(receive: Any, end: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    end()
