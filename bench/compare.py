"""The comparison: all peers, all operations, interleaved.

In each round every operation is measured for every peer in turn, one after the other, and each round begins with
another peer. So what the machine does meanwhile (other people, heat, a clock that slows down) meets all of them, and a
ratio is one of neighbours in time.
"""

import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import cells, fill, limit, operations, processes
from bench.cells import Cell
from bench.errors import BenchError
from bench.load import write_requests
from bench.operations import Operation, Targets
from bench.peers import OURS, Peer
from bench.plan import Plan
from bench.postgres import Postgres
from bench.progress import Progress
from bench.servers import Server

_WARM_UP_SECONDS, _WARM_UP_CONNECTIONS = 1, 8
# A measurement lasts until each connection has been answered so often, or so many seconds: with slow answers and many
# connections, a shorter one would see little more than the queue filling up.
_ANSWERS_EACH, _LONGEST_SECONDS = 3, 10


def can(peer: Peer, operation: Operation) -> bool:
    """Tell whether the peer has the operation: batches are ours alone, and an empty answer is one for all."""
    return operation.name == "get" if peer.is_ceiling else peer.has_batch or operation.name != "batch"


def turns(plan: Plan) -> Iterator[tuple[int, int, Operation, Peer]]:
    """Yield round, connections, operation and peer, in the order of measurement."""
    for turn in range(plan.rounds):
        for operation in plan.operations:
            for connections in plan.connections:
                for peer in plan.in_turn(turn):
                    if can(peer, operation):
                        yield turn, connections, operation, peer


def run(postgres: Postgres, plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure all; return the cells, PostgreSQL's own limit, and what memory the servers have.

    That is read twice: after all that every peer can do, and at the end, after batches as well.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todo-bench-")))
        comparison = Comparison(postgres, plan, progress, folder)
        targets = comparison.prepare()
        for peer in plan.peers:
            server = Server(peer, postgres.url(peer.name), plan.workers, plan.logs / f"{peer.name}.log")
            comparison.servers[peer.name] = stack.enter_context(server)
        comparison.write_requests(targets)
        comparison.warm_up()
        measured = [asdict(cell) for cell in comparison.measure()]
        at_end = comparison.memory()
    common = comparison.common_memory or at_end
    return {"cells": measured, "limits": comparison.limits, "memory": common, "memory_at_end": at_end}


@dataclass
class Comparison:
    """What the steps of a run share."""

    postgres: Postgres
    plan: Plan
    progress: Progress
    folder: Path
    servers: dict[str, Server] = field(default_factory=dict)
    scripts: dict[str, list[Path]] = field(default_factory=dict)
    rates: dict[tuple[str, str], float] = field(default_factory=dict)  # requests/s, by peer and operation
    limits: list[dict[str, Any]] = field(default_factory=list)
    common_memory: dict[str, dict[str, int]] = field(default_factory=dict)  # before the first batch

    @property
    def databases(self) -> list[Peer]:
        """Those that have a database."""
        return [peer for peer in self.plan.peers if not peer.is_ceiling]

    def prepare(self) -> Targets:
        """Make the databases; return what the load will be about. Raises BenchError where nobody is to be measured."""
        if not self.databases:
            raise BenchError("an empty answer alone compares nothing; name other peers as well")
        for peer in self.databases:
            self.progress.begin(f"preparing {peer.title}")
            fill.prepare(self.postgres, peer, self.plan.sizes, self.progress.tell)
        targets = operations.targets(self.postgres, self.databases[0].name)
        if OURS in self.plan.peers:
            try:
                self.scripts = limit.scripts(self.postgres, self.plan, targets, self.folder)
            except BenchError as error:
                self.progress.tell(f"PostgreSQL's own limit is left out: {error}")
        return targets

    def write_requests(self, targets: Targets) -> None:
        """Write the requests of all peers and operations, so that making them is no part of the load."""
        for peer, operation in self._pairs():
            write_requests(self._requests(peer, operation), operation.requests(peer, targets))

    def warm_up(self) -> None:
        """Let each server do everything once: compile, cache, prepare. Note how fast it is, about."""
        for peer, operation in self.progress.track(self._pairs(), "warming up"):
            cell = self._cell(peer, operation, _WARM_UP_CONNECTIONS, _WARM_UP_SECONDS, -1)
            self.rates[peer.name, operation.name] = cell.requests_per_second

    def measure(self) -> Iterator[Cell]:
        """Yield the cells, round by round."""
        last = -1
        for turn, connections, operation, peer in self.progress.track(list(turns(self.plan)), "measuring"):
            if turn != last:
                self._begin_round(turn)
                last = turn
            if operation.name == "batch" and not self.common_memory:
                self.common_memory = self.memory()
            self.progress.note(f"round {turn + 1}: {operation.title}, {connections} connections, {peer.title}")
            cell = self._cell(peer, operation, connections, self._seconds(peer, operation, connections), turn)
            if cell.is_bad:
                what = f"{peer.title}, {operation.title}, {connections} connections, round {turn + 1}"
                self.progress.tell(f"{what}: {cell.answered} answers, {cell.errors} errors")
            yield cell

    def memory(self) -> dict[str, dict[str, int]]:
        """Return what memory each server has."""
        return {name: asdict(processes.memory(server.pid)) for name, server in self.servers.items()}

    def _pairs(self) -> list[tuple[Peer, Operation]]:
        return [(peer, kind) for peer in self.plan.peers for kind in self.plan.operations if can(peer, kind)]

    def _requests(self, peer: Peer, operation: Operation) -> Path:
        return self.folder / f"{peer.name}-{operation.name}"

    def _seconds(self, peer: Peer, operation: Operation, connections: int) -> int:
        rate = max(1.0, self.rates[peer.name, operation.name])
        return max(self.plan.seconds, min(_LONGEST_SECONDS, math.ceil(_ANSWERS_EACH * connections / rate)))

    def _cell(self, peer: Peer, operation: Operation, connections: int, seconds: int, turn: int) -> Cell:
        cell = cells.measure(
            self.servers[peer.name],
            self.postgres,
            operation,
            self._requests(peer, operation),
            connections=connections,
            seconds=seconds,
            turn=turn,
        )
        if operation.writes:  # the next cell is to find what this one has found
            fill.restore(self.postgres, peer)
        return cell

    def _begin_round(self, turn: int) -> None:
        self.progress.note(f"round {turn + 1}: PostgreSQL's own limit")
        for peer in self.databases:
            self.postgres.execute(peer.name, "VACUUM (ANALYZE)")
        self.postgres.execute("postgres", "CHECKPOINT")
        self.limits += limit.measure(self.postgres, self.scripts, self.plan.seconds, turn)
