"""From cells to ratios: for each round one, then the median, and the smallest and largest as the spread."""

import statistics
from collections import defaultdict
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


def spread(values: Iterable[float]) -> Spread | None:
    """Return the median and the extremes; None of nothing."""
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found)) if found else None


def good(cells: Cells) -> Cells:
    """Return the cells in which every answer was the right one."""
    return [cell for cell in cells if not cell["errors"] and cell["answered"]]


def figure(cells: Cells, peer: str, operation: str, connections: int, name: str) -> Spread | None:
    """Return a figure over the rounds."""
    return spread(_by_round(cells, peer, operation, connections, name).values())


def ratio(cells: Cells, over: str, under: str, operation: str, connections: int, name: str) -> Spread | None:
    """Return the ratio of a figure, `over` to `under`, each round's by itself."""
    above = _by_round(cells, over, operation, connections, name)
    below = _by_round(cells, under, operation, connections, name)
    return spread(above[turn] / below[turn] for turn in above.keys() & below.keys() if below[turn])


def _by_round(cells: Cells, peer: str, operation: str, connections: int, name: str) -> dict[int, float]:
    chosen = (peer, operation, connections)
    return {
        cell["round"]: float(cell[name])
        for cell in good(cells)
        if (cell["peer"], cell["operation"], cell["connections"]) == chosen
    }


def rows(cells: Cells) -> list[tuple[str, int]]:
    """Return the operations and connections that were measured, in their order."""
    found: dict[tuple[str, int], None] = defaultdict()
    for cell in cells:
        found[cell["operation"], cell["connections"]] = None
    return list(found)
