"""A server that nobody uses lets its database sleep, however often it is watched."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from tests.environment import FOLDER
from tests.support.postgres.wire import Wire
from tests.support.processes.servers import Server, free_port
from todoproject.database import embedded

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TOKEN = "a9Qm2xW7-Lz4vR8tKc1pYb6nHd3sGf5j"
# Far beyond every interval of ours; a compute sleeps after 300, which IDLE_SECONDS can outlast.
IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", "8"))


@pytest_asyncio.fixture
async def wire(postgres: None) -> AsyncIterator[Wire]:
    async with Wire(embedded.socket_directory(FOLDER / "postgres")) as wire:
        yield wire


@pytest_asyncio.fixture
async def server(wire: Wire) -> AsyncIterator[Server]:
    """A server with two workers, whose database is at the other end of the wire, and everything that may be polled."""
    url = f"postgresql://{embedded.OWNER}@{quote(str(wire.directory), safe='')}/{embedded.DATABASE}"
    observed = {"METRICS_ADDRESS": str(free_port()), "METRICS_TOKEN": TOKEN}
    # Told by writes, and otherwise asleep: within five minutes of a request it would look every ten seconds.
    observed |= {"BACKGROUND": "true", "BACKGROUND_POLL_SECONDS": "3600"}
    server = Server("--workers", "2", DATABASE_URL=url, MIGRATE_ON_START="true", **observed)
    try:
        yield await asyncio.to_thread(server.start, 60)
    finally:
        await asyncio.to_thread(server.__exit__)


async def use(server: Server) -> None:
    """Be as busy as a real morning: many at once, so that the pools grow, and the admin."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        http.headers.update(await asyncio.to_thread(server.account))
        await asyncio.gather(*(http.post("/v1/tasks", json={"title": "Busy"}) for _ in range(100)))
        assert (await http.get("/health/ready")).status_code == 200
        await http.post("/admin/login/", data={"username": "nobody", "password": "nothing"})


async def watch(server: Server, seconds: float) -> Counter[int]:
    """Poll all that may be polled, far oftener than anybody does; return the statuses."""
    statuses: Counter[int] = Counter()
    own_port = f"http://127.0.0.1:{server.settings['METRICS_ADDRESS']}/metrics"
    until = time.monotonic() + seconds
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        while time.monotonic() < until:
            for url in (own_port, f"{server.url}/metrics", f"{server.url}/health/live"):
                statuses[(await http.get(url)).status_code] += 1
            await asyncio.sleep(0.1)
    return statuses


async def test_watching_an_idle_server_sends_no_message_to_the_database(wire: Wire, server: Server) -> None:
    await use(server)
    assert wire.received["Z"] > 100
    while "background process started" not in server.log:  # noqa: ASYNC110 -- it comes after the workers, and looks once
        await asyncio.sleep(0.1)
    await asyncio.sleep(4)  # what a request leaves to be done later is done
    wire.reset()

    statuses = await watch(server, IDLE_SECONDS)

    assert set(statuses) == {200}
    assert statuses[200] > IDLE_SECONDS
    # X is the farewell of a connection that the pool closes, which wakes nobody.
    assert {kind: count for kind, count in wire.sent.items() if kind != "X"} == {}
    assert wire.received == {}

    await asyncio.to_thread(httpx.get, f"{server.url}/health")  # and the counting works
    assert wire.received["Z"] == 1
