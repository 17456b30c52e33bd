"""What Django's door answers when something is wrong: a small page to a browser, a problem document to a program."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.urls import Resolver404

from todoproject.http import problems
from todoproject.http.problems import FORBIDDEN, MALFORMED_REQUEST, NO_SUCH_PATH, Problem

_NOWHERE = "There is no such path here. Those of the API begin with /v1; /docs has them all."
# Signing in makes all forms that were open before too old; no right is missing.
_OLD_FORM = "Have you signed in or out in another window since? Go back, copy what you typed, and load the page again."


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    return _answer(request, Problem(MALFORMED_REQUEST, "The request could not be read."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    return _answer(request, Problem(FORBIDDEN, "This account may not do that."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose CSRF token is missing or out of date."""
    problem = Problem(FORBIDDEN, "The form was too old, or came from elsewhere. Open it again.")
    return _answer(request, problem, advice=_OLD_FORM)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404; where no path is like this one, that: clients of other APIs try theirs, and think of their token."""
    is_nowhere = isinstance(exception, Resolver404)
    return _answer(request, Problem(NO_SUCH_PATH, _NOWHERE) if is_nowhere else problems.not_found())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 where the reason is a database that is away."""
    is_away = isinstance(sys.exception(), OperationalError | InterfaceError)
    return _answer(request, problems.unavailable() if is_away else problems.internal_error())


def _answer(request: HttpRequest, problem: Problem, advice: str = "") -> HttpResponse:
    if not request.accepts("text/html") or request.headers.get("Accept", "*/*") == "*/*":
        return problems.respond(problem, request.path)  # curl's */* is a program's
    # Without the request: its context would ask a database that may be the very thing that is broken.
    page = get_template(f"{problem.type.status}.html").render({"problem": problem, "advice": advice})
    return HttpResponse(page, status=problem.type.status, headers=problem.headers)
