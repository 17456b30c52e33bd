"""What the items of a file are found again by: the file's own id or an external id, else what they say."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from tasks.formats.items import Item, Notice
from tasks.models import EXTERNAL_ID_MAX_LENGTH


@dataclass(frozen=True, slots=True)
class Named:
    """An item with its external id."""

    item: Item
    external_id: str


@dataclass(slots=True)
class Names:
    """The items of a file, each with a name of its own."""

    named: list[Named] = field(default_factory=list)
    changed: list[Notice] = field(default_factory=list)

    def external_ids(self) -> list[str]:
        return [each.external_id for each in self.named]

    def ids(self) -> list[str]:
        """Return what may be ids of the account's own tasks: the items', and those that they say they belong under."""
        said = {value for each in self.named for value in (each.item.uuid, each.item.parent) if value}
        return sorted(value for value in said if _is_id(value))


def names(items: Sequence[Item], source: str, into: str | None) -> Names:
    """Give each item its external id; `source` is what their ids are called by, `into` the list for what has none."""
    found = Names()
    equals: Counter[tuple[str, ...]] = Counter()
    for item in _with_own_ids(items, found.changed):
        if item.external_id or item.uuid:
            name = item.external_id or f"{source}:{item.uuid}"
        else:
            says = (item.title, str(item.created_on or item.created_at or ""))
            says += (into,) if into is not None and item.list_name is None else ()
            equals[says] += 1
            name = f"{source}:{_digest(*says, str(equals[says]))}"
        if len(name) > EXTERNAL_ID_MAX_LENGTH:
            name = f"{source}:{_digest(name)}"
        found.named.append(Named(item, name))
    return found


def _with_own_ids(items: Sequence[Item], changed: list[Notice]) -> Iterator[Item]:
    """Yield items, each id once: a line that was copied by hand is another task."""
    seen: set[tuple[str, str]] = set()
    for item in items:
        ids = {(name, str(value)) for name in ("uuid", "external_id") if (value := getattr(item, name))}
        if ids & seen:
            detail = "The id stands twice: taken for a new task."
            changed.append(Notice(item.line, item.title, "uuid", "copied", detail))
            yield replace(item, uuid=None, external_id=None)
            continue
        seen |= ids
        yield item


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _is_id(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False
