"""Sessions over HTTP: the logins of an account, seen and ended."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from django.http import HttpResponse
from ninja import Body, Router

from accounts import audit, queries
from accounts.schemas import LogoutEverywhere, SessionList
from todoproject.http.problems import INVALID, NOT_FOUND, SCOPE_MISSING, UNAUTHENTICATED
from todoproject.http.responses import json_response, no_content
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router()

_ONLY_LOGINS = LogoutEverywhere()  # where the body is left out


@router.get(
    "/sessions",
    tags=["sessions"],
    operation_id="list_sessions",
    summary="List logins, newest first",
    response=answers({200: SessionList}, UNAUTHENTICATED, SCOPE_MISSING),
)
async def list_sessions(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await queries.list_sessions(request.work, request.auth))


@router.delete(
    "/sessions/{uuid:session_id}",
    tags=["sessions"],
    operation_id="end_session",
    summary="End a login, at once and everywhere",
    response=answers({204: None}, UNAUTHENTICATED, SCOPE_MISSING, NOT_FOUND),
)
async def end_session(request: "AuthenticatedRequest", session_id: UUID) -> HttpResponse:
    await queries.end_session(request.work, request.auth, session_id)
    return no_content()


@router.post(
    "/auth/logout-everywhere",
    tags=["sessions"],
    operation_id="logout_everywhere",
    summary="End every login, this one and the admin's too, if asked every token",
    response=answers({204: None}, UNAUTHENTICATED, SCOPE_MISSING, INVALID),
)
async def logout_everywhere(
    request: "AuthenticatedRequest",
    what: Annotated[LogoutEverywhere, Body()] = _ONLY_LOGINS,
) -> HttpResponse:
    revoke_tokens = what.revoke_tokens
    await queries.logout_everywhere(request.work, request.auth, audit.origin(request), revoke_tokens=revoke_tokens)
    return no_content()
