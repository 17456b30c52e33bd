"""Clients that keep a copy by the feed of changes: some ask for pages, some listen to a live stream."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from urllib.parse import urlencode

from tests.faults.application import Account
from tests.faults.client import Client, Lost
from tests.faults.copies import Copy

_RETRY_SECONDS = 0.1
# An open stream is told within its server's interval. What was removed without a trace it learns by coming back.
_TOLD_SECONDS, _COMES_BACK_AFTER_SECONDS = 40, 5


class Follower:
    """A client that asks for changes, and for nothing else."""

    def __init__(self, port: int, account: Account, limit: int) -> None:
        self.copy, self._client, self._limit = Copy(), Client(port, account.token), limit

    async def read(self) -> bool:
        """Ask for a page and apply it; return whether to ask again at once."""
        cursor = {} if self.copy.cursor is None else {"cursor": self.copy.cursor}
        query = urlencode({"limit": random.randint(1, self._limit), **cursor})
        try:
            answer = await self._client.ask("GET", f"/v1/changes?{query}")
        except Lost:
            await asyncio.sleep(_RETRY_SECONDS)
            return True
        if answer.status == 200:
            return self.copy.apply(answer.document)
        if answer.status == 410:
            self.copy.begin_anew()
        elif answer.status != 503:
            raise AssertionError(f"a page of changes was answered {answer.status}: {answer.body[:300]!r}")
        else:
            await asyncio.sleep(_RETRY_SECONDS)
        return True

    async def catch_up(self) -> None:
        while await self.read():
            pass


class Listener(Follower):
    """A client that listens to the live stream, and asks for pages only from nothing: at first, and when told to."""

    def __init__(self, port: int, account: Account) -> None:
        super().__init__(port, account, limit=100)
        self.opened = 0
        self._port, self._token = port, account.token
        self._writer: asyncio.StreamWriter | None = None

    async def listen(self) -> None:
        """Open the stream, and again where it was each time it ends or breaks."""
        while True:
            try:
                is_told_to_begin_anew = await self._listen()
            except (OSError, asyncio.IncompleteReadError):
                is_told_to_begin_anew = False
            if is_told_to_begin_anew:
                self.copy.begin_anew()
                await self.catch_up()
            else:
                await asyncio.sleep(_RETRY_SECONDS)  # sooner than `retry` asks for

    async def _listen(self) -> bool:
        """Listen until the stream ends; return whether it ended with the word to begin anew."""
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self._writer.write(
                f"GET /v1/changes/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
                f"Last-Event-ID: {self.copy.cursor}\r\n\r\n".encode()
            )
            status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
            if status in (429, 503):
                return False
            if status != 200:
                raise AssertionError(f"a stream was answered {status}")
            self.opened += 1
            while block := await _block(reader):
                if b"event: sync-expired" in block.splitlines():
                    return True
                self.take(block)
            return False
        finally:
            self._writer.transport.abort()

    def take(self, block: bytes) -> None:
        """Take in a block of the stream, as a page with what it tells."""
        fields = dict(line.split(b": ", 1) for line in block.splitlines() if b": " in line)
        if b"id" not in fields:
            return
        items = [json.loads(fields[b"data"])] if b"data" in fields else []
        self.copy.apply({"items": items, "next_cursor": fields[b"id"].decode(), "has_more": False})

    async def wait_until(self, is_told: Callable[[], bool]) -> None:
        """Wait until it was told everything, for a stated time at most; the audit says what is missing then."""
        started, has_come_back = time.monotonic(), False
        while not is_told() and time.monotonic() < started + _TOLD_SECONDS:
            if not has_come_back and time.monotonic() > started + _COMES_BACK_AFTER_SECONDS:
                has_come_back = True
                if self._writer is not None:
                    self._writer.transport.abort()
            await asyncio.sleep(0.05)


async def _block(reader: asyncio.StreamReader) -> bytes:
    """Return the next block of a stream, each a chunk of its own; nothing at its end."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]
