"""One measurement, a cell: one peer, one operation, so many connections, in one round."""

import os
from dataclasses import dataclass
from pathlib import Path

from bench.load import Generator, Load
from bench.operations import Operation
from bench.postgres import Postgres
from bench.servers import Server


@dataclass(frozen=True)
class Cell:
    """What was measured. Processor times are microseconds for each request, latencies are milliseconds."""

    peer: str
    operation: str
    connections: int
    round: int
    requests_per_second: float
    server_cpu_us: float
    database_cpu_us: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    answered: int
    sent: int
    errors: int
    seconds: float
    generator_cpu_us: float
    generator_busy: float  # the share of one processor that the generator took
    items: int

    @property
    def is_bad(self) -> bool:
        """Tell whether something was not answered as it should: such a cell counts in no figure."""
        return self.errors > 0 or self.answered == 0


def measure(
    server: Server,
    postgres: Postgres,
    operation: Operation,
    requests: Path,
    *,
    connections: int,
    seconds: float,
    turn: int,
) -> Cell:
    """Put load on a server and return what that took.

    When the load ends, each connection has a request under way. The server finishes them, so processor time is read
    when it is quiet again, and divided by the requests that were sent.
    """
    server.settle()
    server_before, database_before = server.cpu_seconds(), postgres.cpu_seconds()
    load = Generator(server.port, requests, connections, seconds, once=operation.once).wait()
    server.settle()
    server_seconds = server.cpu_seconds() - server_before
    database_seconds = postgres.cpu_seconds() - database_before
    return _cell(server, operation, load, connections, turn, server_seconds, database_seconds)


def _cell(
    server: Server,
    operation: Operation,
    load: Load,
    connections: int,
    turn: int,
    server_seconds: float,
    database_seconds: float,
) -> Cell:
    each = 1e6 / max(1, load.sent)
    return Cell(
        server.peer.name,
        operation.name,
        connections,
        turn,
        load.requests_per_second,
        server_seconds * each,
        database_seconds * each,
        load.p50_ms,
        load.p90_ms,
        load.p99_ms,
        load.p999_ms,
        load.max_ms,
        load.answered,
        load.sent,
        load.errors,
        load.seconds,
        load.generator_cpu_seconds * each,
        load.generator_cpu_seconds / load.seconds,
        operation.items,
    )


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
