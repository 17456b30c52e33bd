"""Tasks over HTTP: validated input in, one call, bytes out."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router

from tasks import queries
from tasks.queries import TaskRow
from tasks.schemas import Task, TaskCreate, TaskListQuery, TaskPage, TaskPatch
from todoproject import logs
from todoproject.openapi import answers
from todoproject.problems import INVALID, INVALID_CURSOR, NOT_FOUND, SCOPE_MISSING, UNAUTHENTICATED
from todoproject.responses import json_response, no_content

if TYPE_CHECKING:
    from accounts.auth import AuthenticatedRequest

router = Router(tags=["tasks"])

DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)


def _task(row: TaskRow, status: int = 200, location: str | None = None) -> HttpResponse:
    headers = {"ETag": f'"{row.version}"'}
    if location is not None:
        headers["Location"] = location
    return json_response(row.json, status, headers)


@router.get(
    "",
    operation_id="list_tasks",
    summary="List tasks, a page at a time",
    response=answers({200: TaskPage}, *DENIALS, INVALID, INVALID_CURSOR),
)
async def list_tasks(request: "AuthenticatedRequest", query: Query[TaskListQuery]) -> HttpResponse:
    return json_response(await queries.list_page(request.auth, query))


@router.post(
    "",
    operation_id="create_task",
    summary="Create a task",
    response=answers({201: Task}, *DENIALS, INVALID),
)
async def create_task(request: "AuthenticatedRequest", task: TaskCreate) -> HttpResponse:
    task_id, row = await queries.create(request.auth, task)
    logs.note(task_id=task_id)
    return _task(row, 201, f"/v1/tasks/{task_id}")


@router.get(
    "/{uuid:task_id}",
    operation_id="get_task",
    summary="Show a task",
    response=answers({200: Task}, *DENIALS, NOT_FOUND),
)
async def get_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    return _task(await queries.get(request.auth, task_id))


@router.patch(
    "/{uuid:task_id}",
    operation_id="patch_task",
    summary="Change a task (JSON merge patch)",
    response=answers({200: Task}, *DENIALS, NOT_FOUND, INVALID),
)
async def patch_task(request: "AuthenticatedRequest", task_id: UUID, task: TaskPatch) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.patch(request.auth, task_id, task))


@router.delete(
    "/{uuid:task_id}",
    operation_id="delete_task",
    summary="Delete a task",
    response=answers({204: None}, *DENIALS, NOT_FOUND),
)
async def delete_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    logs.note(task_id=task_id)
    await queries.delete(request.auth, task_id)
    return no_content()


@router.post(
    "/{uuid:task_id}/complete",
    operation_id="complete_task",
    summary="Complete a task; safe to repeat",
    response=answers({200: Task}, *DENIALS, NOT_FOUND),
)
async def complete_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.complete(request.auth, task_id))


@router.post(
    "/{uuid:task_id}/reopen",
    operation_id="reopen_task",
    summary="Reopen a task; safe to repeat",
    response=answers({200: Task}, *DENIALS, NOT_FOUND),
)
async def reopen_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.reopen(request.auth, task_id))
