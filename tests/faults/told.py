"""What one listener of a live stream was told, and what is wrong with that.

All of it is pure: blocks are given, so that tests can show it a stream in which something is wrong.
"""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# The end of a line of data: of an item its number and id, and of its task, which is written behind, id and title.
_ITEM = re.compile(rb'"change_no":(\d+),"id":"([0-9a-f-]{36})".*?"id":"([0-9a-f-]{36})".*?"title":"(\S+) (\d+)"')
_MOST_WRONG = 5


class Written(NamedTuple):
    """A task that was made under a number of its owner; its title is the owner's id and this ordinal."""

    change_no: int
    ordinal: int


@dataclass
class Told:
    """What the listener was told, which is to be of one owner alone."""

    owner: str
    cursor: bytes = b""
    _numbers: "array[int]" = field(default_factory=lambda: array("q"))
    _ordinals: "array[int]" = field(default_factory=lambda: array("q"))
    _wrong: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self, block: bytes) -> None:
        """Take in a block as it came."""
        for line in block.splitlines():
            if line.startswith(b"id: "):
                self.cursor = line[4:]
            elif line.startswith(b"data: "):
                self._take_item(line)

    def _take_item(self, line: bytes) -> None:
        found = _ITEM.search(line)
        if found is None:
            self._wrong.append(f"no task of anybody's: {line[:200]!r}")
            return
        number, identity, of_task, owner, ordinal = found.groups()
        if identity != of_task or owner.decode() != self.owner:
            self._wrong.append(f"change {int(number)} is of {owner.decode()}, and was told to {self.owner}")
        if self._numbers and int(number) <= self._numbers[-1]:
            self._wrong.append(f"change {int(number)} came after {self._numbers[-1]}")
        self._numbers.append(int(number))
        self._ordinals.append(int(ordinal))

    @property
    def strangers(self) -> int:
        """How many of what came were somebody else's."""
        return sum("was told to" in sentence for sentence in self._wrong)

    def audit(self, written: Iterable[Written]) -> list[str]:
        """Return what is wrong, where all of `written` is to have come; a few sentences stand for many."""
        wanted, told = set(written), set(map(Written, self._numbers, self._ordinals))
        wrong = list(self._wrong)
        wrong += [f"change {it.change_no}, the task {it.ordinal}, was missed" for it in sorted(wanted - told)]
        wrong += [f"change {it.change_no}, the task {it.ordinal}, was never written" for it in sorted(told - wanted)]
        return wrong[:_MOST_WRONG]
