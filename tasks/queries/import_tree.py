"""What the items of a file belong under: other items of it, or tasks that the account has already."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.formats.items import Item

MOST_LEVELS = 5  # as the database has it
Tell = Callable[[Item, str, str], None]  # an item, a code and a sentence


class Tree:
    """The items by what the file calls them. `there` are the account's tasks, by id."""

    def __init__(self, items: Sequence[Item], there: Mapping[str, Mapping[str, Any]], tell: Tell) -> None:
        self._items = {name: item for item in items if (name := _name(item))}
        self._there, self._tell = there, tell
        self._ids: dict[str, str] = {}  # from the file's to the account's

    def call(self, item: Item, task_id: str) -> None:
        """Remember which of the account's tasks an item is, or is going to be."""
        if name := _name(item):
            self._ids[name] = task_id

    def level(self, item: Item) -> int:
        """Return how many of the file's items are above this one."""
        seen: set[str] = set()
        while item.parent in self._items and item.parent not in seen:
            seen.add(str(item.parent))
            item = self._items[str(item.parent)]
        return len(seen)

    def above(self, item: Item) -> Item | None:
        """Return the file's item that it belongs under."""
        return self._items.get(item.parent or "")

    def parent(self, item: Item) -> str | None:
        """Return the id of the task that it goes under."""
        if item.parent is None:
            return None
        if self._is_in_circle(item):
            self._tell(item, "circle", "It belongs under itself: put at the top.")
            return None
        if item.parent in self._items:
            return self._ids[self._held(item)]
        there = self._there.get(item.parent.lower())
        if there is not None and there["deleted_at"] is None:
            return str(there["id"])
        self._tell(item, "no-parent", "There is no such parent: put at the top.")
        return None

    def _held(self, item: Item) -> str:
        """Return the name of its parent, or of what is above that where it would be too deep."""
        line = [str(item.parent)]
        while (above := self._items[line[-1]]).parent in self._items and above.parent not in line:
            line.append(str(above.parent))
        if len(line) < MOST_LEVELS:
            return line[0]
        self._tell(item, "too-deep", f"Tasks are at most {MOST_LEVELS} levels deep: put under the deepest that may be.")
        return line[-(MOST_LEVELS - 1)]

    def _is_in_circle(self, item: Item) -> bool:
        above, seen = item, set[str]()
        while above.parent in self._items and above.parent not in seen:
            seen.add(str(above.parent))
            above = self._items[str(above.parent)]
        return _name(item) in seen


def _name(item: Item) -> str | None:
    return item.uuid or item.key
