"""The copy as a program uses it."""

import uuid
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from todo_client.copy.edits import Edit, Edits, Kind, applied
from todo_client.copy.rounds import Rounds, SyncReport
from todo_client.copy.store import Store
from todo_client.errors import TodoError
from todo_client.models import Document, Task, TaskList
from todo_client.operations import Operation, id_of, version_of
from todo_client.operations.lists import ListChange
from todo_client.operations.tasks import Place, TaskChange, TaskFields


class NotInCopy(TodoError):
    """The copy has no such task or list."""


class LocalCopy:
    """An account's tasks and lists in a SQLite file, which only its owner may read.

    Reading needs no server. Edits are seen at once and sent by `client.sync(copy)`. One file is for one account, and an
    object for one thread; several processes may have the file open.
    """

    def __init__(self, path: str | Path) -> None:
        self._store = Store(path)
        self._edits = Edits(self._store)

    # Reading: what the server has told, with the edits that wait.

    def tasks(self) -> Sequence[Task]:
        """Return all tasks, completed ones too, in their order: by list, parent and position."""
        found = [Task.read(document) for document in self._documents("task")]
        return sorted(found, key=lambda task: (task.list_id or "", task.parent_id or "", task.position, task.id))

    def lists(self) -> Sequence[TaskList]:
        """Return all lists, in their order."""
        found = [TaskList.read(document) for document in self._documents("list")]
        return sorted(found, key=lambda tasks: (tasks.position, tasks.id))

    def task(self, task_id: str) -> Task:
        """Return a task. Raises NotInCopy."""
        return Task.read(self._document("task", task_id))

    def list(self, list_id: str) -> TaskList:
        """Return a list. Raises NotInCopy."""
        return TaskList.read(self._document("list", list_id))

    # Editing.

    def create(self, title: str, **fields: Unpack[TaskFields]) -> Task:
        """Make a task."""
        task_id = str(uuid.uuid4())
        self._edits.add("task", task_id, "create", {"title": title, **fields})
        return self.task(task_id)

    def update(self, task: Task | str, **changes: Unpack[TaskChange]) -> Task:
        """Change a task. Should it be changed elsewhere before this is sent, that is a conflict."""
        return self._edit_task(task, "update", changes)

    def move(self, task: Task | str, **place: Unpack[Place]) -> Task:
        """Put a task somewhere else. Its place among others there is seen after the next sync: the server makes it."""
        return self._edit_task(task, "move", place)

    def complete(self, task: Task | str) -> Task:
        """Complete a task; of a series, the present occurrence."""
        occurrence = self.task(id_of(task)).occurrence
        return self._edit_task(task, "complete", {"occurrence": occurrence} if occurrence else {})

    def reopen(self, task: Task | str) -> Task:
        """Reopen a task."""
        return self._edit_task(task, "reopen", {})

    def delete(self, task: Task | str) -> None:
        """Put a task into the trash."""
        self._edits.add("task", self.task(id_of(task)).id, "delete", {}, version_of(task))

    def create_list(self, name: str, *, color: str | None = None) -> TaskList:
        """Make a list."""
        list_id = str(uuid.uuid4())
        self._edits.add("list", list_id, "create", {"name": name, "color": color})
        return self.list(list_id)

    def update_list(self, tasks: TaskList | str, **changes: Unpack[ListChange]) -> TaskList:
        """Change a list."""
        self._edits.add("list", self.list(id_of(tasks)).id, "update", changes, version_of(tasks))
        return self.list(id_of(tasks))

    def delete_list(self, tasks: TaskList | str, *, with_tasks: Literal["move", "delete"] | None = None) -> None:
        """Delete a list; one that holds tasks needs `with_tasks`."""
        data = {"tasks": with_tasks} if with_tasks else {}
        self._edits.add("list", self.list(id_of(tasks)).id, "delete", data, version_of(tasks))

    # What waits, and what the server did not take.

    def pending(self) -> Sequence[Edit]:
        """Return the edits that wait to be sent, oldest first."""
        return self._edits.all("pending")

    def held(self) -> Sequence[Edit]:
        """Return the edits that the server did not take, each with its `reason`."""
        return self._edits.all("conflict", "refused")

    def send_again(self, edit: Edit, **changes: Any) -> None:
        """Have a held edit sent with the next sync, on what there is now; `changes` are to what it says."""
        self._edits.send_again(edit, changes)

    def discard(self, edit: Edit) -> None:
        """Drop a held edit for good."""
        self._edits.discard(edit)

    def rounds(self) -> Generator[Operation[Any], Any, SyncReport]:
        """Ask for the operations of a sync; what a client's `sync` carries out."""
        return Rounds(self._store, self._edits).run()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _edit_task(self, task: Task | str, op: str, data: Mapping[str, Any]) -> Task:
        self._edits.add("task", self.task(id_of(task)).id, op, data, version_of(task))
        return self.task(id_of(task))

    def _documents(self, kind: Kind) -> Sequence[Document]:
        there: dict[str, Document | None] = dict(self._store.documents(kind))
        for edit in self._edits.all("pending"):
            if edit.kind == kind:
                there[edit.id] = applied(there.get(edit.id), edit)
        return [document for document in there.values() if document is not None]

    def _document(self, kind: Kind, id: str) -> Document:
        document = self._store.document(kind, id)
        for edit in self._edits.of_thing(kind, id):
            if edit.state == "pending":
                document = applied(document, edit)
        if document is None:
            raise NotInCopy(f"The copy has no {kind} {id}.")
        return document
