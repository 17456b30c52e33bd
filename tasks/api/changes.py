"""What has changed, over HTTP: for clients that keep a copy."""

from typing import TYPE_CHECKING

from django.http import HttpResponse
from ninja import Query, Router

from tasks.change_schemas import ChangesPage, ChangesQuery
from tasks.queries import feed
from todoproject.http.problems import INVALID, INVALID_CURSOR, SCOPE_MISSING, SYNC_EXPIRED, UNAUTHENTICATED
from todoproject.http.responses import json_response
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["changes"])


@router.get(
    "",
    operation_id="list_changes",
    summary="Follow what changes: tasks and lists since a cursor, each as it is now",
    description="Without a cursor from the beginning. Read until `has_more` is false, keep `next_cursor`, and ask with"
    " it again later. An item may refer to a list or a parent that comes later. A 410 says that what you missed is"
    " purged: begin without a cursor, and drop what the new run does not name.",
    response=answers({200: ChangesPage}, UNAUTHENTICATED, SCOPE_MISSING, INVALID, INVALID_CURSOR, SYNC_EXPIRED),
)
async def list_changes(request: "AuthenticatedRequest", query: Query[ChangesQuery]) -> HttpResponse:
    return json_response(await feed.changes_page(request.auth, query))
