"""The comparison: all peers, all operations, interleaved.

In each round every operation is measured for every peer in turn, one after the other, and each round begins with
another peer. So what the machine does meanwhile (other people, heat, a clock that slows down) meets all of them, and a
ratio is one of neighbours in time.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import cells, fill, operations, processes
from bench.cells import Cell
from bench.dataset import Sizes
from bench.load import write_requests
from bench.operations import Operation, Targets
from bench.peers import Peer
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

_WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Plan:
    """What to compare."""

    peers: Sequence[Peer]
    operations: Sequence[Operation]
    connections: Sequence[int]
    rounds: int
    seconds: float
    workers: int
    sizes: Sizes

    def turns(self) -> Iterator[tuple[int, int, Operation, Peer]]:
        """Yield round, connections, operation and peer, in the order of measurement."""
        for turn in range(self.rounds):
            first = turn % len(self.peers)
            for operation in self.operations:
                for connections in self.connections:
                    for peer in (*self.peers[first:], *self.peers[:first]):
                        if can(peer, operation):
                            yield turn, connections, operation, peer


def can(peer: Peer, operation: Operation) -> bool:
    """Tell whether the peer has the operation: batches are ours alone."""
    return peer.has_batch or operation.name != "batch"


def run(postgres: Postgres, plan: Plan, progress: Progress, logs: Path) -> dict[str, Any]:
    """Measure all, and return the cells and what memory the servers have at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todo-bench-")))
        for peer in plan.peers:
            progress.tell(f"preparing {peer.title}")
            template = fill.template(postgres, peer.family, plan.sizes, progress.tell)
            fill.copy(postgres, peer.family, template, peer.name)
        targets = operations.targets(postgres, plan.peers[0].name)
        servers = {
            peer.name: stack.enter_context(
                Server(peer, postgres.url(peer.name), plan.workers, logs / f"{peer.name}.log")
            )
            for peer in plan.peers
        }
        _write_requests(plan, targets, folder)
        _warm_up(postgres, plan, servers, folder, progress)
        measured = list(_measure(postgres, plan, servers, folder, progress))
        memory = {name: asdict(processes.memory(server.pid)) for name, server in servers.items()}
    return {"cells": [asdict(cell) for cell in measured], "memory": memory}


def _write_requests(plan: Plan, targets: Targets, folder: Path) -> None:
    for peer in plan.peers:
        for operation in plan.operations:
            if can(peer, operation):
                write_requests(_requests(folder, peer, operation), operation.requests(peer, targets))


def _requests(folder: Path, peer: Peer, operation: Operation) -> Path:
    return folder / f"{peer.name}-{operation.name}"


def _warm_up(postgres: Postgres, plan: Plan, servers: dict[str, Server], folder: Path, progress: Progress) -> None:
    pairs = [(peer, operation) for peer in plan.peers for operation in plan.operations if can(peer, operation)]
    for peer, operation in progress.track(pairs, "warming up"):
        requests = _requests(folder, peer, operation)
        cells.measure(
            servers[peer.name], postgres, operation, requests, connections=8, seconds=_WARM_UP_SECONDS, turn=-1
        )
        _restore(postgres, peer, operation)


def _measure(
    postgres: Postgres, plan: Plan, servers: dict[str, Server], folder: Path, progress: Progress
) -> Iterator[Cell]:
    last = -1
    for turn, connections, operation, peer in progress.track(list(plan.turns()), "measuring"):
        if turn != last:
            _vacuum(postgres, plan.peers)
            last = turn
        progress.note(f"round {turn + 1}: {operation.title}, {connections} connections, {peer.title}")
        requests = _requests(folder, peer, operation)
        cell = cells.measure(
            servers[peer.name],
            postgres,
            operation,
            requests,
            connections=connections,
            seconds=plan.seconds,
            turn=turn,
        )
        if cell.errors:
            progress.tell(f"{peer.title}, {operation.title}, {connections} connections: {cell.errors} errors")
        _restore(postgres, peer, operation)
        yield cell


def _restore(postgres: Postgres, peer: Peer, operation: Operation) -> None:
    """Take back what was written, so that the next cell finds what this one has found."""
    if operation.writes:
        postgres.execute(peer.name, *peer.family.restore.split(";"))


def _vacuum(postgres: Postgres, peers: Sequence[Peer]) -> None:
    for peer in peers:
        postgres.execute(peer.name, "VACUUM (ANALYZE)")
    postgres.execute("postgres", "CHECKPOINT")
