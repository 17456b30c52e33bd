"""A goal: a figure or a ratio, its bound, and what was measured."""

from dataclasses import dataclass

from bench.ratios import Spread


@dataclass(frozen=True)
class Goal:
    """A goal: what is compared, its bound, whether that is the least or the most, and what was measured."""

    name: str
    bound: float
    at_least: bool
    measured: Spread | None

    @property
    def is_met(self) -> bool | None:
        """Tell whether the median is on the right side of the bound; None where nothing was measured."""
        if self.measured is None:
            return None
        return self.measured.median >= self.bound if self.at_least else self.measured.median <= self.bound
