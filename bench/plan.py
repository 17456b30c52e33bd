"""What to measure, and with how much of everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.dataset import Sizes
from bench.operations import Operation
from bench.peers import Peer


@dataclass(frozen=True)
class Plan:
    """The options of a run. Each part takes what it needs."""

    peers: Sequence[Peer]
    operations: Sequence[Operation]
    connections: Sequence[int]
    rounds: int
    seconds: int
    workers: int
    sizes: Sizes
    scale: Sequence[Sizes]  # the small and the large table
    logs: Path

    def in_turn(self, turn: int) -> Sequence[Peer]:
        """Return the peers in the order of a round: each begins with another one."""
        first = turn % len(self.peers)
        return (*self.peers[first:], *self.peers[:first])
