"""The tools that write: each is one transaction, and tells the number by which it is undone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from doors.mcp import documents, places
from doors.mcp.input import read
from tasks import queries
from tasks.moves import TaskMove
from tasks.queries import Advance, TaskRow
from tasks.queries import undo as undoing
from tasks.recurrence_schemas import Completion
from tasks.schemas import TaskCreate, TaskPatch
from todoproject.http.responses import Changes
from todoproject.observability import logs

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

Given = Mapping[str, Any]
Told = dict[str, Any]


async def add(request: "AuthenticatedRequest", given: Given) -> Told:
    """Create a task."""
    members = await _members(request, {name: value for name, value in given.items() if value is not None})
    task_id, row = await queries.create(request.work, request.auth, read(TaskCreate, members))
    logs.note(task_id=task_id)
    return _of_task(request, row)


async def change(request: "AuthenticatedRequest", given: Given) -> Told:
    """Change what is named of a task."""
    task_id = _task_id(given)
    members = await _members(request, {name: value for name, value in given.items() if name != "task_id"})
    row = await queries.patch(request.work, request.auth, task_id, read(TaskPatch, members))
    return _of_task(request, row)


async def complete(request: "AuthenticatedRequest", given: Given) -> Told:
    """Complete a task, or the present occurrence of its series."""
    asked = {name: value for name, value in given.items() if name == "occurrence" and value is not None}
    what = read(Completion, asked)
    advance = Advance(_task_id(given), "complete", what.occurrence, None, None, is_conditional=False)
    return _of_task(request, await queries.advance(request.work, request.auth, advance))


async def move(request: "AuthenticatedRequest", given: Given) -> Told:
    """Put a task somewhere else."""
    task_id = _task_id(given)
    place = {name: value for name, value in given.items() if name != "task_id" and (name, value) not in _NOWHERE}
    members = await _members(request, place)
    row = await queries.move(request.work, request.auth, task_id, read(TaskMove, members))
    return _of_task(request, row)


# What clients send for what they leave out; a parent that is null means the top level.
_NOWHERE = tuple((name, None) for name in ("list", "before", "after", "first"))


async def undo(request: "AuthenticatedRequest", given: Given) -> Told:
    """Undo what one call of a tool, or any other request, has changed."""
    body, changes = await undoing.undo(request.work, request.auth, given["change_no"])
    items = orjson.loads(body)["items"]
    tasks = [documents.task(item["task"]) for item in items if item.get("task") is not None]
    deleted = [item["id"] for item in items if item["deleted"]]
    return {"tasks": tasks, "deleted": deleted, **_numbers(request, changes)}


async def _members(request: "AuthenticatedRequest", given: Given) -> Told:
    """Return members as our API calls them."""
    members = {**given}
    if "list" in members:
        members["list_id"] = await places.list_id(request, members.pop("list") or places.INBOX)
    if "repeats" in members:
        rule = members.pop("repeats")
        members["recurrence"] = None if rule is None else {"rule": rule}
    return members


def _task_id(given: Given) -> UUID:
    task_id = UUID(given["task_id"])
    logs.note(task_id=task_id)
    return task_id


def _of_task(request: "AuthenticatedRequest", row: TaskRow) -> Told:
    document = orjson.loads(row.json)
    told: Told = {"task": documents.task(document)}
    if document.get("completed") is not None:  # the copy that a series leaves behind
        told["completed"] = documents.task(document["completed"])
    return told | _numbers(request, row)


def _numbers(request: "AuthenticatedRequest", changes: Changes) -> Told:
    """Tell how much was changed, and by which number that is undone; a dry run has none."""
    if request.is_dry_run:
        return {"dry_run": True, "would_affect": changes.affected}
    return {"affected": changes.affected, "change_no": None if changes.change_no is None else int(changes.change_no)}
