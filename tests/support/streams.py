"""Somebody who listens to the live streams of this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.people import Person

Told = dict[str, Any]

REVOKE = "UPDATE access_tokens SET revoked_at = now() WHERE user_id = %s AND name = 'script'"


class Listener:
    """Somebody who listens to a stream of this process, block by block."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.is_reading = asyncio.Event()
        self.is_reading.set()
        self._gone = asyncio.Event()
        self._begun = False

    async def receive(self) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.is_reading.wait()
        if message.get("body"):
            self.pieces.put_nowait(message["body"])
        if not message.get("more_body"):
            self.pieces.put_nowait(None)

    def leave(self) -> None:
        self._gone.set()

    async def block(self) -> Told | None:
        """Return the next block; None at the end."""
        piece = await asyncio.wait_for(self.pieces.get(), 10)
        if piece is None:
            return None
        lines = [line.partition(": ") for line in piece.decode().splitlines() if line]
        found = {name: value for name, _, value in lines}
        return {**found, "data": json.loads(found["data"])} if "data" in found else found

    async def event(self) -> Told | None:
        """Return the next event, without what only keeps the stream alive."""
        while (block := await self.block()) is not None and "event" not in block:
            pass
        return block


@asynccontextmanager
async def listening(app: httpx.ASGITransport, query: str = "", **headers: str) -> AsyncIterator[Listener]:
    listener = Listener()
    sent = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "headers": [(b"host", b"testserver"), *sent],
        "path": "/v1/changes/stream",
        "raw_path": b"/v1/changes/stream",
        "query_string": query.encode(),
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    running = asyncio.create_task(app.app(scope, listener.receive, listener.send))  # type: ignore[arg-type]
    try:
        yield listener
    finally:
        listener.leave()
        await asyncio.wait_for(running, 10)


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def begun(listener: Listener) -> str:
    """Wait for the first blocks; return the cursor to go on from."""
    first, second = await listener.block(), await listener.block()
    assert first is not None
    assert first.keys() == {"id"}
    assert second is not None
    assert second.keys() == {"retry"}
    return str(first["id"])
