"""Tasks by the ids that they have elsewhere: what an integration needs. In a path, or as a parameter."""

from typing import TYPE_CHECKING

import orjson
from django.http import HttpResponse
from ninja import Path, Query, Router

from tasks import queries
from tasks.external_id_schemas import NamedTask
from tasks.schemas import ExternalId, Task, TaskPatch, TaskReplacement
from todoproject.http.preconditions import etag, headers, if_match
from todoproject.http.problems import (
    INVALID,
    NOT_FOUND,
    PRECONDITION_FAILED,
    SCOPE_MISSING,
    TASK_DELETED,
    UNAUTHENTICATED,
)
from todoproject.http.responses import change_headers, json_response
from todoproject.http.validation import invalid
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["tasks"], by_alias=True)

_ANSWERS = answers(
    {200: Task, 201: Task},
    *(UNAUTHENTICATED, SCOPE_MISSING, NOT_FOUND, TASK_DELETED, PRECONDITION_FAILED, INVALID),
)
_PUT = "Creates the task, or replaces it. In the trash it is a 409 with its `id`. No precondition is required."
_PATCH = "Changes the task, or creates it (201) of what is given. In the trash it is a 409 with its `id`."

# With a title, so that it is enough to make a task.
_EXAMPLE = {"content": {"application/json": {"example": {"title": "Call them back", "priority": "low"}}}}
_PATCH_EXTRA = headers("If-Match") | {"requestBody": _EXAMPLE}


async def _upsert(request: "AuthenticatedRequest", external_id: str, task: TaskReplacement | TaskPatch) -> HttpResponse:
    if "external_id" in task.model_fields_set and task.external_id != external_id:
        detail = "This is not the external id that the request is for."
        raise invalid([{"pointer": "#/external_id", "code": "external_id", "detail": detail}])
    creates = "HTTP_IF_MATCH" not in request.META  # what is not there has no version (RFC 9110, section 13.1.1)
    row = await queries.upsert(request.work, request.auth, external_id, task, if_match(request), creates=creates)
    place = {"Location": f"/v1/tasks/{orjson.loads(row.json)['id']}"} if row.is_new else {}
    return json_response(
        row.json, 201 if row.is_new else 200, {"ETag": etag(row.version), **change_headers(row), **place}
    )


@router.put(
    "",
    operation_id="put_task_by_external_id_parameter",
    summary="Create or replace the task with this external id",
    description=_PUT,
    response=_ANSWERS,
    openapi_extra=headers("If-Match"),
)
async def put_by_parameter(
    request: "AuthenticatedRequest", query: Query[NamedTask], task: TaskReplacement
) -> HttpResponse:
    return await _upsert(request, query.external_id, task)


@router.patch(
    "",
    operation_id="patch_task_by_external_id_parameter",
    summary="Change or create the task with this external id (JSON merge patch)",
    description=_PATCH,
    response=_ANSWERS,
    openapi_extra=_PATCH_EXTRA,
)
async def patch_by_parameter(request: "AuthenticatedRequest", query: Query[NamedTask], task: TaskPatch) -> HttpResponse:
    return await _upsert(request, query.external_id, task)


@router.put(
    "/{segment:external_id}",
    operation_id="put_task_by_external_id",
    summary="Create or replace the task with this external id",
    description=_PUT,
    response=_ANSWERS,
    openapi_extra=headers("If-Match"),
)
async def put(request: "AuthenticatedRequest", external_id: Path[ExternalId], task: TaskReplacement) -> HttpResponse:
    return await _upsert(request, external_id, task)


@router.patch(
    "/{segment:external_id}",
    operation_id="patch_task_by_external_id",
    summary="Change or create the task with this external id (JSON merge patch)",
    description=_PATCH,
    response=_ANSWERS,
    openapi_extra=_PATCH_EXTRA,
)
async def patch(request: "AuthenticatedRequest", external_id: Path[ExternalId], task: TaskPatch) -> HttpResponse:
    return await _upsert(request, external_id, task)
