"""The tools: what each is called, what it says of itself, what it takes, and what it does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from accounts.models import Scope
from doors.mcp import reading, schemas, writing
from todoproject.http.field_types import Strict

Run = Callable[..., Awaitable[dict[str, Any]]]

INSTRUCTIONS = (
    "The tasks of one person. Begin with agenda: it tells the present time, what is due, and the lists. Days are the"
    " person's own; a time needs its offset. Every tool that writes returns change_no; give it to undo to take exactly"
    " that back. With dry_run such a tool tells what would happen, and does nothing."
)


@dataclass(frozen=True)
class Tool:
    """A tool; one that `writes` needs another scope, and is hidden from tokens without it."""

    name: str
    title: str
    description: str
    takes: type[Strict]
    run: Run
    writes: bool = True
    is_idempotent: bool = False
    is_destructive: bool = False

    @property
    def scope(self) -> Scope:
        """What a token must hold for it."""
        return Scope.TASKS_WRITE if self.writes else Scope.TASKS_READ

    @cached_property
    def document(self) -> dict[str, Any]:
        """The tool as the protocol describes one."""
        hints = {"readOnlyHint": not self.writes, "openWorldHint": False}
        if self.writes:
            hints |= {"destructiveHint": self.is_destructive, "idempotentHint": self.is_idempotent}
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.takes.model_json_schema(),
            "annotations": hints,
        }


_ALL = (
    Tool(
        "find_tasks",
        "Find tasks",
        "Find tasks by words, list, label, priority or due date; open ones unless is_completed says otherwise. Returns"
        " tasks, and next_cursor where there are more. Members that are empty are left out of a task.",
        schemas.Find,
        reading.find,
        writes=False,
    ),
    Tool(
        "agenda",
        "Show the agenda",
        "Tell the present time, the open tasks that are overdue, those due in the coming days, by due date, and the"
        " lists with their ids. is_whole is false where there were too many; find_tasks shows the rest.",
        schemas.Agenda,
        reading.agenda,
        writes=False,
    ),
    Tool(
        "add_task",
        "Add a task",
        "Create a task. One that repeats needs a due date, its first one. Calling it twice makes two tasks.",
        schemas.Add,
        writing.add,
    ),
    Tool(
        "change_task",
        "Change a task",
        "Change some members of a task, or open a completed one again. To complete a task use complete_task, to put it"
        " into another list move_task.",
        schemas.Change,
        writing.change,
        is_idempotent=True,
        is_destructive=True,
    ),
    Tool(
        "complete_task",
        "Complete a task",
        "Complete a task and the subtasks under it. One that repeats moves on to its next date instead: give its"
        " occurrence; `completed` is what was done.",
        schemas.Complete,
        writing.complete,
        is_idempotent=True,
    ),
    Tool(
        "move_task",
        "Move a task",
        "Put a task, with its subtasks, into a list, under another task, or before or after one.",
        schemas.Move,
        writing.move,
        is_idempotent=True,
    ),
    Tool(
        "undo",
        "Undo a change",
        "Take back all that one call has changed, by the change_no that it returned, or nothing where some of it has"
        " been changed again since. An undo can be undone by its own change_no.",
        schemas.Undo,
        writing.undo,
        is_destructive=True,
    ),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _ALL}
