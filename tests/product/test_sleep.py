"""A server that nobody uses lets its database sleep, however often it is watched; open streams ask for all at once."""

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
WORKERS = 2
STREAMS_EACH = 10  # of two accounts: as many as one may have in one process
POLL_SECONDS = 1
WATCHED_SECONDS = 5
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
    observed |= {"LIVE_POLL_SECONDS": str(POLL_SECONDS), "STREAM_LIFETIME_SECONDS": "3600"}
    server = Server("--workers", str(WORKERS), DATABASE_URL=url, MIGRATE_ON_START="true", **observed)
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


async def rest(wire: Wire, server: Server) -> None:
    """Wait until all that was begun is done, and count anew."""
    while "background process started" not in server.log:  # noqa: ASYNC110 -- it comes after the workers, and looks once
        await asyncio.sleep(0.1)
    await asyncio.sleep(4)  # what a request leaves to be done later is done
    wire.reset()


def assert_nothing_was_sent(wire: Wire) -> None:
    # X is the farewell of a connection that the pool closes, which wakes nobody.
    assert {kind: count for kind, count in wire.sent.items() if kind != "X"} == {}
    assert wire.received == {}


async def open_stream(server: Server, headers: dict[str, str]) -> asyncio.StreamWriter:
    """Return a stream that has said where it begins; what it tells afterwards nobody reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    authorization = headers["Authorization"]
    head = f"GET /v1/changes/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {authorization}\r\n\r\n"
    writer.write(head.encode())
    await asyncio.wait_for(reader.readuntil(b"retry: "), 20)
    return writer


async def test_watching_an_idle_server_sends_no_message_to_the_database(wire: Wire, server: Server) -> None:
    await use(server)
    assert wire.received["Z"] > 100
    await rest(wire, server)

    statuses = await watch(server, IDLE_SECONDS)

    assert set(statuses) == {200}
    assert statuses[200] > IDLE_SECONDS
    assert_nothing_was_sent(wire)

    await asyncio.to_thread(httpx.get, f"{server.url}/health")  # and the counting works
    assert wire.received["Z"] == 1


async def test_streams_send_one_query_a_poll_and_closed_ones_none(wire: Wire, server: Server) -> None:
    """Each worker sleeps for the interval between two looks, so that more of them than this there cannot be."""
    accounts = [await asyncio.to_thread(server.account) for _ in range(2)]
    streams = [await open_stream(server, headers) for headers in accounts for _ in range(STREAMS_EACH)]
    await rest(wire, server)

    await asyncio.sleep(WATCHED_SECONDS)
    queries = wire.received["Z"]
    print(f"{len(streams)} streams, {WATCHED_SECONDS} s, {WORKERS} workers: {queries} queries")
    assert 1 <= queries <= WORKERS * (WATCHED_SECONDS // POLL_SECONDS + 1)

    for stream in streams:
        stream.transport.abort()
    await rest(wire, server)
    await asyncio.sleep(WATCHED_SECONDS)
    assert_nothing_was_sent(wire)

    stream = await open_stream(server, accounts[0])  # and they can be opened again
    await rest(wire, server)
    await asyncio.sleep(WATCHED_SECONDS)
    assert 1 <= wire.received["Z"] <= WATCHED_SECONDS // POLL_SECONDS + 1
    stream.transport.abort()
