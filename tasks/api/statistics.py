"""Figures about the tasks of an account, over HTTP."""

from typing import TYPE_CHECKING

from django.http import HttpResponse
from ninja import Router

from tasks import queries
from tasks.statistics import Statistics
from todoproject.http.problems import SCOPE_MISSING, UNAUTHENTICATED
from todoproject.http.responses import json_response
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["tasks"])


@router.get(
    "",
    operation_id="get_statistics",
    summary="Count the tasks: open, overdue, due today, completed",
    description="In your own days: `today` begins at midnight in your time zone. Deleted tasks are not counted.",
    response=answers({200: Statistics}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def get_statistics(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.statistics(request.auth))
