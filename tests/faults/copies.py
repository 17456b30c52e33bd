"""A copy of an account's tasks and lists, kept by the rules of `/v1/changes` alone, and what is wrong with it.

All of it is pure: pages and rows are given, so that tests can show it a feed in which something is wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Thing = tuple[str, str]  # kind and id


class Change(NamedTuple):
    """That a thing was changed under a number of its owner."""

    change_no: int
    kind: str
    id: str


@dataclass
class Copy:
    """What a client has that only ever applies pages, and what it was told."""

    cursor: str | None = None
    things: dict[Thing, Any] = field(default_factory=dict)
    told: set[Change] = field(default_factory=set)
    applied: int = 0
    restarts: int = 0
    _seen: dict[Thing, int] = field(default_factory=dict)  # the last change that it was told of each
    _named: set[Thing] | None = field(default_factory=set)  # in a run from the beginning
    _last: int = 0
    _wrong: list[str] = field(default_factory=list)

    def apply(self, page: Any) -> bool:
        """Apply a page as the API answers it; return whether there is more."""
        for item in page["items"]:
            self._apply(item)
        self.cursor = page["next_cursor"]
        if not page["has_more"] and self._named is not None:
            self.things = {thing: document for thing, document in self.things.items() if thing in self._named}
            self._named = None
        return bool(page["has_more"])

    def begin_anew(self) -> None:
        """Do what 410 asks for: read from the beginning, and drop at its end what was not named."""
        self.cursor, self._named, self._last = None, set(), 0
        self.restarts += 1

    def _apply(self, item: dict[str, Any]) -> None:
        change = Change(item["change_no"], item["kind"], item["id"])
        number, thing = change.change_no, (change.kind, change.id)
        if number <= self._last:
            self._wrong.append(f"change {number} came after {self._last}: out of order")
        if number < self._seen.get(thing, 0):
            self._wrong.append(f"change {number} came though {self._seen[thing]} of the same thing was there")
        self._last, self._seen[thing] = number, number
        self.told.add(change)
        self.applied += 1
        if self._named is not None:
            self._named.add(thing)
        if item["deleted"]:
            self.things.pop(thing, None)
        else:
            self.things[thing] = item[item["kind"]]

    def audit(self, held: Mapping[Thing, Any], rows: Iterable[Change]) -> list[str]:
        """Return what is wrong at a quiet moment, when it has read all there is.

        `held` is what the API lists; `rows` tells the last change of each row of the account, those in the trash too.
        """
        missed = [
            f"change {row.change_no} of {row.kind} {row.id} was missed"
            for row in rows
            if self._seen.get((row.kind, row.id)) != row.change_no
        ]
        return [*self._wrong, *missed, *self._differences(held)]

    def _differences(self, held: Mapping[Thing, Any]) -> Iterable[str]:
        for kind, id_ in sorted(held.keys() | self.things.keys()):
            thing = (kind, id_)
            if thing not in self.things:
                yield f"{kind} {id_} is listed, and not in the copy"
            elif thing not in held:
                yield f"{kind} {id_} is in the copy, and not listed"
            elif self.things[thing] != held[thing]:
                yield f"{kind} {id_} is {self.things[thing]} in the copy, and listed as {held[thing]}"

    def audit_told(self, log: Iterable[Change]) -> list[str]:
        """Return what it was told, and the owner's log does not know: it is somebody else's, or never happened."""
        return [f"{change} was told, and is none of the owner's" for change in sorted(self.told.difference(log))]
