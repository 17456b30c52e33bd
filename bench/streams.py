"""How soon do open streams tell of a write, and what do thousands cost that are told nothing?

Ten streams for each account, as many as it may have in one process. One thread reads them over plain sockets: what is
measured is the server, not a client's parser.
"""

import asyncio
import json
import resource
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from bench import fill, operations, processes
from bench.dataset import Sizes
from bench.errors import BenchError
from bench.load import http_request
from bench.peers import OURS, Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

OF_ACCOUNT = 10
TOLD, IDLE = 1_000, 10_000  # streams
WRITES_PER_SECOND = 200
_TOLD_SECONDS, _IDLE_SECONDS = 10, 20
# PostgreSQL counts the transactions of a session that has nothing more to do up to ten seconds later.
_TOLD_LATE_SECONDS = 12
_FILES = IDLE + 1_000  # that the server and this process may each have open
_AT_ONCE = 50


def _environment(url: str) -> dict[str, str]:
    return OURS.family.environment(url) | {"MAX_STREAMS": str(2 * IDLE), "MAX_CONNECTIONS": str(IDLE + 500)}


PEER: Peer = replace(OURS, name="streams", family=replace(OURS.family, environment=_environment))


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Tell a thousand streams of writes, then let ten thousand rest."""
    _allow_files()
    progress.begin("preparing accounts with streams")
    fill.prepare(postgres, PEER, Sizes(IDLE // OF_ACCOUNT * 2, IDLE // OF_ACCOUNT * 4), progress.tell)
    bearers = [PEER.bearer(user) for user in operations.targets(postgres, PEER.name).users][: IDLE // OF_ACCOUNT]
    if len(bearers) < IDLE // OF_ACCOUNT:
        raise BenchError(f"there are {len(bearers)} accounts for streams, and {IDLE // OF_ACCOUNT} are wanted")
    with ExitStack() as stack:
        server = stack.enter_context(Server(PEER, postgres.url(PEER.name), 1, plan.logs / "streams.log"))
        progress.begin(f"{TOLD:,} streams, {WRITES_PER_SECOND} writes a second")
        told = asyncio.run(_told(server, bearers[: TOLD // OF_ACCOUNT]))
        progress.begin(f"{IDLE:,} streams that are told nothing")
        return {**told, **asyncio.run(_idle(server, postgres, bearers))}


def _allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _FILES:
        raise BenchError(f"{_FILES} open files are wanted, and {most} allowed: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, most))


async def _open(port: int, bearer: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open one stream; return when it has said where it begins."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(http_request("GET", "/v1/changes/stream", bearer))
    try:
        await reader.readuntil(b"retry:")
        await reader.readuntil(b"\n\n")
    except asyncio.IncompleteReadError as error:
        raise BenchError(f"a stream was answered {error.partial.decode(errors='replace')}") from None
    return reader, writer


async def _opened(port: int, bearers: Sequence[str]) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(bearer: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with turns:
            return await _open(port, bearer)

    return await asyncio.gather(*(one(bearer) for bearer in bearers for _ in range(OF_ACCOUNT)))


async def _told(server: Server, bearers: Sequence[str]) -> dict[str, Any]:
    """Write as one owner after the other; return how long after the request each of their streams has told of it."""
    sent: dict[str, float] = {}  # when, by the title
    latencies: list[float] = []
    streams = await _opened(server.port, bearers)

    async def listen(reader: asyncio.StreamReader) -> None:
        while True:
            line = await reader.readline()
            if line.startswith(b"data:"):
                arrived = time.perf_counter()
                latencies.append(arrived - sent[json.loads(line[5:])["task"]["title"]])

    listeners = [asyncio.create_task(listen(reader)) for reader, _ in streams]
    writers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
    before, count = server.cpu_seconds(), WRITES_PER_SECOND * _TOLD_SECONDS
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for connection in writers:
        free.put_nowait(connection)

    async def write(number: int) -> None:
        connection = await free.get()
        title = f"Told {number}"
        sent[title] = time.perf_counter()
        body = json.dumps({"title": title}).encode()
        connection[1].write(http_request("POST", "/v1/tasks", bearers[number % len(bearers)], body))
        head = await connection[0].readuntil(b"\r\n\r\n")
        if b" 201 " not in head.partition(b"\r\n")[0]:
            raise BenchError(f"a write was answered {head[:100]!r}")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await connection[0].readexactly(int(length.split(b":")[1]))
        free.put_nowait(connection)

    began, writes = time.perf_counter(), []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / WRITES_PER_SECOND - time.perf_counter()))
        writes.append(asyncio.create_task(write(number)))
    await asyncio.gather(*writes)
    await asyncio.sleep(3)  # what is missing then was not told
    used = server.cpu_seconds() - before
    for task in listeners:
        task.cancel()
    for _, writer in (*streams, *writers):
        writer.close()
    await asyncio.sleep(1)  # they are closed in the loop's next turns
    expected = count * OF_ACCOUNT
    if len(latencies) != expected:
        raise BenchError(f"{expected} events were to come, and {len(latencies)} have")
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "told": {
            "streams": len(streams),
            "writes_per_second": WRITES_PER_SECOND,
            "events": len(latencies),
            "p50_ms": 1e3 * cuts[49],
            "p99_ms": 1e3 * cuts[98],
            "max_ms": 1e3 * max(latencies),
            "server_cpu_share": used / (_TOLD_SECONDS + 3),
        }
    }


async def _idle(server: Server, postgres: Postgres, bearers: Sequence[str]) -> dict[str, Any]:
    """Return what each stream holds, and what all take of a processor and ask of the database."""
    await asyncio.sleep(2)
    before = processes.memory(server.pid)
    streams = await _opened(server.port, bearers)
    await asyncio.sleep(_TOLD_LATE_SECONDS)
    after = processes.memory(server.pid)
    used, asked = server.cpu_seconds(), _transactions(postgres)
    await asyncio.sleep(_IDLE_SECONDS)
    used, asked = server.cpu_seconds() - used, _transactions(postgres) - asked
    for _, writer in streams:
        writer.close()
    return {
        "idle": {
            "streams": len(streams),
            "kib_each": (after.uss - before.uss) / 1024 / len(streams),
            "server_cpu_share": used / _IDLE_SECONDS,
            "transactions_per_second": asked / _IDLE_SECONDS,
        }
    }


def _transactions(postgres: Postgres) -> int:
    with postgres.connect() as connection:
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s", [PEER.name]
        ).fetchone()
    assert row is not None
    return int(row[0])
