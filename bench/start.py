"""How long a server takes from its start to its first good answer, and what it costs while nobody asks."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from bench import fill, operations, processes
from bench.operations import Targets
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

_IDLE_SECONDS = 5


@dataclass(frozen=True)
class Start:
    """One start. Memory is bytes of the whole tree, before any load."""

    peer: str
    round: int
    seconds: float
    idle_cpu_ms_per_second: float
    rss: int
    pss: int
    uss: int


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Start each peer once in every round."""
    peers = [peer for peer in plan.peers if not peer.is_ceiling]
    for peer in peers:
        progress.begin(f"preparing {peer.title}")
        fill.prepare(postgres, peer, plan.sizes, progress.tell)
    targets = operations.targets(postgres, peers[0].name) if peers else Targets([], [], [])
    steps = [(turn, peer) for turn in range(plan.rounds) for peer in plan.in_turn(turn) if peer in peers]
    found = []
    for turn, peer in progress.track(steps, "starting servers"):
        progress.note(peer.title)
        first = next(operations.ALL["get"].requests(peer, targets))
        with Server(peer, postgres.url(peer.name), plan.workers, plan.logs / f"{peer.name}-start.log", first) as server:
            found.append(asdict(_idle(server, turn)))
    return {"starts": found}


def _idle(server: Server, turn: int) -> Start:
    server.settle()
    before = server.cpu_seconds()
    time.sleep(_IDLE_SECONDS)
    used = server.cpu_seconds() - before
    memory = asdict(processes.memory(server.pid))
    return Start(server.peer.name, turn, server.start_seconds, used / _IDLE_SECONDS * 1000, **memory)
