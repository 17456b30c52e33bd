"""Calendars over HTTP: made, listed and revoked here; read at their address (doors/calendar)."""

from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpResponse
from ninja import Router

from accounts.calendar_schemas import CalendarCreate, CalendarList, NewCalendar
from accounts.queries import calendars
from todoproject.http.problems import (
    CONFLICT,
    INVALID,
    NOT_FOUND,
    SCOPE_MISSING,
    TOKEN_ROTATED,
    TOO_MANY_CALENDARS,
    UNAUTHENTICATED,
    Problem,
)
from todoproject.http.responses import json_response, no_content
from todoproject.openapi.document import answers

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

router = Router(tags=["calendars"], by_alias=True)

_DENIALS = (UNAUTHENTICATED, SCOPE_MISSING)


@router.get(
    "",
    operation_id="list_calendars",
    summary="List calendars, newest first",
    response=answers({200: CalendarList}, *_DENIALS),
)
async def list_calendars(request: "AuthenticatedRequest") -> HttpResponse:
    return json_response(await calendars.list_all(request.work, request.auth))


@router.post(
    "",
    operation_id="create_calendar",
    summary="Make a calendar that apps can subscribe to; its address is shown once",
    response=answers({201: NewCalendar}, *_DENIALS, CONFLICT, TOKEN_ROTATED, TOO_MANY_CALENDARS, INVALID),
)
async def create_calendar(request: "AuthenticatedRequest", new: CalendarCreate) -> HttpResponse:
    if "calendar" not in settings.DOORS:
        raise Problem(CONFLICT, "This server shows no calendars: its setting DOORS leaves them out.")
    made = await calendars.create(request.work, request.auth, new)
    server = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    url = orjson.dumps(f"{server}/calendar/{made.secret}.ics")
    return json_response(made.document[:-1] + b',"url":%b}' % url, 201, {"Cache-Control": "no-store"})


@router.delete(
    "/{uuid:calendar_id}",
    operation_id="revoke_calendar",
    summary="End a calendar's address, at once and everywhere",
    response=answers({204: None}, *_DENIALS, NOT_FOUND),
)
async def revoke_calendar(request: "AuthenticatedRequest", calendar_id: UUID) -> HttpResponse:
    await calendars.revoke(request.work, request.auth, calendar_id)
    return no_content()
