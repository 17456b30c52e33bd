"""Lists over HTTP: validated input in, one call, bytes out."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.http import HttpResponse
from ninja import Path, Query, Router

from tasks.list_schemas import ListCreate, ListDeletion, ListPatch, ListReplacement, ListsQuery, TaskList, TaskListPage
from tasks.moves import ListMove
from tasks.queries import lists
from tasks.queries.resource import Row
from tasks.schemas import NewTaskId
from todoproject.http.preconditions import etag, headers, if_match, is_creation, is_not_modified
from todoproject.http.problems import (
    CONFLICT,
    INVALID,
    INVALID_CURSOR,
    LIST_DELETED,
    LIST_NOT_EMPTY,
    NOT_FOUND,
    PLACE_GONE,
    PRECONDITION_FAILED,
    PRECONDITION_REQUIRED,
    SCOPE_MISSING,
    UNAUTHENTICATED,
)
from todoproject.http.responses import change_headers, json_response, no_content, not_modified
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["lists"])

_DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)
_CHANGES = (*_DENIALS, NOT_FOUND, PRECONDITION_FAILED)


def _list(row: Row, status: int = 200, location: str | None = None) -> HttpResponse:
    headers = {"ETag": etag(row.version), **change_headers(row)}
    if location is not None:
        headers["Location"] = location
    return json_response(row.json, status, headers)


@router.get(
    "",
    operation_id="list_lists",
    summary="Show the lists, a page at a time, by position",
    response=answers({200: TaskListPage}, *_DENIALS, INVALID, INVALID_CURSOR),
)
async def list_lists(request: "AuthenticatedRequest", query: Query[ListsQuery]) -> HttpResponse:
    return json_response(await lists.list_page(request.auth, query))


@router.post(
    "",
    operation_id="create_list",
    summary="Create a list; it is the last one",
    response=answers({201: TaskList}, *_DENIALS, INVALID),
)
async def create_list(request: "AuthenticatedRequest", new: ListCreate) -> HttpResponse:
    plan = lists.creation(new)
    return _list(await lists.carry_out(request.work, request.auth, plan), 201, f"/v1/lists/{plan.id}")


@router.get(
    "/{any_case_uuid:list_id}",
    operation_id="get_list",
    summary="Show a list",
    response=answers({200: TaskList, 304: None}, *_DENIALS, NOT_FOUND),
    openapi_extra=headers("If-None-Match"),
)
async def get_list(request: "AuthenticatedRequest", list_id: UUID) -> HttpResponse:
    row = await lists.get(request.work, request.auth, list_id)
    tag = etag(row.version)
    return not_modified(tag) if is_not_modified(request, row.version) else json_response(row.json, 200, {"ETag": tag})


@router.put(
    "/{any_case_uuid:list_id}",
    operation_id="put_list",
    summary="Create a list under an id of yours, or replace it",
    description="`If-None-Match: *` creates; `If-Match` replaces, and members that are left out take their defaults.",
    response=answers({200: TaskList, 201: TaskList}, *_CHANGES, LIST_DELETED, INVALID, PRECONDITION_REQUIRED),
    openapi_extra=headers("If-Match", "If-None-Match: *"),
)
async def put_list(request: "AuthenticatedRequest", list_id: Path[NewTaskId], new: ListReplacement) -> HttpResponse:
    if is_creation(request):
        row = await lists.carry_out(request.work, request.auth, lists.creation_as(list_id, new))
        return _list(row, 201, f"/v1/lists/{list_id}")
    plan = lists.replacement(list_id, new, if_match(request))
    return _list(await lists.carry_out(request.work, request.auth, plan))


@router.patch(
    "/{any_case_uuid:list_id}",
    operation_id="patch_list",
    summary="Change a list (JSON merge patch), archive it or take it back",
    response=answers({200: TaskList}, *_CHANGES, INVALID),
    openapi_extra=headers("If-Match"),
)
async def patch_list(request: "AuthenticatedRequest", list_id: UUID, patch: ListPatch) -> HttpResponse:
    plan = lists.change(list_id, patch, if_match(request))
    return _list(await lists.carry_out(request.work, request.auth, plan))


@router.delete(
    "/{any_case_uuid:list_id}",
    operation_id="delete_list",
    summary="Delete a list; it can be restored until it is purged",
    response=answers({204: None}, *_CHANGES, LIST_NOT_EMPTY),
    openapi_extra=headers("If-Match"),
)
async def delete_list(request: "AuthenticatedRequest", list_id: UUID, query: Query[ListDeletion]) -> HttpResponse:
    plan = lists.deletion(list_id, query.tasks, if_match(request))
    return no_content(change_headers(await lists.carry_out(request.work, request.auth, plan)))


@router.post(
    "/{any_case_uuid:list_id}/restore",
    operation_id="restore_list",
    summary="Restore a deleted list and the tasks that were deleted with it; safe to repeat",
    response=answers({200: TaskList}, *_CHANGES, CONFLICT),
    openapi_extra=headers("If-Match"),
)
async def restore_list(request: "AuthenticatedRequest", list_id: UUID) -> HttpResponse:
    plan = lists.restoration(list_id, if_match(request))
    return _list(await lists.carry_out(request.work, request.auth, plan))


@router.post(
    "/{any_case_uuid:list_id}/move",
    operation_id="move_list",
    summary="Put a list before or after another one, or first",
    response=answers({200: TaskList}, *_CHANGES, PLACE_GONE, INVALID),
    openapi_extra=headers("If-Match"),
)
async def move_list(request: "AuthenticatedRequest", list_id: UUID, to: ListMove) -> HttpResponse:
    plan = lists.move(list_id, to, if_match(request))
    return _list(await lists.carry_out(request.work, request.auth, plan))
