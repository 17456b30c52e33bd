"""Beats of streams: one timer for all, in turn, and none that waits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from todoproject.http import heartbeats as heartbeats_module
from todoproject.http import streams
from todoproject.http.heartbeats import SLICES, Heartbeats, heartbeats
from todoproject.http.streams import Blocks, EventStream

PERIOD = 0.6


class Counter:
    """Something that counts its beats."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats_module, "SECONDS", PERIOD)


async def test_all_beat_once_in_a_period_by_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, each = Heartbeats(), [Counter() for _ in range(3 * SLICES)]
    rung = 0
    beat = clock._beat

    def counted() -> None:
        nonlocal rung
        rung += 1
        beat()
        if rung == 2 * SLICES:
            done.set()

    done = asyncio.Event()
    monkeypatch.setattr(clock, "_beat", counted)
    for beating in each:
        clock.add(beating)
    await asyncio.wait_for(done.wait(), 30)
    assert {beating.beats for beating in each} == {2}
    for beating in each:
        clock.remove(beating)
    rung_by_then = rung
    await asyncio.sleep(3 * PERIOD / SLICES)
    assert rung == rung_by_then


class Client:
    """Whoever a stream is written to: may take nothing for a while."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.takes.set()
        self.waiting = self.asked = 0
        self.body: list[bytes] = []

    async def send(self, message: Mapping[str, Any]) -> None:
        self.asked += 1
        if not self.takes.is_set():
            self.waiting += 1
            try:
                await self.takes.wait()
            finally:
                self.waiting -= 1
        self.body.append(message["body"])


async def test_nobody_waits_for_a_client_that_takes_nothing() -> None:
    """Beats that wait would be tasks, and come between the blocks of an event."""
    news, left = asyncio.Queue[bytes](), asyncio.Event()

    async def blocks() -> Blocks:
        while content := await news.get():
            yield content

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    client = Client()
    stream = EventStream(blocks(), lambda: news.put_nowait(b""), lambda: None)
    running = asyncio.create_task(streams.write(stream, {}, receive, client.send))
    news.put_nowait(b"first")
    await asyncio.sleep(2.5 * PERIOD)
    assert client.body[0] == b"first"
    assert set(client.body[1:]) == {b":\n\n"}
    client.takes.clear()
    await asyncio.sleep(2 * PERIOD)
    assert client.waiting == 0  # a beat is left out
    told = len(client.body)
    news.put_nowait(b"second")
    await asyncio.sleep(0.1)
    asked = client.asked
    await asyncio.sleep(2 * PERIOD)
    assert (client.waiting, client.asked, len(client.body)) == (1, asked, told)
    client.takes.set()
    left.set()
    await asyncio.wait_for(running, 10)
    assert client.body[told:] == [b"second", b""]
    assert not heartbeats._slice_of
    assert heartbeats._timer is None
