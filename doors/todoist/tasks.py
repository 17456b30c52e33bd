"""Tasks through Todoist's door: theirs in, one operation of ours, theirs out."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpResponse

from accounts.queries import verify
from doors.todoist import documents, dues, filters, pages, places
from doors.todoist.operations import answer, invalid, once, page, read
from doors.todoist.schemas import (
    CompletedByDueQuery,
    CompletedQuery,
    FilterQuery,
    NewTask,
    TaskChange,
    TaskMembers,
    TaskPlace,
    TasksQuery,
)
from tasks import queries
from tasks.list_query import TaskListQuery
from tasks.moves import TaskMove
from tasks.queries import Advance, TaskRow
from tasks.queries.one import get_each
from tasks.schemas import TaskCreate, TaskPatch
from todoproject.http.responses import json_response, no_content
from todoproject.observability import logs

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

# What Todoist calls active.
_ACTIVE: Mapping[str, Any] = {"is_completed": False, "in_archived_list": False, "sort": "created_at"}
_MOST_IDS = 100
_IDS = re.compile(r'[",\[\]]+')  # the SDK for JavaScript sends them as JSON
_RESOLUTION = timedelta(microseconds=1)


def _document(request: "AuthenticatedRequest", row: TaskRow) -> HttpResponse:
    return answer(documents.task_of(row.json, str(request.auth.user_id)))


# --- One task -------------------------------------------------------------------------------------


async def add(request: "AuthenticatedRequest", *, body: NewTask) -> HttpResponse:
    """Create a task."""
    return _document(request, await create(request, body))


async def create(request: "AuthenticatedRequest", new: NewTask, due: str | None = None) -> TaskRow:
    """Store a new task. `due` is one that its members do not name."""
    members: dict[str, Any] = {"title": new.content, **_members(new)}
    if new.project_id is not None:
        members["list_id"] = places.list_id(new.project_id)
    if new.parent_id is not None:
        members["parent_id"] = str(places.identity("parent_id", new.parent_id))
    members |= await dues.members(request.work, request.auth, due or dues.asked(new))
    task_id, row = await queries.create(request.work, request.auth, read(TaskCreate, members))
    logs.note(task_id=task_id)
    return row


def _members(given: TaskMembers) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if given.description is not None:
        members["description"] = given.description
    if given.labels is not None:
        members["labels"] = given.labels
    if given.priority is not None:
        members["priority"] = documents.PRIORITY_WORDS[given.priority]
    return members


async def get(request: "AuthenticatedRequest", *, task_id: UUID) -> HttpResponse:
    """Show a task."""
    return _document(request, await queries.get(request.work, request.auth, task_id))


async def update(request: "AuthenticatedRequest", *, task_id: UUID, body: TaskChange) -> HttpResponse:
    """Change a task."""
    return _document(request, await change(request, task_id, body))


async def change(
    request: "AuthenticatedRequest", task_id: UUID, changed: TaskChange, due: str | None = None
) -> TaskRow:
    """Change what is named of a task."""
    members = _members(changed)
    if changed.content is not None:
        members["title"] = changed.content
    members |= await dues.members(request.work, request.auth, dues.asked(changed) if due is None else due)
    logs.note(task_id=task_id)
    return await queries.patch(request.work, request.auth, task_id, read(TaskPatch, members))


async def close(request: "AuthenticatedRequest", *, task_id: UUID) -> HttpResponse:
    """Complete a task, or the present occurrence of its series.

    A repeat under the same X-Request-Id, which the SDK sends, completes no second occurrence.
    """

    async def run() -> HttpResponse:
        await complete(request, task_id)
        return no_content()

    sent = request.META.get("HTTP_X_REQUEST_ID")
    if sent != request.auth.request_id:  # none, or one that is no id
        return await run()
    return await once(request, f"todoist close {sent}", f"close {task_id}".encode(), run)


async def complete(request: "AuthenticatedRequest", task_id: UUID, completed_at: datetime | None = None) -> TaskRow:
    """Complete a task, or the occurrence that its series has come to."""
    logs.note(task_id=task_id)
    advance = Advance(task_id, "complete", None, completed_at, None, is_conditional=True)
    return await queries.advance(request.work, request.auth, advance)


async def reopen(request: "AuthenticatedRequest", *, task_id: UUID) -> HttpResponse:
    """Open a task again."""
    logs.note(task_id=task_id)
    await queries.reopen(request.work, request.auth, task_id)
    return no_content()


async def delete(request: "AuthenticatedRequest", *, task_id: UUID) -> HttpResponse:
    """Put a task and what belongs under it into the trash."""
    logs.note(task_id=task_id)
    await queries.delete(request.work, request.auth, task_id)
    return no_content()


async def move(request: "AuthenticatedRequest", *, task_id: UUID, body: TaskPlace) -> HttpResponse:
    """Move a task to a project or under another task."""
    return _document(request, await put(request, task_id, body))


async def put(request: "AuthenticatedRequest", task_id: UUID, place: TaskPlace) -> TaskRow:
    """Move a task."""
    if (place.project_id is None) == (place.parent_id is None):
        raise invalid("project_id", "one_place", "Give project_id or parent_id, one of them.")
    if place.project_id is not None:
        to = {"list_id": places.list_id(place.project_id)}
    else:
        to = {"parent_id": str(places.identity("parent_id", str(place.parent_id)))}
    logs.note(task_id=task_id)
    return await queries.move(request.work, request.auth, task_id, read(TaskMove, to))


# --- Many -----------------------------------------------------------------------------------------


async def find(request: "AuthenticatedRequest", *, query: TasksQuery) -> HttpResponse:
    """List active tasks, a page at a time."""
    if query.section_id is not None:
        await verify(request.auth)
        return page([])
    if query.ids is not None:
        return await _by_ids(request, query)
    wanted = places.filtered(query.project_id, query.parent_id)
    if query.label is not None:
        wanted["label"] = [query.label]
    return await _page(request, {**_ACTIVE, **wanted, "limit": query.limit, "cursor": query.cursor})


async def _by_ids(request: "AuthenticatedRequest", query: TasksQuery) -> HttpResponse:
    if query.model_fields_set & {"project_id", "parent_id", "label", "cursor"}:
        raise invalid("ids", "alone", "ids go with no other filter.")
    ids = [places.identity("ids", text) for text in _IDS.split(str(query.ids)) if text]
    if len(ids) > _MOST_IDS:
        raise invalid("ids", "too_long", f"Give at most {_MOST_IDS} ids.")
    if not ids:
        await verify(request.auth)
    rows = await get_each(request.work, request.auth, ids) if ids else []
    found = [documents.task_of(row.json, str(request.auth.user_id)) for row in rows]
    return page([task for task in found if not task["checked"]])


async def _page(request: "AuthenticatedRequest", wanted: Mapping[str, Any], member: str = "results") -> HttpResponse:
    query = read(TaskListQuery, wanted, source="query")
    return json_response(await pages.page(request.auth, query, member))


async def by_filter(request: "AuthenticatedRequest", *, query: FilterQuery) -> HttpResponse:
    """List active tasks that a filter of Todoist's means."""
    wanted = await filters.wanted(request, query.query)
    if wanted is None:
        return page([])
    return await _page(request, {**_ACTIVE, **wanted, "limit": query.limit, "cursor": query.cursor})


async def completed(request: "AuthenticatedRequest", *, query: CompletedQuery) -> HttpResponse:
    """List completed tasks by when that was; the latest changed come first."""
    moments = {
        "completed_after": (query.since - _RESOLUTION).isoformat(),
        "completed_before": (query.until + _RESOLUTION).isoformat(),
    }
    return await _completed(request, query, moments)


async def completed_by_due(request: "AuthenticatedRequest", *, query: CompletedByDueQuery) -> HttpResponse:
    """List completed tasks by when they were due."""
    if query.section_id is not None:
        await verify(request.auth)
        return page([], member="items")
    moments = {
        "due_after": (query.since - _RESOLUTION).isoformat(),
        "due_before": (query.until + _RESOLUTION).isoformat(),
    }
    return await _completed(request, query, moments | places.filtered(query.project_id, query.parent_id))


async def _completed(
    request: "AuthenticatedRequest", query: CompletedQuery, moments: Mapping[str, Any]
) -> HttpResponse:
    wanted = {} if query.filter_query is None else await filters.wanted(request, query.filter_query)
    if wanted is None:
        return page([], member="items")
    if twice := wanted.keys() & moments.keys():
        raise invalid("filter_query", "twice", f"The filter says a second time what {', '.join(sorted(twice))} says.")
    query_of_ours = {"is_completed": True, "sort": "-updated_at", "limit": query.limit, "cursor": query.cursor}
    return await _page(request, {**query_of_ours, **wanted, **moments}, "items")
