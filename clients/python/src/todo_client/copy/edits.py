"""Edits that wait to be sent: in order, each with what it was made on, kept until the server has taken it.

One that the server refuses stays, with the reason: nothing of it is lost until somebody says so.
"""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self

from todo_client.copy.store import Store
from todo_client.errors import ProblemError, problem
from todo_client.models import Document
from todo_client.operations import plain

Kind = Literal["task", "list"]
# These are made on what somebody has seen; the others are right whatever else has changed, and safe to repeat.
CONDITIONAL = frozenset({"update", "delete", "move"})
# What a request holds at most, by the API; and its size, well below 1 MiB.
MOST_OPERATIONS = 100
MOST_CHARACTERS = 400_000


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that the server has not taken yet: `pending`, in `conflict` (the thing was changed), or `refused`."""

    number: int
    kind: Kind
    id: str
    op: str
    data: Mapping[str, Any]
    version: int | None
    batch: str | None
    state: str
    reason: ProblemError | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """Read an edit from its row."""
        told = None if row["problem"] is None else json.loads(row["problem"])
        return cls(
            **{name: row[name] for name in ("number", "kind", "id", "op", "version", "batch", "state")},
            data=json.loads(row["data"]),
            reason=None if told is None else problem(told.get("status", 0), told),
        )

    @property
    def operation(self) -> dict[str, Any]:
        """The edit as an operation of a batch."""
        operation: dict[str, Any] = {"kind": self.kind, "op": self.op, "id": self.id}
        if self.data or self.op in {"create", "update", "move"}:
            operation["data"] = self.data
        if self.version is not None:
            operation["if_match"] = f'"{self.version}"'
        return operation


class Edits:
    """The edits of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, *states: str) -> list[Edit]:
        """Return the edits in these states, oldest first."""
        rows = self._store.rows("SELECT * FROM edits ORDER BY number")
        return [Edit.of(row) for row in rows if row["state"] in states]

    def of_thing(self, kind: str, id: str) -> list[Edit]:
        """Return the edits of one thing, oldest first."""
        rows = self._store.rows("SELECT * FROM edits WHERE kind = ? AND id = ? ORDER BY number", kind, id)
        return [Edit.of(row) for row in rows]

    def add(self, kind: Kind, id: str, op: str, data: Mapping[str, Any], seen: int | None = None) -> None:
        """Add an edit, made on the version that was `seen`, else on the one that the copy has.

        It is joined to the one before it where that has not been sent and says the same kind of thing.
        """
        with self._store.transaction():
            before = self.of_thing(kind, id)
            last = before[-1] if before else None
            if op == "delete" and before and before[0].op == "create" and all(_is_unsent(edit) for edit in before):
                self._store.execute("DELETE FROM edits WHERE kind = ? AND id = ?", kind, id)
            elif op == "update" and last is not None and last.op in {"create", "update"} and _is_unsent(last):
                self._write(last.number, merged(last.data, plain(data)))
            else:
                is_first = not before and op in CONDITIONAL
                version = (seen or self._store.version(kind, id)) if is_first else None
                self._store.execute(
                    "INSERT INTO edits (kind, id, op, data, version) VALUES (?, ?, ?, ?, ?)",
                    *(kind, id, op, json.dumps(plain(data)), version),
                )

    def _write(self, number: int, data: Mapping[str, Any]) -> None:
        self._store.execute("UPDATE edits SET data = ? WHERE number = ?", json.dumps(data), number)

    def next_batch(self, most: int = MOST_OPERATIONS) -> list[Edit]:
        """Return what is to be sent next under one idempotency key, which they have from then on.

        What was sent before without an answer goes first, as it was. Otherwise one edit of each thing: the one after it
        is made on the version that the first one makes.
        """
        with self._store.transaction():
            pending = self.all("pending")
            if sent := [edit for edit in pending if edit.batch is not None]:
                return [edit for edit in sent if edit.batch == sent[0].batch]
            batch = self._choose(pending, most)
            key = str(uuid.uuid4())
            for edit in batch:
                self._store.execute("UPDATE edits SET batch = ? WHERE number = ?", key, edit.number)
            return [replace(edit, batch=key) for edit in batch]

    def _choose(self, pending: list[Edit], most: int) -> list[Edit]:
        taken = {(edit.kind, edit.id) for edit in self.all("conflict", "refused")}
        batch: list[Edit] = []
        size = 0
        for edit in pending:
            size += len(json.dumps(edit.data))
            if len(batch) == most or (batch and size > MOST_CHARACTERS):
                break
            if (edit.kind, edit.id) not in taken:
                taken.add((edit.kind, edit.id))
                batch.append(edit)
        return batch

    def done(self, edit: Edit, version: int | None) -> None:
        """Forget an edit that was taken; the next one of the same thing is made on the version that it has made."""
        self.forget(edit)
        rest = [later for later in self.of_thing(edit.kind, edit.id) if later.state == "pending"]
        if rest and rest[0].version is None and rest[0].op in CONDITIONAL:
            self._store.execute("UPDATE edits SET version = ? WHERE number = ?", version, rest[0].number)

    def forget(self, edit: Edit) -> None:
        self._store.execute("DELETE FROM edits WHERE number = ?", edit.number)

    def hold(self, edit: Edit, state: Literal["conflict", "refused"], told: Document) -> None:
        """Keep an edit that was not taken, with what the server said, until somebody decides."""
        statement = "UPDATE edits SET state = ?, problem = ?, batch = NULL WHERE number = ?"
        self._store.execute(statement, state, json.dumps(told), edit.number)

    def release(self, edits: list[Edit]) -> None:
        """Take the key from edits that were not carried out: they will go into another batch."""
        for edit in edits:
            self._store.execute("UPDATE edits SET batch = NULL WHERE number = ?", edit.number)

    def send_again(self, edit: Edit, changes: Mapping[str, Any]) -> None:
        """Have a held edit sent on what there is now, with changes to what it says."""
        version = self._store.version(edit.kind, edit.id) if edit.op in CONDITIONAL else None
        data = merged(edit.data, plain(changes))
        with self._store.transaction():
            self._store.execute(
                "UPDATE edits SET state = 'pending', problem = NULL, version = ?, data = ? WHERE number = ?",
                *(version, json.dumps(data), edit.number),
            )

    def discard(self, edit: Edit) -> None:
        """Drop an edit for good; with one that would have made a thing, all that were to follow on it."""
        with self._store.transaction():
            if edit.op == "create":
                self._store.execute("DELETE FROM edits WHERE kind = ? AND id = ?", edit.kind, edit.id)
            else:
                self.done(edit, self._store.version(edit.kind, edit.id))


def _is_unsent(edit: Edit) -> bool:
    return edit.state == "pending" and edit.batch is None


def merged(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with changes, as the API merges them: `recurrence` member by member, all else whole."""
    result = {**data, **changes}
    before, after = data.get("recurrence"), changes.get("recurrence")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        result["recurrence"] = {**before, **after}
    return result


def applied(document: Document | None, edit: Edit) -> Document | None:
    """Return a thing as it will be with an edit that waits, as far as that can be told here; None: deleted."""
    now = datetime.now(UTC).isoformat()
    if edit.op == "create":
        return {**_EMPTY[edit.kind], "id": edit.id, "created_at": now, "updated_at": now, **edit.data}
    if document is None or edit.op == "delete":
        return None
    if edit.op in {"complete", "reopen"}:
        # The next occurrence of a series is the server's to compute: until then the present one stands.
        is_completed = edit.op == "complete" and not document.get("recurrence")
        return {**document, "is_completed": is_completed, "completed_at": now if is_completed else None}
    places = {name: edit.data[name] for name in ("list_id", "parent_id") if name in edit.data}
    return {**document, **places} if edit.op == "move" else merged(document, edit.data)


# What was never acknowledged has version 0, and stands last.
_LAST = "\x7f"
_NULL = ("completed_at", "due_on", "due_at", "starts_on", "list_id", "parent_id", "external_id", "deleted_at")
_EMPTY: dict[Kind, Document] = {
    "task": dict.fromkeys((*_NULL, "recurrence", "occurrence", "recurrence_of"))
    | {"description": "", "is_completed": False, "priority": "none", "labels": [], "reminders": []}
    | {"position": _LAST, "version": 0},
    "list": dict.fromkeys(("color", "archived_at", "deleted_at"))
    | {"position": _LAST, "is_archived": False, "version": 0},
}
