"""Streams at a real server with two workers: who is told, and how they end."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.processes.servers import Server

pytestmark = [pytest.mark.faults, pytest.mark.slow]

STREAMS = 8  # at two workers: that one of them has none is a chance of one in 128


class Told:
    """What one client was told, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str]] = []
        self.has_begun = self.has_ended = False


def listen(server: Server, headers: dict[str, str], told: Told) -> None:
    with httpx.stream("GET", f"{server.url}/v1/changes/stream", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            told.has_begun = True
            if line.startswith("event: "):
                told.events.append((time.monotonic(), line.removeprefix("event: ")))
    told.has_ended = True


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.02)


def test_all_workers_tell_of_a_write_and_end_their_streams_in_order(postgres: None) -> None:
    """Nobody looks for half a minute: what is told sooner has gone from worker to worker."""
    settings = {"STREAM_LIFETIME_SECONDS": "3600", "LIVE_POLL_SECONDS": "30", "BACKGROUND": "true"}
    with Server("--workers", "2", **settings) as server, ThreadPoolExecutor(STREAMS) as threads:
        headers = server.account()
        told = [Told() for _ in range(STREAMS)]
        running = [threads.submit(listen, server, headers, each) for each in told]
        until(lambda: all(each.has_begun for each in told))
        httpx.post(f"{server.url}/v1/tasks", json={"title": "Buy milk"}, headers=headers, timeout=20)
        until(lambda: all(each.events for each in told), 10)
        past = {"title": "Late", "reminders": [{"at": "2020-01-01T00:00:00Z"}, {"at": _now()}]}
        httpx.post(f"{server.url}/v1/tasks", json=past, headers=headers, timeout=20)
        until(lambda: all("reminder" in [event for _, event in each.events] for each in told), 15)
        assert server.stop() == 0
        for each in running:
            each.result(10)
        assert "ended with requests under way" not in server.log
    assert all(each.has_ended for each in told)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
