"""What an import is going to do: each item compared with what the account has, before anything is written.

An item is found again by its file's own id or its external id, else by what it says and its place among its equals:
that becomes its external id. So the same file a second time changes nothing, and an interrupted import goes on where it
stopped. An item with an id of its file says a task whole, and clears what it leaves out; one without says only what
stands there, and reopens nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from tasks.formats.items import Item, NamedList, Notice
from tasks.models import FIRST_INSTANT, LAST_INSTANT
from tasks.queries.import_names import Named, Names
from tasks.queries.import_tree import Tree
from tasks.recurrence import written

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
    members_of_lists: dict[str, NamedList] = field(default_factory=dict)
    changed: list[Notice] = field(default_factory=list)
    left_out: list[Notice] = field(default_factory=list)


def plan(names: Names, lists: Sequence[NamedList], account: Account, *, into: str | None = None) -> ImportPlan:
    """Compare items with the account; `into` is the list for what names none, `lists` what the file says of lists."""
    return _Planner(names, account, into).plan(lists)


class _Planner:
    def __init__(self, names: Names, account: Account, into: str | None) -> None:
        self._account, self._into, self._named = account, into, names.named
        self._by_id = {task["id"]: task for task in account.tasks}
        self._by_external_id = {task["external_id"]: task for task in account.tasks if task["external_id"]}
        self._plan = ImportPlan(changed=[*names.changed])
        self._tree = Tree([each.item for each in names.named], self._by_id, self._tell_place)

    def plan(self, lists: Sequence[NamedList]) -> ImportPlan:
        for each in lists:
            self._list_named(each.name)
            self._plan.members_of_lists[each.name] = each
        found = [(each, self._found(each), str(uuid7())) for each in self._named]
        for each, there, new in found:
            self._tree.call(each.item, str(there["id"]) if there else new)
        level = {id(each): self._tree.level(each.item) for each, *_ in found}
        for each, there, new in sorted(found, key=lambda one: level[id(one[0])]):  # parents first
            if there is not None and there["deleted_at"] is not None:
                detail = "The task is in the trash. Restore it first."
                self._tell(self._plan.left_out, each.item, "", "task-deleted", detail)
            elif there is not None:
                self._plan.steps.append(self._change(each.item, there))
            else:
                self._plan.steps.append(self._creation(each.item, new, each.external_id))
        return self._plan

    def _found(self, each: Named) -> Mapping[str, Any] | None:
        return self._by_id.get((each.item.uuid or "").lower()) or self._by_external_id.get(each.external_id)

    def _tell_place(self, item: Item, code: str, detail: str) -> None:
        self._tell(self._plan.changed, item, "parent_id", code, detail)

    def _list(self, item: Item) -> str | None:
        """Return the id of its list, which is going to be made where there is none of that name."""
        name = item.list_name if item.list_name is not None else self._into
        return None if name is None else self._list_named(name)

    def _list_named(self, name: str) -> str:
        if name not in self._account.lists and name not in self._plan.lists:
            self._plan.lists[name] = str(uuid7())
        return self._account.lists.get(name) or self._plan.lists[name]

    def _members(self, item: Item) -> dict[str, Any]:
        """Return what the item says, as the API takes it. A child is where its parent is."""
        parent, due_at = self._tree.parent(item), None
        above = self._tree.above(item)
        if parent and above is not None and item.list_name not in (None, above.list_name):
            detail = "A task is in the list of the one that it belongs under."
            self._tell(self._plan.changed, item, "list_id", "parent-list", detail)
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
        made = self._instant(item.created_at, item.created_on)
        if made is None:
            return {}
        if made.astimezone(self._account.zone).date() > self._account.today:
            detail = "It was made on a day to come, so it is as old as its import."
            self._tell(self._plan.changed, item, "created_at", "not-kept", detail)
        return {"created_at": made}

    def _instant(self, at: datetime | None, day: date | None) -> datetime | None:
        """Return an instant, or the noon of a day where the owner is; at the ends of time what can be stored."""
        if at is None and day is None:
            return None
        found = at if at is not None else datetime.combine(day or date.min, _NOON, self._account.zone)
        return min(max(found.astimezone(UTC), FIRST_INSTANT), LAST_INSTANT)

    def _change(self, item: Item, there: Mapping[str, Any]) -> Step:
        step = Step(item, there["id"])
        if item.is_completed and there["recurrence"] is not None and not there["is_completed"]:
            self._complete_series(step, there)
        else:
            members = self._members(item)
            if item.is_due_reckoned and (there["due_on"] or there["due_at"]):
                members |= {name: there[name] for name in ("due_on", "due_at", "recurrence")}
            if item.uuid is None:
                members = {key: value for key, value in members.items() if value not in _UNSAID}
            if patch := {key: value for key, value in members.items() if _differs(there[key], value)}:
                step.writes.append({"op": "update", "id": there["id"], "data": patch})
            if item.is_completed and not there["is_completed"]:
                step.completes.append(self._completion(item, there["id"]))
            if item.uuid and there["is_completed"] and not item.is_completed:
                step.writes.append({"op": "reopen", "id": there["id"]})
        step.outcome = "updated" if step.writes or step.completes else "unchanged"
        made = self._instant(item.created_at, item.created_on)
        if made is not None and made.astimezone(self._account.zone).date() != self._day(there["created_at"]):
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
        at = self._instant(item.completed_at, item.completed_on)
        return {"op": "complete", "id": task_id, "data": {} if at is None else {"completed_at": written(at)}}

    def _tell(self, where: list[Notice], item: Item, member: str, code: str, detail: str) -> None:
        where.append(Notice(item.line, item.title, member, code, detail))


def _differs(there: Any, said: Any) -> bool:
    """Compare a member with what a file says; of a recurrence only what it does say."""
    if isinstance(there, dict) and isinstance(said, dict):
        return any(there.get(name) != value for name, value in said.items())
    return bool(there != said)
