"""Tasks over HTTP: validated input in, one call, bytes out."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import orjson
from django.http import HttpResponse
from ninja import Body, Path, Query, Router

from tasks import queries
from tasks.batch_schemas import (
    Batch,
    BatchOperation,
    BatchQuery,
    BatchResults,
    UnreadableOperation,
)
from tasks.label_schemas import LabelChange
from tasks.list_query import TaskListQuery
from tasks.moves import TaskMove
from tasks.queries import Advance, TaskRow
from tasks.recurrence_schemas import Completion, Skipping
from tasks.schemas import (
    NewTaskId,
    Occurrences,
    OccurrencesQuery,
    Task,
    TaskCreate,
    TaskPage,
    TaskPatch,
    TaskReplacement,
)
from todoproject.http.preconditions import etag, headers, if_match, is_creation, is_not_modified
from todoproject.http.problems import (
    CONFLICT,
    EXTERNAL_ID_TAKEN,
    INVALID,
    INVALID_CURSOR,
    LIST_DELETED,
    NOT_FOUND,
    OCCURRENCE_AHEAD,
    OCCURRENCE_PASSED,
    PLACE_GONE,
    PRECONDITION_FAILED,
    PRECONDITION_REQUIRED,
    SCOPE_MISSING,
    TASK_DELETED,
    UNAUTHENTICATED,
)
from todoproject.http.responses import change_headers, json_response, no_content, not_modified
from todoproject.observability import logs
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["tasks"], by_alias=True)

DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)
CHANGES = (*DENIALS, NOT_FOUND, PRECONDITION_FAILED)
IN_THE_WAY = (EXTERNAL_ID_TAKEN,)
_OF_SERIES = (PRECONDITION_REQUIRED, OCCURRENCE_PASSED, OCCURRENCE_AHEAD)
_PLAIN_COMPLETION, _PRESENT = Completion(), Skipping()  # where the body is left out


def _task(row: TaskRow, status: int = 200, location: str | None = None) -> HttpResponse:
    headers = {"ETag": etag(row.version), **change_headers(row)}
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
    response=answers({201: Task}, *DENIALS, *IN_THE_WAY, INVALID),
)
async def create_task(request: "AuthenticatedRequest", task: TaskCreate) -> HttpResponse:
    task_id, row = await queries.create(request.work, request.auth, task)
    logs.note(task_id=task_id)
    return _task(row, 201, f"/v1/tasks/{task_id}")


@router.post(
    "/batch",
    operation_id="batch_tasks",
    summary="Write up to 100 tasks at once",
    description="All or nothing by default: the first operation that fails is the answer, with its number as"
    " `operation`, and nothing is done. With `atomic=false` the answer is 207 with one result for each operation, also"
    " where one breaks a rule of the input.",
    response=answers(
        {200: BatchResults, 207: BatchResults},
        *CHANGES,
        TASK_DELETED,
        LIST_DELETED,
        PLACE_GONE,
        EXTERNAL_ID_TAKEN,
        *_OF_SERIES,
        CONFLICT,
        INVALID,
    ),
)
async def batch_tasks(request: "AuthenticatedRequest", batch: Batch, query: Query[BatchQuery]) -> HttpResponse:
    results = await queries.run_batch(request.work, request.auth, batch.read(), is_atomic=query.atomic)
    body = b",".join(_result(request, *pair) for pair in zip(batch.read(), results, strict=True))
    done = [result for result in results if not isinstance(result, Exception)]
    numbers = [row.change_no for row in done if row.change_no is not None]
    headers = {"Affected": str(sum(row.affected for row in done))} | ({"Change-No": numbers[-1]} if numbers else {})
    return json_response(b'{"results":[%b]}' % body, 200 if query.atomic else 207, headers)


def _result(
    request: "AuthenticatedRequest", operation: BatchOperation | UnreadableOperation, result: TaskRow | Exception
) -> bytes:
    """Return what the operation would have been answered as a request of its own, and what it has changed."""
    if isinstance(result, Exception):
        refusal = request.respond_to(request, result)
        return _RESULT % (refusal.status_code, refusal.content, 0, b"null")
    # What a dry run would have taken is, a moment later, the number of something else.
    number = b"null" if result.change_no is None or request.is_dry_run else result.change_no.encode()
    verb = getattr(operation, "op", "")
    if verb == "delete":
        return _RESULT % (204, b"null", result.affected, number)
    return _RESULT % (201 if verb == "create" or result.is_new else 200, result.json, result.affected, number)


_RESULT = b'{"status":%d,"body":%b,"affected":%d,"change_no":%b}'


@router.get(
    "/{any_case_uuid:task_id}",
    operation_id="get_task",
    summary="Show a task",
    response=answers({200: Task, 304: None}, *DENIALS, NOT_FOUND),
    openapi_extra=headers("If-None-Match"),
)
async def get_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    row = await queries.get(request.work, request.auth, task_id)
    tag = etag(row.version)
    return not_modified(tag) if is_not_modified(request, row.version) else json_response(row.json, 200, {"ETag": tag})


@router.put(
    "/{any_case_uuid:task_id}",
    operation_id="put_task",
    summary="Create a task under an id of yours, or replace it",
    description="`If-None-Match: *` creates; `If-Match` replaces, and members that are left out take their defaults,"
    " but `list_id`, `parent_id`, `labels`, `starts_on`, `external_id`, `recurrence` and `reminders` stay. Ids are"
    " UUIDs and yours alone: make them as you like. The id of a deleted task is taken (409) until it is purged.",
    response=answers({200: Task, 201: Task}, *CHANGES, TASK_DELETED, EXTERNAL_ID_TAKEN, INVALID, PRECONDITION_REQUIRED),
    openapi_extra=headers("If-Match", "If-None-Match: *"),
)
async def put_task(request: "AuthenticatedRequest", task_id: Path[NewTaskId], task: TaskReplacement) -> HttpResponse:
    logs.note(task_id=task_id)
    if is_creation(request):
        return _task(await queries.create_as(request.work, request.auth, task_id, task), 201, f"/v1/tasks/{task_id}")
    return _task(await queries.replace(request.work, request.auth, task_id, task, if_match(request)))


@router.patch(
    "/{any_case_uuid:task_id}",
    operation_id="patch_task",
    summary="Change a task (JSON merge patch)",
    response=answers({200: Task}, *CHANGES, *IN_THE_WAY, INVALID),
    openapi_extra=headers("If-Match"),
)
async def patch_task(request: "AuthenticatedRequest", task_id: UUID, task: TaskPatch) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.patch(request.work, request.auth, task_id, task, if_match(request)))


@router.post(
    "/{any_case_uuid:task_id}/move",
    operation_id="move_task",
    summary="Move a task, with its subtasks, to a list, under a parent, before or after another, or first",
    description="What is left out stays, but a `list_id` alone means the top of that list, and without a place it is"
    " the last there.",
    response=answers({200: Task}, *CHANGES, PLACE_GONE, INVALID),
    openapi_extra=headers("If-Match"),
)
async def move_task(request: "AuthenticatedRequest", task_id: UUID, to: TaskMove) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.move(request.work, request.auth, task_id, to, if_match(request)))


@router.post(
    "/{any_case_uuid:task_id}/labels",
    operation_id="change_labels",
    summary="Add labels to a task and take labels off",
    description="For two devices at once: what the other one has added or taken off stays so. Labels are the same"
    " whatever their case and width; one that is there keeps its spelling.",
    response=answers({200: Task}, *CHANGES, INVALID),
    openapi_extra=headers("If-Match"),
)
async def change_labels(request: "AuthenticatedRequest", task_id: UUID, labels: LabelChange) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.change_labels(request.work, request.auth, task_id, labels, if_match(request)))


@router.delete(
    "/{any_case_uuid:task_id}",
    operation_id="delete_task",
    summary="Delete a task; it can be restored until it is purged",
    response=answers({204: None}, *CHANGES),
    openapi_extra=headers("If-Match"),
)
async def delete_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    logs.note(task_id=task_id)
    row = await queries.delete(request.work, request.auth, task_id, if_match(request))
    return no_content(change_headers(row))


@router.post(
    "/{any_case_uuid:task_id}/complete",
    operation_id="complete_task",
    summary="Complete a task, or the present occurrence of its series; safe to repeat",
    description="A task that is completed already is answered as it is, and keeps its version. One that recurs moves on"
    " to its next occurrence and leaves a completed copy behind, `completed`; the last occurrence completes the series"
    " itself. Name the `occurrence`, as the task has it, or send `If-Match`: else a repeat would complete the next.",
    response=answers({200: Task}, *CHANGES, *_OF_SERIES, INVALID),
    openapi_extra=headers("If-Match"),
)
async def complete_task(
    request: "AuthenticatedRequest", task_id: UUID, what: Annotated[Completion, Body()] = _PLAIN_COMPLETION
) -> HttpResponse:
    logs.note(task_id=task_id)
    versions, is_conditional = if_match(request), "HTTP_IF_MATCH" in request.META
    advance = Advance(task_id, "complete", what.occurrence, what.completed_at, versions, is_conditional)
    return _task(await queries.advance(request.work, request.auth, advance))


@router.post(
    "/{any_case_uuid:task_id}/skip",
    operation_id="skip_task",
    summary="Skip the present occurrence of a series; safe to repeat",
    description="The task moves on to its next occurrence and leaves nothing behind; the last occurrence completes the"
    " series itself. Name the `occurrence`, as the task has it, or send `If-Match`. What does not recur is a 409.",
    response=answers({200: Task}, *CHANGES, *_OF_SERIES, CONFLICT, INVALID),
    openapi_extra=headers("If-Match"),
)
async def skip_task(
    request: "AuthenticatedRequest", task_id: UUID, what: Annotated[Skipping, Body()] = _PRESENT
) -> HttpResponse:
    logs.note(task_id=task_id)
    versions, is_conditional = if_match(request), "HTTP_IF_MATCH" in request.META
    advance = Advance(task_id, "skip", what.occurrence, None, versions, is_conditional)
    return _task(await queries.advance(request.work, request.auth, advance))


@router.get(
    "/{any_case_uuid:task_id}/occurrences",
    operation_id="list_occurrences",
    summary="List the next occurrences of a task",
    description="They are computed, the present one first: days, or instants. Where they count from completion only the"
    " present one is known. Of a task that does not recur, or is completed, there are none.",
    response=answers({200: Occurrences}, *DENIALS, NOT_FOUND, INVALID),
)
async def list_occurrences(
    request: "AuthenticatedRequest", task_id: UUID, query: Query[OccurrencesQuery]
) -> HttpResponse:
    found = await queries.occurrences(request.work, request.auth, task_id, query.limit)
    return json_response(orjson.dumps({"items": found}))


@router.post(
    "/{any_case_uuid:task_id}/reopen",
    operation_id="reopen_task",
    summary="Reopen a task; safe to repeat",
    response=answers({200: Task}, *CHANGES),
    openapi_extra=headers("If-Match"),
)
async def reopen_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.reopen(request.work, request.auth, task_id, if_match(request)))


@router.post(
    "/{any_case_uuid:task_id}/restore",
    operation_id="restore_task",
    summary="Restore a deleted task; safe to repeat",
    response=answers({200: Task}, *CHANGES, CONFLICT),
    openapi_extra=headers("If-Match"),
)
async def restore_task(request: "AuthenticatedRequest", task_id: UUID) -> HttpResponse:
    logs.note(task_id=task_id)
    return _task(await queries.restore(request.work, request.auth, task_id, if_match(request)))
