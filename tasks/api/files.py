"""Files of tasks over HTTP: in from other programs, and out to them."""

from typing import TYPE_CHECKING, Any

import orjson
from django.http import HttpResponse
from ninja import Query, Router

from tasks.formats.items import MOST_BYTES
from tasks.import_schemas import ExportQuery, ImportQuery, ImportReport
from tasks.queries import export_files
from tasks.queries.import_files import import_file
from todoproject.http.problems import IMPORT_RUNNING, INVALID, SCOPE_MISSING, UNAUTHENTICATED, UNSUPPORTED_MEDIA_TYPE
from todoproject.http.responses import change_headers, json_response
from todoproject.http.streams import FileStream
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["files"], by_alias=True)

_FILE = "Buy milk +Errands due:2026-12-01\nx 2026-11-22 Call the bank @phone\n"
_MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "todo.txt": "text/plain", "ical": "text/calendar"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,  # an empty file is one, too
        "description": "The file itself, as any media type.",
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": _FILE},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": _FILE},
        },
    }
}
_FILES: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                media_type: {"schema": {"type": "string"}, "example": ""}
                for media_type in _MEDIA_TYPES.values()
                if media_type != "application/json"
            }
            | {"application/json": {"schema": {"type": "object"}, "example": {"tasks": [], "lists": []}}}
        }
    }
}


@router.post(
    "/imports",
    operation_id="import_tasks",
    summary="Import a file of another program's tasks, or an export",
    description="The file is the body: up to 16 MiB and 50,000 tasks, within ten minutes. It is read and checked as a"
    " whole, then written 500 at a time: interrupted, the same file goes on where it stopped, and once more it changes"
    " nothing. What could not be kept as it is is told in `changed` and `left_out`, by line. One import at a time."
    " Takes no `Idempotency-Key`.",
    response=answers(
        {200: ImportReport}, UNAUTHENTICATED, SCOPE_MISSING, IMPORT_RUNNING, UNSUPPORTED_MEDIA_TYPE, INVALID
    ),
    openapi_extra=_BODY,
)
async def import_tasks(request: "AuthenticatedRequest", query: Query[ImportQuery]) -> HttpResponse:
    request.only_reads = query.dry_run
    report = await import_file(
        request.auth,
        lambda: request.read_body(MOST_BYTES),
        format=query.format,
        into=query.list,
        dry_run=query.dry_run,
    )
    headers = change_headers(report) | ({"Dry-Run": "true"} if query.dry_run else {})
    return json_response(orjson.dumps(report.document()), 200, headers)


@router.get(
    "/export",
    operation_id="export_tasks",
    summary="Export tasks and lists as a file",
    description="All that is not in the trash, list by list as it was put by hand, for another program or for"
    " `POST /v1/imports`. Not of one moment: what is moved meanwhile may be missing, or come twice.",
    response=answers({200: None}, UNAUTHENTICATED, SCOPE_MISSING, INVALID),
    openapi_extra=_FILES,
)
async def export_tasks(request: "AuthenticatedRequest", query: Query[ExportQuery]) -> HttpResponse:
    pieces = await export_files.begun(export_files.pieces(request.auth, query))
    media_type = _MEDIA_TYPES[query.format]
    charset = "" if query.format == "json" else "; charset=utf-8"
    return FileStream(pieces, f"{media_type}{charset}", export_files.file_name(query.format))
