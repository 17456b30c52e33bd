"""The deadlines of a connection, by a clock that the test turns: no second is waited for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from todoproject.serving import admission
from todoproject.serving.protocol import (
    BODY_SECONDS,
    HEAD_SECONDS,
    LONG_BODY_SECONDS,
    PROGRESS_SECONDS,
    WRITE_BYTES,
    WRITE_SECONDS,
    Protocol,
)

POST = b"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
GET = b"GET /v1/me HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = bytes(4 * 1024 * 1024)  # more than the system's buffers take


class Clock:
    """The running loop with another time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)


async def answering(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER})


class Line:
    """A client, the server's side of its connection, and the clock between them."""

    def __init__(self, client: socket.socket, protocol: Protocol, clock: Clock) -> None:
        self.client, self.protocol, self.clock = client, protocol, clock

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.client, data)
        await settle()

    async def read(self, size: int) -> bytes:
        """Read as many bytes, fewer at the end."""
        data = b""
        while len(data) < size and (piece := await asyncio.get_running_loop().sock_recv(self.client, size - len(data))):
            data += piece
        await settle()
        return data

    def later(self, seconds: float) -> bool:
        """Let time pass; tell whether the connection is still wanted."""
        self.clock.now += seconds
        self.protocol.check(self.clock.now)
        return not self.protocol.transport.is_closing()


async def settle() -> None:
    for _ in range(10):  # turns of the loop that a message takes through the socket and the application
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(small_buffer: bool = False, application: Any = answering) -> AsyncIterator[Line]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        if small_buffer:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    clock = Clock()
    config = uvicorn.Config(application, log_config=None, timeout_keep_alive=10_000)
    config.load()
    loop: Any = clock
    protocol = Protocol(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, ours)
    try:
        yield Line(theirs, protocol, clock)
    finally:
        theirs.close()
        protocol.transport.abort()
        await settle()


@pytest.mark.parametrize(
    ("start", "seconds"),
    [(POST, BODY_SECONDS), (POST.replace(b"/v1/tasks", b"/v1/imports?format=ical"), LONG_BODY_SECONDS)],
    ids=["two minutes", "a file ten"],
)
async def test_a_body_has_its_time_in_all_however_steadily_it_comes(start: bytes, seconds: float) -> None:
    async with connected() as line:
        await line.send(start)
        for _ in range(int(seconds / (PROGRESS_SECONDS - 6))):
            assert line.later(PROGRESS_SECONDS - 6)
            await line.send(b"x")
        line.later(1)
        assert (await line.read(12)) == b"HTTP/1.1 408"


@pytest.mark.parametrize(("start", "seconds"), [(POST, PROGRESS_SECONDS), (b"GET /", HEAD_SECONDS)])
async def test_a_pause_and_a_slow_head_have_their_own(start: bytes, seconds: float) -> None:
    async with connected() as line:
        await line.send(start)
        assert line.later(seconds)
        line.later(1)
        assert (await line.read(12)) == b"HTTP/1.1 408"


async def test_who_says_nothing_at_all_is_let_go() -> None:
    async with connected() as line:
        assert line.later(HEAD_SECONDS)
        assert not line.later(1)


async def test_who_takes_nothing_of_an_answer_has_a_minute() -> None:
    async with connected(small_buffer=True) as line:
        await line.send(GET)
        assert line.later(WRITE_SECONDS)
        assert not line.later(1)


@pytest.mark.parametrize(("size", "stays"), [(WRITE_BYTES * 2, True), (WRITE_BYTES // 8, False)])
async def test_who_takes_next_to_nothing_is_one_who_takes_nothing(size: int, stays: bool) -> None:
    """A segment a minute was enough to keep an answer, and the memory it takes, for ever."""
    async with connected(small_buffer=True) as line:
        await line.send(GET)
        outcome = []
        for _ in range(4):
            await line.read(size)
            outcome.append(line.later(WRITE_SECONDS - 1))
        assert all(outcome) == stays


async def test_answers_that_nobody_reads_hold_a_bounded_amount_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest of those that take longer than a minute give way; whoever reads is not disturbed."""
    monkeypatch.setattr(admission, "MAX_UNREAD_BYTES", len(ANSWER) // 2 * 3)
    async with connected(small_buffer=True) as slow, connected(small_buffer=True) as other:
        for line in (slow, other):
            line.later(0)
            await line.send(GET)
            line.later(0)
        admission.shed(slow.clock.now + WRITE_SECONDS / 2)
        assert not slow.protocol.transport.is_closing()
        admission.shed(slow.clock.now + WRITE_SECONDS + 1)
        assert [line.protocol.transport.is_closing() for line in (slow, other)].count(True) == 1


async def test_who_leaves_while_nothing_is_sent_is_noticed_at_once() -> None:
    """Also by an application that does not ask: what comes in is left unread only for a request that waits its turn."""
    over = asyncio.Event()

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"]["connection"].is_streaming = True
        await over.wait()

    async with connected(application=busy) as line:
        await line.send(GET)
        assert not line.protocol.transport.is_closing()
        line.client.close()
        await settle()
        assert line.protocol.transport.is_closing()
        over.set()
