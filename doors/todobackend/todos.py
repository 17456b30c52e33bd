"""Todos: theirs in, an operation of ours, theirs out.

A todo is a task of the list behind the address. `order` is kept in the task's external id, which tells where it is
from: so it stays whatever else becomes of the task, and two todos may have the same.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from django.http import HttpResponse
from uuid_utils.compat import uuid7

from doors.todobackend import place
from doors.todobackend.schemas import NewTodo, TodoChange
from tasks import queries
from tasks.batch_schemas import BatchStateChange
from tasks.list_query import TaskListQuery
from tasks.queries import TaskNotFound
from tasks.schemas import TaskCreate, TaskPatch
from todoproject.http import validation
from todoproject.http.problems import TOO_LARGE, Problem
from todoproject.http.responses import json_response, no_content
from todoproject.observability import logs

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

# The whole list is one answer. One with more is for a client that reads pages.
MOST_TODOS = 2000
_PAGE = 200
_A_BATCH = 100
_ORDER = re.compile(r"todo-backend:([^:]{1,40}):[0-9a-f-]{36}")

Task = Mapping[str, Any]


def _root(request: "AuthenticatedRequest") -> str:
    """Return the address itself, as the client knows the server."""
    return request.build_absolute_uri(place.root_of(request.path))


def _todo(root: str, task: Task) -> dict[str, Any]:
    return {
        "id": task["id"],
        "title": task["title"],
        "completed": task["is_completed"],
        "order": _order(task["external_id"]),
        "url": f"{root}/{task['id']}",
    }


def _order(external_id: str | None) -> int | float | None:
    match = None if external_id is None else _ORDER.fullmatch(external_id)
    return None if match is None else orjson.loads(match[1])


def _kept(order: float | None) -> str | None:
    return None if order is None else f"todo-backend:{orjson.dumps(order).decode()}:{uuid7()}"


def _answer(request: "AuthenticatedRequest", document: bytes, status: int = 200) -> HttpResponse:
    todo = _todo(_root(request), orjson.loads(document))
    headers = {"Location": todo["url"]} if status == 201 else None
    return json_response(orjson.dumps(todo), status, headers)


# --- All ------------------------------------------------------------------------------------------


async def find(request: "AuthenticatedRequest") -> HttpResponse:
    """Show all todos, in the order that our own clients have put them in."""
    found: list[Task] = []
    cursor: str | None = None
    wanted = {**await _wanted(request), "limit": _PAGE}
    while True:
        page = await _page(request, wanted | {"cursor": cursor})
        found += page["items"]
        if (cursor := page["next_cursor"]) is None:
            root = _root(request)
            return json_response(orjson.dumps([_todo(root, task) for task in found]))
        if len(found) >= MOST_TODOS:
            raise Problem(TOO_LARGE, f"The list holds more than {MOST_TODOS:,} tasks: read it in pages, GET /v1/tasks.")


async def _wanted(request: "AuthenticatedRequest") -> dict[str, Any]:
    list_id = await place.list_behind(request.auth)
    return {"list_id": "null" if list_id is None else str(list_id), "sort": "position"}


async def _page(request: "AuthenticatedRequest", wanted: Mapping[str, Any]) -> dict[str, Any]:
    page: dict[str, Any] = orjson.loads(await queries.list_page(request.auth, TaskListQuery.model_validate(wanted)))
    return page


async def add(request: "AuthenticatedRequest", body: NewTodo) -> HttpResponse:
    """Make a todo, as the last of its list."""
    list_id = await place.list_behind(request.auth)
    members = {"title": body.title, "is_completed": body.completed, "external_id": _kept(body.order)}
    new = TaskCreate.model_validate({**members, "list_id": None if list_id is None else str(list_id)})
    task_id, row = await queries.create(request.work, request.auth, new)
    logs.note(task_id=task_id)
    return _answer(request, row.json, 201)


async def clear(request: "AuthenticatedRequest") -> HttpResponse:
    """Put all todos into the trash; what belongs under one goes with it."""
    wanted = {**await _wanted(request), "parent_id": "null", "limit": _A_BATCH}
    while items := (await _page(request, wanted))["items"]:
        deletions = [BatchStateChange(op="delete", id=UUID(task["id"]), if_match=None) for task in items]
        results = await queries.run_batch(request.work, request.auth, deletions, is_atomic=False)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, TaskNotFound):
                raise result
    return no_content()


# --- One ------------------------------------------------------------------------------------------


async def _get(request: "AuthenticatedRequest", task_id: UUID) -> bytes:
    """Return a task of the list behind the address. Raises TaskNotFound, of one in another list, too."""
    list_id = await place.list_behind(request.auth)
    document = (await queries.get(request.work, request.auth, task_id)).json
    if orjson.loads(document)["list_id"] != (None if list_id is None else str(list_id)):
        raise TaskNotFound
    logs.note(task_id=task_id)
    return document


async def get(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    """Show a todo."""
    return _answer(request, await _get(request, task_id))


async def change(request: "AuthenticatedRequest", task_id: UUID, body: TodoChange) -> HttpResponse:
    """Change what is named of a todo."""
    before = orjson.loads(await _get(request, task_id))
    members: dict[str, Any] = {}
    if "title" in body.model_fields_set:
        members["title"] = body.title
    if "completed" in body.model_fields_set:
        members["is_completed"] = body.completed
    if "order" in body.model_fields_set and body.order != _order(before["external_id"]):
        if before["external_id"] is not None and _ORDER.fullmatch(before["external_id"]) is None:
            detail = "The task has an external id of another system, so it can keep no order."
            raise validation.invalid([{"pointer": "#/order", "code": "order", "detail": detail}])
        members["external_id"] = _kept(body.order)
    row = await queries.patch(request.work, request.auth, task_id, TaskPatch.model_validate(members))
    return _answer(request, row.json)


async def delete(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    """Put a todo into the trash."""
    await _get(request, task_id)
    await queries.delete(request.work, request.auth, task_id)
    return no_content()
