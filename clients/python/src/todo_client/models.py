"""What the API answers, as dataclasses: days are `date`, instants are aware `datetime`, ids are `str`.

Each keeps the JSON object it was made from as `document`: what a newer server adds is there, and nowhere in the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar

Priority = Literal["none", "low", "medium", "high", "urgent"]
Document = Mapping[str, Any]
T = TypeVar("T")


# How a task recurs; `rule` is an RRULE (RFC 5545). In a change, only what is to change. (`from` is a word of Python's.)
Recurrence = TypedDict(
    "Recurrence",
    {"rule": str, "from": Literal["due", "completion"], "timezone": str, "missed": Literal["skip", "keep"]},
    total=False,
)


class Reminder(TypedDict, total=False):
    """When to be reminded: so many minutes before the due, or at an instant; one of the two."""

    minutes_before: int
    at: datetime | str


def day(value: str | None) -> date | None:
    """Read a day."""
    return None if value is None else date.fromisoformat(value)


def instant(value: str | None) -> datetime | None:
    """Read an instant."""
    return None if value is None else datetime.fromisoformat(value)


@dataclass(frozen=True, slots=True)
class Task:
    """A task. `occurrence` is as the server names it: a day, or an instant of a series that has times."""

    id: str
    title: str
    description: str
    is_completed: bool
    completed_at: datetime | None
    priority: Priority
    due_on: date | None
    due_at: datetime | None
    starts_on: date | None
    list_id: str | None
    parent_id: str | None
    position: str
    labels: tuple[str, ...]
    external_id: str | None
    recurrence: Document | None
    occurrence: str | None
    recurrence_of: str | None
    reminders: Sequence[Document]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int
    document: Document = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    @classmethod
    def read(cls, document: Document) -> Self:
        """Read a task from its JSON object."""
        return cls(
            **{name: document[name] for name in _TASK_AS_IT_IS},
            due_on=day(document["due_on"]),
            due_at=instant(document["due_at"]),
            starts_on=day(document["starts_on"]),
            completed_at=instant(document["completed_at"]),
            created_at=datetime.fromisoformat(document["created_at"]),
            updated_at=datetime.fromisoformat(document["updated_at"]),
            deleted_at=instant(document["deleted_at"]),
            labels=tuple(document["labels"]),
            document=document,
        )

    @property
    def completed_copy(self) -> "Task | None":
        """The copy that a series has left behind, in the answer to `complete` only."""
        copy = self.document.get("completed")
        return None if copy is None else Task.read(copy)


_TASK_AS_IT_IS = (
    *("id", "title", "description", "is_completed", "priority", "list_id", "parent_id", "position", "external_id"),
    *("recurrence", "occurrence", "recurrence_of", "reminders", "version"),
)


@dataclass(frozen=True, slots=True)
class TaskList:
    """A list of tasks."""

    id: str
    name: str
    color: str | None
    position: str
    is_archived: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int
    document: Document = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    @classmethod
    def read(cls, document: Document) -> Self:
        """Read a list from its JSON object."""
        return cls(
            **{name: document[name] for name in ("id", "name", "color", "position", "is_archived", "version")},
            created_at=datetime.fromisoformat(document["created_at"]),
            updated_at=datetime.fromisoformat(document["updated_at"]),
            deleted_at=instant(document["deleted_at"]),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Label:
    """A label, and how many open tasks have it."""

    name: str
    open_tasks: int

    @classmethod
    def read(cls, document: Document) -> Self:
        return cls(document["name"], document["open_tasks"])


@dataclass(frozen=True, slots=True)
class User:
    """An account, as its owner sees it."""

    id: str
    email: str
    timezone: str
    document: Document = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    @classmethod
    def read(cls, document: Document) -> Self:
        return cls(document["id"], document["email"], document["timezone"], document=document)


@dataclass(frozen=True, slots=True)
class Session:
    """A login: its token is shown this once."""

    token: str = field(repr=False)
    expires_at: datetime
    user: User

    @classmethod
    def read(cls, document: Document) -> Self:
        return cls(document["token"], datetime.fromisoformat(document["expires_at"]), User.read(document["user"]))


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret; `secret` is there in the answer that made it, and never again."""

    id: str
    name: str
    kind: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    secret: str | None = field(repr=False)
    document: Document = field(repr=False, compare=False)

    @classmethod
    def read(cls, document: Document) -> Self:
        return cls(
            **{name: document[name] for name in ("id", "name", "kind")},
            scopes=tuple(document["scopes"]),
            expires_at=instant(document["expires_at"]),
            secret=document.get("token"),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures about the tasks that are not deleted; `completed` has `today`, `days_7` and `days_30`."""

    open: int
    overdue: int
    due_today: int
    completed: Mapping[str, int]
    by_list: Mapping[str | None, int]
    by_priority: Mapping[Priority, int]

    @classmethod
    def read(cls, document: Document) -> Self:
        by_list = {one["list_id"]: one["open"] for one in document["by_list"]}
        same = {name: document[name] for name in ("open", "overdue", "due_today", "completed", "by_priority")}
        return cls(**same, by_list=by_list)


@dataclass(frozen=True, slots=True)
class Change:
    """A task or a list that has changed, as it is now; neither is there if it is deleted. Skip kinds you don't know."""

    kind: str
    change_no: int
    id: str
    is_deleted: bool
    task: Task | None
    list: TaskList | None
    document: Document = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    @classmethod
    def read(cls, document: Document) -> Self:
        task, tasks = document.get("task"), document.get("list")
        return cls(
            **{name: document[name] for name in ("kind", "change_no", "id")},
            is_deleted=document["deleted"],
            task=None if task is None else Task.read(task),
            list=None if tasks is None else TaskList.read(tasks),
            document=document,
        )


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A change of a task or a list: `changes` has what each member was (`from`) and what it became (`to`)."""

    change_no: int
    action: int
    at: datetime
    event: str
    kind: str
    id: str
    changes: Mapping[str, Document]
    document: Document = field(default_factory=dict, repr=False, compare=False, kw_only=True)

    @classmethod
    def read(cls, document: Document) -> Self:
        same = {name: document[name] for name in ("change_no", "action", "event", "kind", "id", "changes")}
        return cls(**same, at=datetime.fromisoformat(document["at"]), document=document)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one operation of a batch: the status and body that it would have had as a request of its own."""

    status: int
    body: Document | None
    affected: int
    change_no: int | None

    @property
    def is_done(self) -> bool:
        return self.status < 400

    @classmethod
    def read(cls, document: Document) -> Self:
        return cls(*(document[name] for name in ("status", "body", "affected", "change_no")))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some things, and the cursor to those after them: None is the end. `total` is there if it was asked for."""

    items: Sequence[T]
    next_cursor: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """What has changed. Keep `next_cursor`: ask with it for what comes after."""

    items: Sequence[Change]
    next_cursor: str
    has_more: bool
