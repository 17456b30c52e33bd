"""Which exception gets which answer: those of a request and of the database, whatever it is about.

An app has a module of the same name for its own; `todoproject/api.py` puts them together.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestAborted
from django.http import HttpRequest, HttpResponse
from ninja.errors import AuthenticationError, HttpError

from todoproject.database.errors import (
    DatabaseNotReady,
    DatabaseUnavailable,
    InFlight,
    InvalidToken,
    OutcomeUnknown,
    ReadOnly,
    ScopeMissing,
    one_line,
)
from todoproject.http import problems
from todoproject.http.problems import Problem, ProblemType
from todoproject.http.request import has_sent_token

logger = logging.getLogger("todoproject.api")

Answer = Callable[[Any, Any], HttpResponse]  # to a request and an exception
Answers = dict[type[Exception], Answer]


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Make the answer to a request that has met a problem."""
    return problems.respond(problem, request.path)


def fixed(type: ProblemType, detail: str, **headers: str) -> Answer:
    """Return what gives every exception of a class the same answer."""

    def handle(request: HttpRequest, error: Exception) -> HttpResponse:
        return answer(request, Problem(type, detail, headers={k.replace("_", "-"): v for k, v in headers.items()}))

    return handle


def _no_token(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say the same to everybody, but in the header whether there was a token (RFC 6750, section 3.1)."""
    was_sent = has_sent_token(request.META.get("HTTP_AUTHORIZATION"))
    headers = {"WWW-Authenticate": problems.INVALID_TOKEN} if was_sent else {}
    detail = "The token is missing, unknown, expired or revoked."
    return answer(request, Problem(problems.UNAUTHENTICATED, detail, headers=headers))


def _scope_missing(request: HttpRequest, error: ScopeMissing) -> HttpResponse:
    missing = [scope for scope in error.required.split() if scope not in error.held]
    detail = f"This needs the scope {' and '.join(missing)}."
    return answer(request, Problem(problems.SCOPE_MISSING, detail, required=missing, held=error.held))


def _left(request: HttpRequest, error: RequestAborted) -> HttpResponse:
    raise error  # a client that leaves in the middle of a body is no defect of ours


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Django Ninja wraps whatever its parser raises."""
    cause = error.__cause__
    return answer(request, cause if isinstance(cause, Problem) else Problem(problems.MALFORMED_REQUEST, "Unreadable."))


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning("database unavailable", extra={"reason": one_line(error)})
    return answer(request, problems.unavailable())


def _read_only(request: HttpRequest, error: ReadOnly) -> HttpResponse:
    logger.warning("database read-only", extra={"reason": one_line(error)})
    return answer(request, problems.read_only())


def _outcome_unknown(request: HttpRequest, error: OutcomeUnknown) -> HttpResponse:
    logger.warning("outcome unknown", extra={"reason": str(error)})
    return answer(request, problems.outcome_unknown())


def _defect(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("unhandled error", exc_info=error)
    return answer(request, problems.internal_error())


ANSWERS: Answers = {
    Problem: answer,
    AuthenticationError: _no_token,
    InvalidToken: _no_token,
    ScopeMissing: _scope_missing,
    InFlight: fixed(problems.IN_FLIGHT, "A request with this Idempotency-Key is being worked on."),
    RequestAborted: _left,
    HttpError: _http_error,
    DatabaseUnavailable: _unavailable,
    DatabaseNotReady: _unavailable,
    ReadOnly: _read_only,
    OutcomeUnknown: _outcome_unknown,
    Exception: _defect,
}
