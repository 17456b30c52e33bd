"""What a worker has opened at its start, it closes at its end."""

import asyncio
from typing import Any

import pytest

from todoproject.background.runner import Job
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Statement
from todoproject.serving import lifespan


async def test_pool_is_closed_when_a_worker_stops(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only its sockets by the end of the process: who waits for a connection must be told, too."""
    pool, said, started, ending = Pool(), list[str](), asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(lifespan, "pool", pool)
    monkeypatch.setattr(lifespan.startup, "is_done", True)
    monkeypatch.setattr(lifespan.startup, "runs_background", True)
    monkeypatch.setattr(lifespan.activity, "listeners", [])
    monkeypatch.setattr(lifespan.event_streams, "beginnings", [])
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()

    monkeypatch.setattr(lifespan, "JOBS", [Job("reminders", look)])
    monkeypatch.setattr(lifespan.gc, "freeze", lambda: None)  # this process is not only a worker

    async def receive() -> dict[str, Any]:
        if started.is_set():
            await ending.wait()
        return {"type": "lifespan"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message["type"])
        started.set()

    running = asyncio.create_task(lifespan.run(receive, send))
    await asyncio.wait_for(started.wait(), 10)
    await pool.execute(Statement.unfenced("SELECT 1"))
    assert pool.standing()["pool_size"] > 0
    await asyncio.wait_for(looked.wait(), 10)  # its one worker does what nobody waits for
    looked.clear()
    lifespan.activity.note("POST")
    await asyncio.wait_for(looked.wait(), 10)
    ending.set()
    await asyncio.wait_for(running, 30)

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert pool.standing()["pool_size"] == 0
