"""A person's tasks in plain Python: what moving, completing, deleting and restoring does to a tree, by the contract."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

LEVELS = 5
# A task that recurs each day, six times.
COUNT = 6
DAYS = [(date(2027, 1, 4) + timedelta(number)).isoformat() for number in range(COUNT)]
RULE = {"rule": f"FREQ=DAILY;COUNT={COUNT}", "missed": "keep", "timezone": "UTC"}

Parent = str | None


@dataclass
class Row:
    """A task: what it is, and what took it along when it was completed or deleted."""

    parent: Parent = None
    is_completed: bool = False
    completed_with: str | None = None
    is_deleted: bool = False
    deleted_with: str | None = None
    occurrence: str | None = None  # of a series the present one, of a copy the one that it was
    copy_of: str | None = None


@dataclass
class Model:
    """All tasks by id, and those that are not deleted in their order under each parent."""

    rows: dict[str, Row] = field(default_factory=dict)
    order: dict[Parent, list[str]] = field(default_factory=dict)

    def live(self, task: Parent) -> Row | None:
        row = self.rows.get(task or "")
        return None if row is None or row.is_deleted else row

    def below(self, task: str) -> Iterator[str]:
        for child in self.order.get(task, ()):
            yield child
            yield from self.below(child)

    def to_be_done_again(self, task: str) -> Iterator[str]:
        """Yield what is below a series, but what is below its copies, which are what was done."""
        for child in self.order.get(task, ()):
            if self.rows[child].copy_of is None:
                yield child
                yield from self.to_be_done_again(child)

    def above(self, task: Parent) -> Iterator[str]:
        while task is not None and (task := self.rows[task].parent) is not None:
            yield task

    def depth(self, task: Parent) -> int:
        return 0 if task is None else 1 + len([*self.above(task)])

    def height(self, task: str, deleted_with: str | None = None) -> int:
        children = [
            child
            for child, row in self.rows.items()
            if row.parent == task and (not row.is_deleted or row.deleted_with == deleted_with is not None)
        ]
        return 1 + max((self.height(child, deleted_with) for child in children), default=0)

    def _last(self, task: str) -> None:
        self.order.setdefault(self.rows[task].parent, []).append(task)

    def _open(self, task: str) -> None:
        """Open what is above: it is open because of a child, so it takes nothing back any more."""
        done = [above for above in self.above(task) if self.rows[above].is_completed]
        for above in done:
            self.rows[above] = replace(self.rows[above], is_completed=False, completed_with=None)
        for row in self.rows.values():
            row.completed_with = None if row.completed_with in done else row.completed_with

    def create(self, task: str, parent: Parent) -> int:
        if parent is not None and (self.live(parent) is None or self.depth(parent) == LEVELS):
            return 422
        self.rows[task] = Row(parent)
        self._last(task)
        self._open(task)
        return 201

    def complete(self, task: str) -> int:
        if (row := self.live(task)) is None:
            return 404
        if not row.is_completed:
            for below in [each for each in self.below(task) if not self.rows[each].is_completed]:
                self.rows[below] = replace(self.rows[below], is_completed=True, completed_with=task)
            row.is_completed = True
        return 200

    def reopen(self, task: str) -> int:
        if (row := self.live(task)) is None:
            return 404
        if row.is_completed:
            opened = [task, *(each for each in self.below(task) if self.rows[each].completed_with == task)]
            for each in opened:
                self.rows[each] = replace(self.rows[each], is_completed=False, completed_with=None)
            for each in opened:
                self._open(each)
        return 200

    def delete(self, task: str) -> int:
        if (row := self.live(task)) is None:
            return 404
        for below in [*self.below(task)]:
            self.rows[below] = replace(self.rows[below], is_deleted=True, deleted_with=task)
            self.order[self.rows[below].parent].remove(below)
        row.is_deleted = True
        self.order[row.parent].remove(task)
        return 204

    def restore(self, task: str) -> int:
        """Bring back what the deletion took; where each stands is the server's to say."""
        if (row := self.rows.get(task)) is None:
            return 404
        if not row.is_deleted:
            return 200
        back = {task} | {each for each, other in self.rows.items() if other.is_deleted and other.deleted_with == task}
        if any(self.copy(self.rows[each].copy_of, self.rows[each].occurrence) for each in back):
            return 409
        parent = self.live(row.parent)
        fits = self.depth(row.parent) + self.height(task, task) <= LEVELS if parent else False
        if parent is None or parent.is_completed or not fits:
            row.parent = None
        for each in back - {task}:
            self.rows[each].parent = self.rows[each].parent if self.rows[each].parent in back else None
        for each in back:
            self.rows[each] = replace(self.rows[each], is_deleted=False, deleted_with=None)
        return 200

    def move(self, task: str, to: dict[str, Any]) -> int:
        if (row := self.live(task)) is None:
            return 404
        neighbour = to.get("before") or to.get("after")
        if neighbour is not None and self.live(neighbour) is None:
            return 409
        parent = to["parent_id"] if neighbour is None else self.rows[neighbour].parent
        if parent is not None and self.live(parent) is None:
            return 422
        if parent is not None and (parent == task or task in self.above(parent)):
            return 422
        if parent not in (None, row.parent) and self.depth(parent) + self.height(task) > LEVELS:
            return 422
        self.order[row.parent].remove(task)
        has_moved, row.parent = parent != row.parent, parent
        siblings = self.order.setdefault(parent, [])
        place = len(siblings) if neighbour is None else siblings.index(neighbour) + ("after" in to)
        siblings.insert(0 if "first" in to else place, task)
        if has_moved and not row.is_completed:
            self._open(task)
        return 200

    def copy(self, series: str | None, occurrence: str | None) -> bool:
        return series is not None and any(
            (row.copy_of, row.occurrence, row.is_deleted) == (series, occurrence, False) for row in self.rows.values()
        )

    def advance(self, task: str, verb: str, occurrence: str, copy: str | None) -> int:
        if (row := self.live(task)) is None:
            return 404
        assert row.occurrence is not None
        if occurrence != row.occurrence:
            is_done = self.copy(task, occurrence) == (verb == "complete")
            return 200 if occurrence < row.occurrence and is_done else 409
        if row.is_completed:
            return 200
        if occurrence == DAYS[-1]:
            return self.complete(task)
        for below in self.to_be_done_again(task):
            if self.rows[below].is_completed:
                self.rows[below] = replace(self.rows[below], is_completed=False, completed_with=None)
        if verb == "complete" and not self.copy(task, occurrence):
            new = copy or "none"  # where it is tried whether this could have happened, and it has not
            self.rows[new] = Row(row.parent, is_completed=True, occurrence=occurrence, copy_of=task)
            self._last(new)
        row.occurrence = DAYS[DAYS.index(occurrence) + 1]
        return 200

    def shown(self) -> tuple[dict[str, Row], dict[Parent, list[str]]]:
        return self.rows, {parent: tasks for parent, tasks in self.order.items() if tasks}
