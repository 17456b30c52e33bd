"""What every operation of the API is wrapped in: a bad token is told before bad input, and Idempotency-Key is kept."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpResponse

from accounts import idempotency
from accounts.authentication import Bearer
from accounts.queries import verify
from todoproject.database.client.pool import Work, pool
from todoproject.http import dry_runs, problems
from todoproject.http.problems import Problem
from todoproject.http.request import ApiRequest
from todoproject.openapi.document import TRIED_BY_ITSELF, UNKEYED

View = Callable[..., Awaitable[HttpResponse]]

_bearer = Bearer()


def answer_401_before_422(run: View) -> View:
    """Answer 401 rather than a validation error where the token is bad: strangers learn nothing about the input."""

    operation = inspect.unwrap(run).__self__
    takes_body = any(model.__ninja_param_source__ == "body" for model in operation.models)
    tries_by_itself = operation.operation_id in TRIED_BY_ITSELF

    @functools.wraps(run)
    async def run_then_verify(request: ApiRequest, **path: Any) -> HttpResponse:
        request.takes_body, request.tries_by_itself = takes_body, tries_by_itself
        response = await run(request, **path)
        dry_runs.tell(request, response)
        if response.status_code in (400, 415, 422, 428) and request.credentials and not request.is_accepted:
            try:
                await verify(request.credentials)
            except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other
                return request.respond_to(request, error)
        return response

    return run_then_verify


def with_idempotency_key(run: View) -> View:
    """Keep what Idempotency-Key promises, on every POST and PATCH that needs a token."""
    operation = inspect.unwrap(run).__self__

    @functools.wraps(run)
    async def run_once(request: ApiRequest, **path: Any) -> HttpResponse:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        # Without an account there is nobody whose key it could be, even if a token is sent: the header is ignored.
        is_keyed = key is not None and request.method in ("POST", "PATCH") and operation.auth_callbacks
        if is_keyed and operation.operation_id in UNKEYED:
            return request.respond_to(request, Problem(problems.MALFORMED_REQUEST, "This takes no Idempotency-Key."))
        credentials = await _bearer(request) if is_keyed else None
        if key is None or credentials is None:
            return await run(request, **path)
        if dry_runs.is_asked(request):  # which must not use up the key of the write that it is tried for
            return await _run_with_good_key(run, request, key, path)

        async def run_in(work: Work) -> HttpResponse:
            request.work = work
            try:
                return await run(request, **path)
            finally:
                request.work = pool

        prepares = operation.operation_id in _PREPARING
        try:
            return await idempotency.answer_once(credentials, key, _fingerprint(request), run_in, prepares=prepares)
        except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other
            return request.respond_to(request, error)

    return run_once


async def _run_with_good_key(run: View, request: ApiRequest, key: str, path: dict[str, Any]) -> HttpResponse:
    try:
        idempotency.check(key)
    except idempotency.MalformedKey as error:
        return request.respond_to(request, error)
    return await run(request, **path)


# They hash a password before they write, and hold no connection meanwhile.
_PREPARING = frozenset({"change_password", "change_email"})


def _fingerprint(request: ApiRequest) -> bytes:
    """Return everything that makes a request this one: what a repeat must equal."""
    parts = [str(request.method).encode(), request.get_full_path().encode(), request.body]
    if (if_match := request.META.get("HTTP_IF_MATCH")) is not None:
        parts.append(if_match.encode())
    return b"\0".join(parts)
