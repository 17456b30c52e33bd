"""The history over HTTP, and how a change is undone."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from django.http import HttpResponse
from ninja import Path, Query, Router
from pydantic import Field

from tasks.history_schemas import HistoryPage, HistoryQuery, Undone
from tasks.queries import history
from tasks.queries.undo import undo
from todoproject.http.problems import (
    INVALID,
    INVALID_CURSOR,
    NOT_FOUND,
    NOT_UNDOABLE,
    SCOPE_MISSING,
    UNAUTHENTICATED,
    UNDO_CONFLICT,
)
from todoproject.http.responses import change_headers, json_response
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["changes"])

_DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)
_PAGE = answers({200: HistoryPage}, *_DENIALS, INVALID, INVALID_CURSOR)
_PAGE_OF_ONE = answers({200: HistoryPage}, *_DENIALS, NOT_FOUND, INVALID, INVALID_CURSOR)
ChangeNumber = Annotated[int, Field(ge=1, le=2**63 - 1)]


@router.get(
    "/history",
    operation_id="list_history",
    summary="Show what has changed, newest first, and who changed it",
    description="What a request has changed has one `action` number, and is undone together. Kept for a while only.",
    response=_PAGE,
    by_alias=True,
)
async def list_history(request: "AuthenticatedRequest", query: Query[HistoryQuery]) -> HttpResponse:
    return json_response(await history.of_all(request.auth, query))


@router.get(
    "/tasks/{any_case_uuid:task_id}/history",
    operation_id="list_task_history",
    summary="Show the history of a task, newest first",
    description="Also of a deleted one, until it is purged.",
    response=_PAGE_OF_ONE,
    by_alias=True,
)
async def list_task_history(request: "AuthenticatedRequest", task_id: UUID, query: Query[HistoryQuery]) -> HttpResponse:
    return json_response(await history.of_one(request.auth, "task", task_id, query))


@router.get(
    "/lists/{any_case_uuid:list_id}/history",
    operation_id="list_list_history",
    summary="Show the history of a list, newest first",
    description="Also of a deleted one, until it is purged.",
    response=_PAGE_OF_ONE,
    by_alias=True,
)
async def list_list_history(request: "AuthenticatedRequest", list_id: UUID, query: Query[HistoryQuery]) -> HttpResponse:
    return json_response(await history.of_one(request.auth, "list", list_id, query))


@router.post(
    "/changes/{change_no}/undo",
    operation_id="undo_change",
    summary="Undo what a request has changed",
    description="All of it or nothing, as a new change, which can be undone, too. What has been changed again since is"
    " a 409 with up to 20 `conflicts`; what was purged, or is no longer in the log, is a 409 as well.",
    response=answers({200: Undone}, *_DENIALS, NOT_FOUND, UNDO_CONFLICT, NOT_UNDOABLE, INVALID),
)
async def undo_change(request: "AuthenticatedRequest", change_no: Path[ChangeNumber]) -> HttpResponse:
    body, changes = await undo(request.work, request.auth, change_no)
    return json_response(body, 200, change_headers(changes))
