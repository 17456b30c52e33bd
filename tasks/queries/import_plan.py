"""What an import is going to do: each item compared with what the account has, before anything is written.

An item is found again by its file's own id or its external id, else by what it says and its place among its equals:
that becomes its external id. So the same file a second time changes nothing, and an interrupted import goes on where it
stopped. An item with an id of its file says a task whole, and clears what it leaves out; one without says only what
stands there, and reopens nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from tasks.formats.items import Item, Notice
from tasks.models import FIRST_INSTANT, LAST_INSTANT
from tasks.recurrence import written

_PLACES = ("list_id", "parent_id")
_NOON = time(12)  # of a day that something was made or completed on: the same day in most zones
_UNSAID: tuple[object, ...] = (None, "", [], "none")


@dataclass(frozen=True, slots=True)
class Account:
    """What is there already: tasks as the API shows them, the deleted ones too, and the lists by name."""

    tasks: Sequence[Mapping[str, Any]]
    lists: Mapping[str, str]
    zone: ZoneInfo
    today: date


@dataclass(slots=True)
class Step:
    """What becomes of an item: its operations, as a batch has them. None: it is as it should be."""

    item: Item
    task_id: str
    outcome: str = "unchanged"
    writes: list[dict[str, Any]] = field(default_factory=list)
    completes: list[dict[str, Any]] = field(default_factory=list)  # after all writes, what is deepest first


@dataclass(slots=True)
class ImportPlan:
    """An import that has not been carried out; `lists` are those to be made, name to id."""

    steps: list[Step] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)
    changed: list[Notice] = field(default_factory=list)
    left_out: list[Notice] = field(default_factory=list)


def plan(items: Sequence[Item], account: Account, *, source: str, into: str | None = None) -> ImportPlan:
    """Compare items with the account; `into` is the list for what names none, `source` what their ids are called by."""
    return _Planner(account, source, into).plan(items)


class _Planner:
    def __init__(self, account: Account, source: str, into: str | None) -> None:
        self._account, self._source, self._into = account, source, into
        self._by_id = {task["id"]: task for task in account.tasks}
        self._by_external_id = {task["external_id"]: task for task in account.tasks if task["external_id"]}
        self._plan = ImportPlan()
        self._ids: dict[str, str] = {}  # from the file's to the account's
        self._items: dict[str, Item] = {}  # by the file's id

    def plan(self, items: Sequence[Item]) -> ImportPlan:
        items = [*self._with_own_ids(items)]
        self._items = {item.uuid: item for item in items if item.uuid}
        found = [(item, *self._found(item, name)) for item, name in zip(items, self._names(items), strict=True)]
        self._ids = {item.uuid: str(there["id"] if there else new) for item, there, new, _ in found if item.uuid}
        depth = {id(item): self._depth(item) for item, *_ in found}
        for item, there, new, name in sorted(found, key=lambda each: depth[id(each[0])]):  # parents first
            if there is not None and there["deleted_at"] is not None:
                self._tell(self._plan.left_out, item, "", "task-deleted", "The task is in the trash. Restore it first.")
            elif there is not None:
                self._plan.steps.append(self._change(item, there))
            else:
                self._plan.steps.append(self._creation(item, new, name))
        return self._plan

    def _with_own_ids(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield items, each id once: a line that was copied by hand is another task."""
        seen: set[tuple[str, str]] = set()
        for item in items:
            ids = {(name, str(value)) for name in ("uuid", "external_id") if (value := getattr(item, name))}
            if ids & seen:
                self._tell(self._plan.changed, item, "uuid", "copied", "The id stands twice: taken for a new task.")
                yield replace(item, uuid=None, external_id=None)
                continue
            seen |= ids
            yield item

    def _names(self, items: Sequence[Item]) -> Iterator[str]:
        """Yield the external id of each item."""
        equals: Counter[tuple[str, str]] = Counter()
        for item in items:
            if item.external_id or item.uuid:
                yield item.external_id or f"{self._source}:{item.uuid}"
                continue
            says = (item.title, str(item.created_on or ""))
            equals[says] += 1
            digest = hashlib.sha256("\0".join((*says, str(equals[says]))).encode()).hexdigest()
            yield f"{self._source}:{digest[:32]}"

    def _found(self, item: Item, name: str) -> tuple[Mapping[str, Any] | None, str, str]:
        there = self._by_id.get(item.uuid or "") or self._by_external_id.get(name)
        return there, str(uuid7()), name

    def _depth(self, item: Item) -> int:
        """Return how many of the file's items are above this one."""
        seen: set[str] = set()
        while item.parent in self._items and item.parent not in seen:
            seen.add(str(item.parent))
            item = self._items[str(item.parent)]
        return len(seen)

    def _parent(self, item: Item) -> str | None:
        """Return the id of the task that it goes under."""
        if item.parent is None:
            return None
        if self._is_in_circle(item):
            self._tell(self._plan.changed, item, "parent_id", "circle", "It belongs under itself: put at the top.")
            return None
        there = self._by_id.get(item.parent)
        if item.parent in self._ids or (there is not None and there["deleted_at"] is None):
            return self._ids.get(item.parent, item.parent)
        self._tell(self._plan.changed, item, "parent_id", "no-parent", "There is no such parent: put at the top.")
        return None

    def _is_in_circle(self, item: Item) -> bool:
        above, seen = item, set[str]()
        while above.parent in self._items and above.parent not in seen:
            seen.add(str(above.parent))
            above = self._items[str(above.parent)]
        return item.uuid in seen

    def _list(self, item: Item) -> str | None:
        """Return the id of its list, which is going to be made where there is none of that name."""
        name = item.list_name if item.list_name is not None else self._into
        if name is None:
            return None
        if name not in self._account.lists and name not in self._plan.lists:
            self._plan.lists[name] = str(uuid7())
        return self._account.lists.get(name) or self._plan.lists[name]

    def _members(self, item: Item) -> dict[str, Any]:
        """Return what the item says, as the API takes it. A child is where its parent is."""
        parent, due_at = self._parent(item), None
        if item.due_on is not None and item.due_time is not None:
            due_at = written(datetime.combine(item.due_on, item.due_time))
        place = {"parent_id": parent} if parent else {"list_id": self._list(item), "parent_id": None}
        return {
            **place,
            "title": item.title,
            "description": item.description,
            "priority": item.priority,
            "labels": [*item.labels],
            "starts_on": None if item.starts_on is None else item.starts_on.isoformat(),
            "due_on": None if item.due_on is None or due_at else item.due_on.isoformat(),
            "due_at": due_at,
            "recurrence": None if item.recurrence is None else dict(item.recurrence),
            "reminders": [dict(each) for each in item.reminders],
            # Left out it stays: it may have been made of this very line.
            **({} if item.external_id is None else {"external_id": item.external_id}),
        }

    def _creation(self, item: Item, task_id: str, name: str) -> Step:
        members = {key: value for key, value in self._members(item).items() if value not in _UNSAID}
        recurrence = members.pop("recurrence", None) if item.is_completed else None  # else it would move on
        step = Step(item, task_id, "created")
        due = {key: members[key] for key in ("due_on", "due_at") if key in members}
        is_postponed = item.occurrence is not None and not item.is_completed
        if is_postponed:  # it begins there, and is put off then
            members |= dict.fromkeys(due, item.occurrence)
        creation = {"op": "create", "id": task_id, "data": {**members, "external_id": name}}
        step.writes.append(creation | self._made_then(item))
        if is_postponed:
            step.writes.append({"op": "update", "id": task_id, "data": due})
        if item.is_completed:
            step.completes.append(self._completion(item, task_id))
        if recurrence is not None:
            step.completes.append({"op": "update", "id": task_id, "data": {"recurrence": recurrence}})
        return step

    def _made_then(self, item: Item) -> dict[str, datetime]:
        """Return when the file says that a task was made."""
        if item.created_on is None:
            return {}
        if item.created_on > self._account.today:
            detail = "It was made on a day to come, so it is as old as its import."
            self._tell(self._plan.changed, item, "created_at", "not-kept", detail)
        return {"created_at": self._noon(item.created_on)}

    def _change(self, item: Item, there: Mapping[str, Any]) -> Step:
        step = Step(item, there["id"])
        if item.is_completed and there["recurrence"] is not None and not there["is_completed"]:
            self._complete_series(step, there)
        else:
            members = self._members(item)
            if item.uuid is None:
                members = {key: value for key, value in members.items() if value not in _UNSAID}
            if patch := {key: value for key, value in members.items() if _differs(there[key], value)}:
                step.writes.append({"op": "update", "id": there["id"], "data": patch})
            if item.is_completed and not there["is_completed"]:
                step.completes.append(self._completion(item, there["id"]))
            if item.uuid and there["is_completed"] and not item.is_completed:
                step.writes.append({"op": "reopen", "id": there["id"]})
        step.outcome = "updated" if step.writes or step.completes else "unchanged"
        if item.created_on is not None and item.created_on != self._day(there["created_at"]):
            self._tell(self._plan.changed, item, "created_at", "not-kept", "When a task was made never changes.")
        return step

    def _day(self, instant: str) -> date:
        return datetime.fromisoformat(instant).astimezone(self._account.zone).date()

    def _complete_series(self, step: Step, there: Mapping[str, Any]) -> None:
        """Complete the occurrence that the line is about, unless the series has gone on."""
        members = self._members(step.item)
        if any(members[name] != there[name] for name in ("due_on", "due_at")):
            detail = "The series has moved on from this occurrence, so nothing was done."
            self._tell(self._plan.changed, step.item, "is_completed", "series-moved-on", detail)
            return
        completion = self._completion(step.item, there["id"])
        completion["data"]["occurrence"] = there["occurrence"]
        step.completes.append(completion)

    def _completion(self, item: Item, task_id: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if item.completed_on is not None:
            data["completed_at"] = written(self._noon(item.completed_on))
        return {"op": "complete", "id": task_id, "data": data}

    def _noon(self, day: date) -> datetime:
        """Return the noon of a day where the owner is: at the calendar's ends, the first or last that can be stored."""
        noon = datetime.combine(day, _NOON, self._account.zone).astimezone(UTC)
        return min(max(noon, FIRST_INSTANT), LAST_INSTANT)

    def _tell(self, where: list[Notice], item: Item, member: str, code: str, detail: str) -> None:
        where.append(Notice(item.line, item.title, member, code, detail))


def _differs(there: Any, said: Any) -> bool:
    """Compare a member with what a file says; of a recurrence only what it does say."""
    if isinstance(there, dict) and isinstance(said, dict):
        return any(there.get(name) != value for name, value in said.items())
    return bool(there != said)
