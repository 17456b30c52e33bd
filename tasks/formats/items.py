"""What a file says of a task, whatever its format, and what is told of a file besides."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH

MOST_ITEMS = 50_000
MOST_BYTES = 16 * 2**20
# What a value raises that is none, or lies beyond the ends of time; a file may say anything, and nests it as it likes.
_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)


class FileRefused(ValueError):
    """The file as a whole cannot be taken; `line` is where, if it is in one place."""

    def __init__(self, code: str, detail: str, line: int | None = None) -> None:
        super().__init__(detail if line is None else f"line {line}: {detail}")
        self.code, self.detail, self.line = code, detail, line


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that could not be kept as it was: of which line, of which member, and what became of it."""

    line: int
    title: str
    member: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Item:
    """A task as a file says it.

    `due` is a day, or a day with the time of day and its offset. `recurrence` and `reminders` are as in the API, but of
    recurrence only what the file says; `occurrence` is there where its due was postponed. `uuid` and `parent` are ids
    of the file, not of the account that it goes to; `external_id` is what it is called in a third place. A file without
    ids has a `key` for each item instead, which only its own `parent`s know. An instant, where there is one, counts
    before its day. `is_due_reckoned`: its due counts from the day of reading: none of a task that has one.
    """

    title: str
    description: str = ""
    is_completed: bool = False
    completed_on: date | None = None
    created_on: date | None = None
    priority: str = "none"
    list_name: str | None = None
    labels: tuple[str, ...] = ()
    due_on: date | None = None
    due_time: time | None = None
    starts_on: date | None = None
    recurrence: Mapping[str, str] | None = None
    occurrence: str | None = None
    reminders: tuple[Mapping[str, Any], ...] = ()
    uuid: str | None = None
    parent: str | None = None
    external_id: str | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    is_due_reckoned: bool = field(default=False, compare=False)
    key: str | None = field(default=None, compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class NamedList:
    """A list as a file says it, which is made where the account has none of its name."""

    name: str
    color: str | None = None
    is_archived: bool = False


@dataclass(slots=True)
class Contents:
    """What a file says: its items, and what of it was changed or left out on reading."""

    items: list[Item] = field(default_factory=list)
    changed: list[Notice] = field(default_factory=list)
    left_out: list[Notice] = field(default_factory=list)
    lists: list[NamedList] = field(default_factory=list)

    def add(self, item: Item, told: Iterable[Notice] = ()) -> None:
        """Add an item. Raises FileRefused where it is one too many."""
        if len(self.items) == MOST_ITEMS:
            raise FileRefused("too-many", f"A file has at most {MOST_ITEMS:,} tasks.", item.line)
        self.items.append(item)
        self.changed += told

    def leave_out(self, line: int, title: str, code: str, detail: str) -> None:
        """Say that something was left out. Raises FileRefused where it is one too many: a file of nothing else."""
        if len(self.left_out) == MOST_ITEMS:
            raise FileRefused("too-many", f"More than {MOST_ITEMS:,} things would be left out.", line)
        self.left_out.append(Notice(line, title, "", code, detail))

    @contextmanager
    def unreadable_left_out(self, line: int, title: str) -> Iterator[None]:
        """Leave out what begins on this line where a value of it is beyond what can be read."""
        try:
            yield
        except FileRefused:
            raise
        except _UNREADABLE:
            self.leave_out(line, title, "unreadable", "A value of it is not what it must be.")


def of_task(task: Mapping[str, Any], list_names: Mapping[str, str], zone: ZoneInfo) -> Item:
    """Return a task, as the API shows it, as a file would say it to somebody in this zone."""
    due_on, due_time = _due(task, zone)
    return Item(
        title=task["title"],
        description=task["description"],
        is_completed=task["is_completed"],
        completed_on=_day(task["completed_at"], zone),
        created_on=_day(task["created_at"], zone),
        priority=task["priority"],
        list_name=list_names.get(task["list_id"]),
        labels=tuple(task["labels"]),
        due_on=due_on,
        due_time=due_time,
        starts_on=None if task["starts_on"] is None else date.fromisoformat(task["starts_on"]),
        recurrence=_recurrence(task["recurrence"], zone),
        occurrence=_postponed(task),
        reminders=tuple(task["reminders"]),
        uuid=task["id"],
        parent=task["parent_id"],
        external_id=task["external_id"],
        completed_at=_instant(task["completed_at"]),
        created_at=_instant(task["created_at"]),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _due(task: Mapping[str, Any], zone: ZoneInfo) -> tuple[date | None, time | None]:
    if task["due_at"] is not None:
        at = datetime.fromisoformat(task["due_at"]).astimezone(zone)
        # The offset and not the zone: whoever reads it may be in another one.
        return at.date(), datetime.fromisoformat(at.isoformat()).timetz()
    return (None if task["due_on"] is None else date.fromisoformat(task["due_on"])), None


def _day(instant: str | None, zone: ZoneInfo) -> date | None:
    return None if instant is None else datetime.fromisoformat(instant).astimezone(zone).date()


def _recurrence(given: Mapping[str, str] | None, zone: ZoneInfo) -> Mapping[str, str] | None:
    """Leave out what a reader in this zone would fill in."""
    if given is None:
        return None
    left_out = {"timezone": zone.key, "missed": "skip"}
    return {name: value for name, value in given.items() if left_out.get(name) != value}


def _postponed(task: Mapping[str, Any]) -> str | None:
    """Return which occurrence an open series is at where it is due at another time: the rhythm goes on from there."""
    due, occurrence = task["due_at"] or task["due_on"], task["occurrence"]
    return occurrence if task["recurrence"] and not task["is_completed"] and occurrence != due else None


def fitted(title: str, description: str) -> tuple[str, str, str]:
    """Return a title and description that can be stored, and what had to be done: "", `too-long` or `cut`.

    A title that is too long stands in the description whole.
    """
    done = ""
    if len(title) > TITLE_MAX_LENGTH:
        description = f"{title}\n\n{description}".strip()
        title, done = title[:TITLE_MAX_LENGTH].strip(), "too-long"
    if len(description) > DESCRIPTION_MAX_LENGTH:
        description, done = description[:DESCRIPTION_MAX_LENGTH], "cut"
    return title, description, done
