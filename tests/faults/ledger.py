"""What was asked for and what was acknowledged, held against what is in the database.

Pure: it takes the rows as they are, so that tests can show it rows in which something is wrong.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Row(NamedTuple):
    """A task as the database holds it."""

    owner: str
    id: str
    title: str
    description: str
    version: int
    is_deleted: bool


class Fate(Enum):
    """What its client knows of a write."""

    UNKNOWN = "sent, and the answer was lost"
    ACKNOWLEDGED = "answered with success"


@dataclass
class Write:
    """One write: its fate, and for a change of a description, the new one."""

    fate: Fate = Fate.UNKNOWN
    text: str = ""


@dataclass
class Entry:
    """A task that was asked for once, under a title that nobody else uses, and what was asked of it afterwards."""

    owner: str
    creation: Write = field(default_factory=Write)
    id: str = ""  # as the answer told it
    changes: list[Write] = field(default_factory=list)
    deletion: Write | None = None

    @property
    def writes(self) -> list[Write]:
        return [self.creation, *self.changes, *([self.deletion] if self.deletion else [])]


@dataclass
class Ledger:
    """All that the writers of one run have asked for."""

    tasks: dict[str, Entry] = field(default_factory=dict)  # by title
    batches: list[list[str]] = field(default_factory=list)  # the titles that one batch creates
    refusals: list[str] = field(default_factory=list)  # answers that no fault excuses

    acknowledged: int = 0

    def acknowledge(self, write: Write) -> None:
        """Note that a write was answered with success."""
        write.fate = Fate.ACKNOWLEDGED
        self.acknowledged += 1

    @property
    def unknown(self) -> int:
        """Count the writes whose clients were left without an answer, or with 503."""
        writes = [write for entry in self.tasks.values() for write in entry.writes]
        return sum(write.fate is Fate.UNKNOWN for write in writes)

    def audit(self, rows: Iterable[Row]) -> list[str]:
        """Return what is wrong with these rows, a sentence each."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row.title].append(row)
        wrong = [f"{title!r} is in the database, and nobody asked for it" for title in found.keys() - self.tasks.keys()]
        for title, entry in self.tasks.items():
            wrong += [f"{title!r} {problem}" for problem in _problems(entry, found[title])]
        for titles in self.batches:
            present = sum(bool(found[title]) for title in titles)
            if present not in (0, len(titles)):
                wrong.append(f"a batch is half done: {present} of {len(titles)} tasks from {titles[0]!r} on")
        return [*self.refusals, *wrong]


def _problems(entry: Entry, rows: list[Row]) -> Iterable[str]:
    if not rows:
        if entry.creation.fate is Fate.ACKNOWLEDGED:
            yield "was acknowledged, and is lost"
        return
    if len(rows) > 1:
        yield f"was asked for once, and is there {len(rows)} times"
    row = rows[0]
    if row.owner != entry.owner:
        yield "belongs to somebody else"
    if entry.id and entry.id != row.id:
        yield "has another id than was answered"
    if row.description not in _possible(entry.changes):
        yield f"was changed to something that was overwritten or never asked for: {row.description!r}"
    if entry.deletion and entry.deletion.fate is Fate.ACKNOWLEDGED and not row.is_deleted:
        yield "was deleted, which was acknowledged and is lost"
    if row.is_deleted and not entry.deletion:
        yield "is deleted, and nobody asked for that"
    # Each write that is carried out adds one: fewer than acknowledged is a loss, more than asked for a repetition.
    done, asked = row.version - 1, entry.writes[1:]
    if not sum(write.fate is Fate.ACKNOWLEDGED for write in asked) <= done <= len(asked):
        yield f"was changed {done} times, which is not what was acknowledged of {len(asked)} changes"


def _possible(changes: list[Write]) -> set[str]:
    """Return what a description may be: the last acknowledged one, or one sent later whose answer was lost."""
    possible = {""}
    for change in changes:
        possible = {change.text} if change.fate is Fate.ACKNOWLEDGED else {*possible, change.text}
    return possible
