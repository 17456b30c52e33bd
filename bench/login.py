"""A login storm beside the usual load: what do the others notice of passwords being hashed?"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import fill, operations
from bench.errors import BenchError
from bench.load import Generator, Load, write_requests
from bench.peers import Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

# Each hash takes some 20 ms of a processor and more, so that eight at a time never let one rest.
LOGINS = 8
CONNECTIONS = 32
_ACCOUNTS = 50
# Long enough that a percentile beside the storm stands on more than a few answers.
_SECONDS = 4


@dataclass(frozen=True)
class Storm:
    """What requests for tasks took, alone and beside the storm, in milliseconds."""

    peer: str
    round: int
    alone_p50_ms: float
    alone_p99_ms: float
    beside_p50_ms: float
    beside_p99_ms: float
    alone_requests_per_second: float
    beside_requests_per_second: float
    logins_per_second: float
    errors: int


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure each peer that has a login, in turn."""
    peers = [peer for peer in plan.peers if peer.login is not None]
    found = []
    with tempfile.TemporaryDirectory(prefix="todo-bench-") as name:
        folder = Path(name)
        for peer in peers:
            progress.begin(f"preparing {peer.title}")
            fill.prepare(postgres, peer, plan.sizes, progress.tell)
            targets = operations.targets(postgres, peer.name)
            write_requests(folder / f"{peer.name}-get", operations.ALL["get"].requests(peer, targets))
        steps = [(turn, peer) for turn in range(plan.rounds) for peer in plan.in_turn(turn) if peer in peers]
        for turn, peer in progress.track(steps, "login storms"):
            progress.note(peer.title)
            with Server(peer, postgres.url(peer.name), plan.workers, plan.logs / f"{peer.name}-login.log") as server:
                found.append(asdict(_measure(server, folder, turn)))
    return {"storms": found}


def _measure(server: Server, folder: Path, turn: int) -> Storm:
    peer = server.peer
    logins = folder / f"{peer.name}-login-{turn}"
    write_requests(logins, _registered(server, turn))
    requests = folder / f"{peer.name}-get"
    Generator(server.port, requests, CONNECTIONS, 1).wait()  # warm
    alone = Generator(server.port, requests, CONNECTIONS, _SECONDS).wait()
    storm = Generator(server.port, logins, LOGINS, _SECONDS + 2)
    time.sleep(1)
    beside = Generator(server.port, requests, CONNECTIONS, _SECONDS).wait()
    return _storm(peer, turn, alone, beside, storm.wait())


def _storm(peer: Peer, turn: int, alone: Load, beside: Load, logins: Load) -> Storm:
    return Storm(
        peer.name,
        turn,
        alone.p50_ms,
        alone.p99_ms,
        beside.p50_ms,
        beside.p99_ms,
        alone.requests_per_second,
        beside.requests_per_second,
        logins.requests_per_second,
        alone.errors + beside.errors + logins.errors,
    )


def _registered(server: Server, turn: int) -> Iterator[bytes]:
    """Register accounts the way people do, and yield the requests that log them in."""
    login = server.peer.login
    assert login is not None
    for number in range(_ACCOUNTS):
        email = f"storm-{turn}-{number}@example.com"
        status, body = server.ask(login.register(email))
        if status not in (200, 201):
            raise BenchError(f"{server.peer.title} registers nobody: {status} {body[:300].decode(errors='replace')}")
        yield login.login(email)
