"""What was to be reached beside Fastify on Node, and of the database's part: goals of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.goal import Goal
from bench.ratios import Cells, Series, series

_CONNECTIONS = 32
_READS = ("get", "list")
# The share of PostgreSQL's time that is allowed, and that time for ours and for Fastify when the goals were set (µs, in
# one run). What was saved is told through Fastify, whose statements have not changed: so it is on every machine.
_DATABASE = {
    "get": (0.65, 189 / 83),
    "list": (0.40, 720 / 480),
    "create": (0.60, 688 / 198),
    "patch": (0.60, 524 / 181),
}


@dataclass(frozen=True)
class _Bounds:
    """The most of Fastify's processor time that ours may take, and of SQLModel's."""

    process: float
    both: float  # the process and PostgreSQL
    both_to_sqlmodel: float


_BOUNDS: Mapping[str, _Bounds] = {
    "get": _Bounds(0.90, 1.10, 1 / 6),
    "list": _Bounds(0.75, 0.70, 1 / 5),
    "create": _Bounds(1.00, 1.40, 1 / 5),
    "patch": _Bounds(0.90, 1.30, 1 / 6),
    "delete": _Bounds(0.90, 1.30, 1 / 5),
}


def goals(cells: Cells) -> Iterator[Goal]:
    """Yield the goals; the mix first, which is what a user would look at."""
    ours, theirs = _both(cells, "mix", _CONNECTIONS, "requests_per_second")
    yield Goal("mix, 32 conn.: requests/s to Fastify's", 0.9, True, ours.over(theirs))
    for operation, bounds in _BOUNDS.items():
        yield from _of_operation(cells, operation, bounds)
        ours, theirs = _both(cells, operation, 1, "p50_ms")
        bound = 1.0 if operation in _READS else 1.2
        yield Goal(f"{operation}, 1 conn.: p50 to Fastify's", bound, False, ours.over(theirs))
        ours, theirs = _both(cells, operation, 256, "p99_ms")
        yield Goal(f"{operation}, 256 conn.: p99 to Fastify's", 1, False, ours.over(theirs))


def _of_operation(cells: Cells, operation: str, bounds: _Bounds) -> Iterator[Goal]:
    if operation in _DATABASE:
        bound, before = _DATABASE[operation]
        ours, theirs = _both(cells, operation, _CONNECTIONS, "database_cpu_us")
        saved = ours.over(theirs, times=1 / before)
        yield Goal(f"{operation}, 32 conn.: database CPU to before, by Fastify's", bound, False, saved)
    for name, title, peer, bound in (
        ("server_cpu_us", "process CPU to Fastify's", "fastify", bounds.process),
        ("all_cpu_us", "process and database CPU to Fastify's", "fastify", bounds.both),
        ("all_cpu_us", "process and database CPU to SQLModel's", "sqlmodel", bounds.both_to_sqlmodel),
    ):
        ours, theirs = _both(cells, operation, _CONNECTIONS, name, peer)
        yield Goal(f"{operation}, 32 conn.: {title}", bound, False, ours.over(theirs))


def _both(cells: Cells, operation: str, count: int, name: str, peer: str = "fastify") -> tuple[Series, Series]:
    return series(cells, "ours", operation, count, name), series(cells, peer, operation, count, name)
