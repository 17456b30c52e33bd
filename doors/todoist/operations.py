"""One request through the door: its token, its parameters, its body, and what an error becomes.

What is wrong is told by the same mapping as in our own API; `errors` then puts it in Todoist's words.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from django.http import HttpResponse
from ninja.errors import AuthenticationError
from pydantic import BaseModel, ValidationError

from accounts import idempotency
from accounts.authentication import Bearer
from accounts.queries import verify
from todoproject.database.client.pool import Work, pool
from todoproject.http import dry_runs, validation
from todoproject.http.body import StrictParser
from todoproject.http.field_types import Strict
from todoproject.http.problems import Problem
from todoproject.http.request import ApiRequest
from todoproject.http.responses import json_response

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

M = TypeVar("M", bound=BaseModel)
View = Callable[..., Any]  # as Django types the views of its patterns

_bearer = Bearer()
_bodies = StrictParser()


# What answers: given the request, what stands in its path, and `query` and `body` where it takes them.
Run = Callable[..., Awaitable[HttpResponse]]


class NoParameters(Strict):
    """A query of an operation that takes none."""


@dataclass(frozen=True)
class Operation:
    """What a method of a path does, and what it takes.

    `reads` is another way to read the body than as JSON. One that `refuses` looks at nothing: its answer is the same.
    """

    run: Run
    query: type[Strict] = NoParameters
    body: type[Strict] | None = None
    reads: Callable[[ApiRequest], Any] = _bodies.parse_body
    refuses: bool = False

    @property
    def parameters(self) -> dict[str, bool]:
        """The query parameters that it knows; none may be repeated."""
        return dict.fromkeys(self.query.model_fields, False)


def view(operations: Mapping[str, Operation]) -> View:
    """Return the view of a path, whose operations are given by method."""

    async def answer(request: ApiRequest, **path: Any) -> HttpResponse:
        try:
            return await _run(operations[str(request.method)], request, path)
        except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other of the API
            return await _refuse(request, error)

    return answer


async def _run(operation: Operation, request: ApiRequest, path: dict[str, Any]) -> HttpResponse:
    credentials = await _bearer(request)
    if credentials is None:
        raise AuthenticationError
    asked = cast("AuthenticatedRequest", request)
    asked.auth = credentials
    if operation.refuses:
        return await operation.run(asked)
    validation.refuse_odd_parameters(request, request.known_parameters)
    dry_runs.refuse(request)
    given = dict(path)
    if operation.query is not NoParameters:
        given["query"] = read(operation.query, request.GET.dict(), source="query")
    if operation.body is not None:
        given["body"] = read(operation.body, operation.reads(request))
    elif request.body:
        validation.refuse_body(_bodies.parse_any(request))
    return await operation.run(asked, **given)


async def _refuse(request: ApiRequest, error: Exception) -> HttpResponse:
    """Answer 401 rather than what is wrong with the input, ids too, where the token is bad, as our API does."""
    refusal = request.respond_to(request, error)
    if refusal.status_code in (400, 404, 409, 413, 415, 422, 428) and request.credentials and not request.is_accepted:
        try:
            await verify(request.credentials)
        except Exception as worse:  # noqa: BLE001 -- as above
            return request.respond_to(request, worse)
    return refusal


def read(model: type[M], values: Any, *, source: str = "body") -> M:
    """Return input as its schema reads it. Raises Problem."""
    try:
        return model.model_validate(values)
    except ValidationError as failure:
        raise validation.of_input(failure, model, source) from None


async def once(
    request: "AuthenticatedRequest", key: str, content: bytes, run: Callable[[], Awaitable[HttpResponse]]
) -> HttpResponse:
    """Run a write once for a key, and answer a repeat with what the first one was answered (accounts/idempotency)."""

    async def run_in(work: Work) -> HttpResponse:
        request.work = work
        try:
            return await run()
        finally:
            request.work = pool

    return await idempotency.answer_once(request.auth, key, content, run_in)


def answer(document: object) -> HttpResponse:
    """Answer 200 with a document."""
    return json_response(orjson.dumps(document))


def page(results: object, cursor: str | None = None, member: str = "results") -> HttpResponse:
    """Answer with a page of results, as Todoist's lists are."""
    return answer({member: results, "next_cursor": cursor})


def invalid(member: str, code: str, detail: str) -> Problem:
    """Return the problem of one member of the input."""
    return validation.invalid([{"pointer": f"#/{member}", "code": code, "detail": detail}])
