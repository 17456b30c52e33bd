"""From cells to figures and ratios: one for each round, then the median, and the extremes as the spread."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cells = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Spread:
    """A median over rounds, and the extremes."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """A figure of one peer in one operation, by round."""

    rounds: Mapping[int, float]

    def spread(self) -> Spread | None:
        """Return the median and the extremes; None where nothing was measured."""
        return spread(self.rounds.values())

    def over(self, other: "Series", times: float = 1) -> Spread | None:
        """Return the ratio to another series, each round's by itself, `times` a factor."""
        common = [turn for turn in self.rounds.keys() & other.rounds.keys() if other.rounds[turn]]
        return spread(self.rounds[turn] / other.rounds[turn] * times for turn in common)


def spread(values: Iterable[float]) -> Spread | None:
    """Return the median and the extremes; None of nothing."""
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found)) if found else None


def good(cells: Cells) -> Cells:
    """Return the cells in which every answer was the right one."""
    return [cell for cell in cells if not cell["errors"] and cell["answered"]]


def series(cells: Cells, peer: str, operation: str, connections: int, name: str) -> Series:
    """Return a figure by round."""
    chosen = (peer, operation, connections)
    found = (cell for cell in good(cells) if (cell["peer"], cell["operation"], cell["connections"]) == chosen)
    return Series({cell["round"]: _figure(cell, name) for cell in found})


def _figure(cell: Mapping[str, Any], name: str) -> float:
    """Return a figure of a cell; `items_per_second` and `server_cpu_us_per_item` count tasks instead of requests.

    `all_cpu_us` is the processor time of the process and of PostgreSQL.
    """
    if name == "all_cpu_us":
        return float(cell["server_cpu_us"] + cell["database_cpu_us"])
    if name == "items_per_second":
        return float(cell["requests_per_second"] * cell["items"])
    if name == "server_cpu_us_per_item":
        return float(cell["server_cpu_us"] / cell["items"])
    return float(cell[name])


def rows(cells: Cells) -> list[tuple[str, int]]:
    """Return the operations and connections that were measured, in their order."""
    return list(dict.fromkeys((cell["operation"], cell["connections"]) for cell in cells))


def measured_peers(cells: Cells) -> list[str]:
    """Return the peers that were measured, in their order."""
    found = {cell["peer"]: None for cell in sorted(cells, key=lambda cell: int(cell["round"]))}
    return list(found)
