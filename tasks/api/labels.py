"""Labels over HTTP. Each operation on one takes its name as a path's segment, or as a parameter.

A proxy that decodes or merges what stands in a path leaves a parameter alone.
"""

from typing import TYPE_CHECKING

import orjson
from django.http import HttpResponse
from ninja import Path, Query, Router

from tasks.label_schemas import LabelCounts, LabelName, NamedLabel, RenamedLabel
from tasks.queries import labels
from tasks.schemas import Label
from todoproject.http.problems import INVALID, NOT_FOUND, SCOPE_MISSING, UNAUTHENTICATED
from todoproject.http.responses import change_headers, json_response, no_content
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["labels"])

_DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)


@router.get(
    "",
    operation_id="list_labels",
    summary="Show all labels and how many open tasks have each",
    response=answers({200: LabelCounts}, *_DENIALS),
)
async def list_labels(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await labels.counts(request.auth))


async def _rename(request: "AuthenticatedRequest", present: str, new: LabelName) -> HttpResponse:
    rows = await labels.rename(request.work, request.auth, present, new.name, new.counted)
    return json_response(orjson.dumps({"name": new.name}), 200, change_headers(rows))


async def _remove(request: "AuthenticatedRequest", present: str) -> HttpResponse:
    return no_content(change_headers(await labels.remove(request.work, request.auth, present)))


@router.patch(
    "",
    operation_id="rename_label_by_parameter",
    summary="Rename a label everywhere; onto an existing one: merge them",
    response=answers({200: RenamedLabel}, *_DENIALS, NOT_FOUND, INVALID),
)
async def rename_by_parameter(
    request: "AuthenticatedRequest", query: Query[NamedLabel], new: LabelName
) -> HttpResponse:
    return await _rename(request, query.name, new)


@router.delete(
    "",
    operation_id="delete_label_by_parameter",
    summary="Take a label off all tasks",
    response=answers({204: None}, *_DENIALS, NOT_FOUND, INVALID),
)
async def delete_by_parameter(request: "AuthenticatedRequest", query: Query[NamedLabel]) -> HttpResponse:
    return await _remove(request, query.name)


@router.patch(
    "/{segment:name}",
    operation_id="rename_label",
    summary="Rename a label everywhere, the trash included; onto an existing one: merge them",
    response=answers({200: RenamedLabel}, *_DENIALS, NOT_FOUND, INVALID),
)
async def rename(request: "AuthenticatedRequest", name: Path[Label], new: LabelName) -> HttpResponse:
    return await _rename(request, name, new)


@router.delete(
    "/{segment:name}",
    operation_id="delete_label",
    summary="Take a label off all tasks, the trash included",
    response=answers({204: None}, *_DENIALS, NOT_FOUND, INVALID),
)
async def delete(request: "AuthenticatedRequest", name: Path[Label]) -> HttpResponse:
    return await _remove(request, name)
