"""Live streams over HTTP, and the tickets that browsers open them with."""

from typing import TYPE_CHECKING, Any, cast

import orjson
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.security.base import AuthBase

from accounts.authentication import Bearer
from accounts.queries import stream_tickets
from tasks.live import telling
from tasks.live.streams import Stream, streams
from tasks.queries import live
from tasks.stream_schemas import EXAMPLE, StreamQuery, StreamTicket
from todoproject.database.client.statement import Credentials
from todoproject.http.problems import (
    INVALID,
    INVALID_CURSOR,
    INVALID_TICKET,
    SCOPE_MISSING,
    TOO_MANY_STREAMS,
    UNAUTHENTICATED,
)
from todoproject.http.request import ApiRequest
from todoproject.http.responses import json_response
from todoproject.http.streams import MEDIA_TYPE, EventStream
from todoproject.observability import logs
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["streams"], by_alias=True)


class Ticket(AuthBase):
    """`?ticket=`, for browsers: it stands for the token that asked for it."""

    openapi_type = "apiKey"
    openapi_in = "query"
    openapi_name = "ticket"

    async def __call__(self, request: HttpRequest) -> Credentials | None:
        asked = cast(ApiRequest, request)
        try:
            secret = request.GET.get("ticket")
        except TooManyFieldsSent:  # told when the parameters are looked at
            return None
        if secret is None:
            return None
        asked.credentials = await stream_tickets.use(secret)
        if (context := logs.context.get()) is not None:
            asked.credentials.request_id = context.request_id
        return asked.credentials


_LAST_EVENT = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "What a browser sends by itself when it comes back: the last `id`. `cursor` counts before it.",
    "schema": {"type": "string"},
}
_STREAM: dict[str, Any] = {
    "parameters": [_LAST_EVENT],
    "responses": {200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}}}},
}


@router.post(
    "/auth/stream-ticket",
    operation_id="create_stream_ticket",
    summary="Make a ticket that opens one stream, for a browser's EventSource",
    description="A browser's `EventSource` sends no header, and a token must not stand in an address. The ticket opens"
    " one stream, once, within a minute. Takes no `Idempotency-Key`.",
    response=answers({201: StreamTicket}, UNAUTHENTICATED, SCOPE_MISSING, INVALID),
)
async def create_stream_ticket(request: "AuthenticatedRequest") -> HttpResponse:
    ticket = await stream_tickets.make(request.work, request.auth)
    return json_response(orjson.dumps(ticket._asdict()), 201, {"Cache-Control": "no-store"})


@router.get(
    "/changes/stream",
    auth=[Ticket(), Bearer()],
    operation_id="stream_changes",
    summary="Follow what changes as it happens: server-sent events",
    description="The first block is an `id` alone, the cursor to go on from; then `event: task`, `list` or `reminder`,"
    " each with the `id` to go on from behind it, and as `data` what `GET /v1/changes` has as an item, of a reminder"
    " `{change_no, id, reminder, task}`. A comment every 15 seconds says that the stream lives. It ends with the token,"
    " at the latest after an hour, and when the server does: come back with the last `id`. `event: sync-expired` is the"
    " last one where the cursor is too old: begin anew.",
    response=answers(
        {200: None},
        UNAUTHENTICATED,
        INVALID_TICKET,
        SCOPE_MISSING,
        INVALID,
        INVALID_CURSOR,
        TOO_MANY_STREAMS,
    ),
    openapi_extra=_STREAM,
)
async def stream_changes(request: "AuthenticatedRequest", query: Query[StreamQuery]) -> HttpResponse:
    cursor = query.cursor or request.META.get("HTTP_LAST_EVENT_ID") or None
    here = await live.now(request.auth)
    position = here if cursor is None else live.position(cursor, here)
    stream = Stream(request.auth, position)
    streams.add(stream)
    return EventStream(telling.blocks(stream), stream.leave, lambda: streams.remove(stream))
