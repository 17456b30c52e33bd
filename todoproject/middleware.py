"""The API's one middleware: request id, problems for whatever goes wrong, the access line, security headers."""

import io
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.http import HttpResponse
from uuid_utils.compat import uuid7

from todoproject import logs, problems
from todoproject.problems import MALFORMED_REQUEST, Problem
from todoproject.request import ApiRequest

logger = logging.getLogger("todoproject.access")

_REQUEST_ID = re.compile(r"[!-~]{1,128}")  # printable ASCII, no spaces

GetResponse = Callable[[ApiRequest, Any], Awaitable[HttpResponse]]


class ApiMiddleware:
    """Run one request of the API and log it. Every answer has a request id; every error is a problem document."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        self._headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
        if settings.SECURE_HSTS_SECONDS:
            self._headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"

    async def __call__(self, scope: dict[str, Any], receive: Any) -> HttpResponse:
        """Return the answer to a request. Raises RequestAborted where the client left before it had sent it."""
        started = time.perf_counter()
        current = logs.RequestContext(_request_id(scope))
        token = logs.context.set(current)
        route = None
        try:
            response, route = await self._answer(scope, receive)
            for name, value in self._headers.items():
                response.headers.setdefault(name, value)
            response.headers["X-Request-ID"] = current.request_id
            _log(scope, route, response.status_code, time.perf_counter() - started, current)
            return response
        finally:
            logs.context.reset(token)

    async def _answer(self, scope: dict[str, Any], receive: Any) -> tuple[HttpResponse, str | None]:
        try:
            request = ApiRequest(scope, io.BytesIO())
        except UnicodeDecodeError:
            return problems.respond(Problem(MALFORMED_REQUEST, "The query string is not ASCII."), scope["path"]), None
        try:
            response = await self._get_response(request, receive)
        except Problem as problem:
            response = problems.respond(problem, request.path)
        except RequestAborted:
            raise
        except Exception as error:
            logger.error("unhandled error", exc_info=error)
            response = problems.respond(problems.internal_error(), request.path)
        return response, request.route


def _request_id(scope: dict[str, Any]) -> str:
    """Return the client's request id if it is a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(text := value.decode("latin-1")):
            return str(text)
    return str(uuid7())


def _log(scope: dict[str, Any], route: str | None, status: int, seconds: float, current: logs.RequestContext) -> None:
    level = logging.INFO if status < 500 else logging.WARNING
    if logger.isEnabledFor(level):
        facts = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "database_ms": round(current.database_seconds * 1000, 2),
            **current.facts,
        }
        logger.log(level, "request", extra=facts)
