"""Webhooks over HTTP: validated input in, one call, bytes out."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router

from tasks.queries import webhooks
from tasks.queries.resource import Row
from tasks.webhook_schemas import (
    DeliveriesQuery,
    NewWebhook,
    Replay,
    Replayed,
    Webhook,
    WebhookCreate,
    WebhookDelivery,
    WebhookDeliveryPage,
    WebhookList,
    WebhookPatch,
)
from todoproject.http.preconditions import etag, headers, if_match, is_not_modified
from todoproject.http.problems import (
    CONFLICT,
    INVALID,
    INVALID_CURSOR,
    NOT_FOUND,
    PRECONDITION_FAILED,
    SCOPE_MISSING,
    TOO_MANY_WEBHOOKS,
    UNAUTHENTICATED,
)
from todoproject.http.responses import json_response, no_content, not_modified
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["webhooks"], by_alias=True)

_DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)
_CHANGES = (*_DENIALS, NOT_FOUND, PRECONDITION_FAILED)


def _webhook(row: Row) -> HttpResponse:
    return json_response(row.json, 200, {"ETag": etag(row.version)})


def _with_secret(made: webhooks.Made, status: int, **headers: str) -> HttpResponse:
    body = made.row.json[:-1] + b',"secret":"%b"}' % made.secret.encode()
    return json_response(body, status, {"ETag": etag(made.row.version), "Cache-Control": "no-store", **headers})


@router.get(
    "",
    operation_id="list_webhooks",
    summary="List webhooks, newest first",
    response=answers({200: WebhookList}, *_DENIALS),
)
async def list_webhooks(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await webhooks.list_all(request.work, request.auth))


@router.post(
    "",
    operation_id="create_webhook",
    summary="Make a webhook; its secret is shown once",
    response=answers({201: NewWebhook}, *_DENIALS, TOO_MANY_WEBHOOKS, INVALID),
)
async def create_webhook(request: "AuthenticatedRequest", new: WebhookCreate) -> HttpResponse:
    made = await webhooks.create(request.work, request.auth, new)
    return _with_secret(made, 201, Location=f"/v1/webhooks/{made.id}")


@router.get(
    "/{any_case_uuid:webhook_id}",
    operation_id="get_webhook",
    summary="Show a webhook",
    response=answers({200: Webhook, 304: None}, *_DENIALS, NOT_FOUND),
    openapi_extra=headers("If-None-Match"),
)
async def get_webhook(request: "AuthenticatedRequest", webhook_id: UUID) -> HttpResponse:
    row = await webhooks.get(request.work, request.auth, webhook_id)
    return not_modified(etag(row.version)) if is_not_modified(request, row.version) else _webhook(row)


@router.patch(
    "/{any_case_uuid:webhook_id}",
    operation_id="patch_webhook",
    summary="Change a webhook (JSON merge patch), disable or enable it",
    response=answers({200: Webhook}, *_CHANGES, INVALID),
    openapi_extra=headers("If-Match"),
)
async def patch_webhook(request: "AuthenticatedRequest", webhook_id: UUID, patch: WebhookPatch) -> HttpResponse:
    return _webhook(await webhooks.change(request.work, request.auth, webhook_id, patch, if_match(request)))


@router.delete(
    "/{any_case_uuid:webhook_id}",
    operation_id="delete_webhook",
    summary="Delete a webhook, with its deliveries",
    response=answers({204: None}, *_CHANGES),
    openapi_extra=headers("If-Match"),
)
async def delete_webhook(request: "AuthenticatedRequest", webhook_id: UUID) -> HttpResponse:
    await webhooks.delete(request.work, request.auth, webhook_id, if_match(request))
    return no_content()


@router.post(
    "/{any_case_uuid:webhook_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Give a webhook a new secret; it is shown once",
    response=answers({200: NewWebhook}, *_CHANGES),
    openapi_extra=headers("If-Match"),
)
async def rotate_webhook_secret(request: "AuthenticatedRequest", webhook_id: UUID) -> HttpResponse:
    return _with_secret(await webhooks.rotate_secret(request.work, request.auth, webhook_id, if_match(request)), 200)


@router.post(
    "/{any_case_uuid:webhook_id}/test",
    operation_id="test_webhook",
    summary="Have a test sent to a webhook",
    response=answers({202: WebhookDelivery}, *_DENIALS, NOT_FOUND, CONFLICT),
)
async def test_webhook(request: "AuthenticatedRequest", webhook_id: UUID) -> HttpResponse:
    return json_response(await webhooks.test(request.work, request.auth, webhook_id), 202)


@router.post(
    "/{any_case_uuid:webhook_id}/replay",
    operation_id="replay_webhook",
    summary="Have events sent to a webhook once more",
    response=answers({202: Replayed}, *_DENIALS, NOT_FOUND, CONFLICT, INVALID),
)
async def replay_webhook(request: "AuthenticatedRequest", webhook_id: UUID, range_: Replay) -> HttpResponse:
    events = await webhooks.replay(request.work, request.auth, webhook_id, range_)
    return json_response(b'{"events":%d}' % events, 202)


@router.get(
    "/{any_case_uuid:webhook_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="Show what became of events at a webhook, newest first",
    response=answers({200: WebhookDeliveryPage}, *_DENIALS, NOT_FOUND, INVALID, INVALID_CURSOR),
)
async def list_webhook_deliveries(
    request: "AuthenticatedRequest", webhook_id: UUID, query: Query[DeliveriesQuery]
) -> HttpResponse:
    return json_response(await webhooks.deliveries(request.work, request.auth, webhook_id, query))
