"""A small HTTP client, which opens its connection anew after it broke, and tells "refused" from "lost"."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any


class Lost(Exception):
    """The connection broke: whether the request was carried out is unknown."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Client:
    """Somebody with a token, or nobody, who asks one thing after another."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self._port = port
        self._authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self, method: str, path: str, document: Any = None, *, key: str = "", within_seconds: float = 60
    ) -> Answer:
        """Send one request and return its answer. Raises Lost, and TimeoutError after `within_seconds`."""
        body = b"" if document is None else json.dumps(document).encode()
        idempotency = f"Idempotency-Key: {key}\r\n" if key else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._authorization}{idempotency}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(within_seconds):
                return await self._exchange(head.encode() + body)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise
            raise Lost(repr(error)) from error

    async def _exchange(self, request: bytes) -> Answer:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(first.split(" ")[1]), headers, body)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
