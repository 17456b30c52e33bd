"""The API's way through Django: the route and the view, and nothing that would start a thread.

Django's own handler sends `request_started` to synchronous receivers, closes responses in a thread and keeps two
tasks to watch for a disconnect, on every request. The API touches no synchronous ORM, so it needs none of that.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.urls import URLPattern, URLResolver

from todoproject.database.client.pool import pool
from todoproject.http import body, framing, problems, streams
from todoproject.http.middleware import ApiMiddleware, SecretOf, is_probe, no_secret
from todoproject.http.problems import HTTPS_REQUIRED, MALFORMED_REQUEST, METHOD_NOT_ALLOWED, WRONG_HOST, Problem
from todoproject.http.request import ApiRequest, RespondTo
from todoproject.http.routing import Routes, path_of
from todoproject.observability import logs

# For each path template and method, the query parameters that the operation knows, and whether each may be repeated.
Parameters = Mapping[str, bool]
Operations = Mapping[str, Mapping[str, Parameters]]

# A hundred operations become some 500 kB of objects. What waits for the database should be their bytes alone.
_LARGE_BYTES = 4096


class ApiHandler(ASGIHandler):
    """Serve the API: read the body up to its limit, call the view, send the answer.

    A request that has begun is finished even if its client leaves: a write is never cancelled half way.
    """

    def __init__(
        self,
        patterns: Sequence[URLPattern | URLResolver],
        operations: Operations,
        respond_to: RespondTo,
        secret_of: SecretOf = no_secret,
    ) -> None:
        # Not super().__init__(): it would load Django's middleware.
        self._routes = Routes(patterns)
        self._operations = operations
        self._respond_to = respond_to
        self._respond = ApiMiddleware(self._get_response, secret_of)
        self._secret_of = secret_of

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            answer = await self._respond(scope, receive)
        except RequestAborted:
            return  # the client left before it had sent its request
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.stream is not None and scope["method"] != "HEAD":
            await streams.write(answer.stream, scope, receive, send)
            return
        if answer.stream is not None:
            answer.stream.forget()
        await send({"type": "http.response.body", "body": answer.body})

    async def _get_response(self, request: ApiRequest, receive: Any) -> HttpResponse:
        _refuse_misdirected(request)
        _refuse_unreadable_url(request)
        if request.method == "POST" and request.path == framing.LONG_BODY:
            return await self._get_response_to_long(request, body.Unread(receive, request.META))
        body.refuse_length(request.scope["headers"])
        content = await body.read(receive)
        return await self._call(request, content)

    async def _get_response_to_long(self, request: ApiRequest, unread: body.Unread) -> HttpResponse:
        """Call an operation that reads its body itself, after its token was accepted."""
        request.read_body = unread.read
        try:
            response = await self._call(request, b"")
        except Problem as problem:
            if not unread.is_read:
                problem.headers["Connection"] = "close"
            raise
        if not unread.is_read:  # the next request could not be told from the rest of this one
            response.headers["Connection"] = "close"
        return response

    async def _call(self, request: ApiRequest, content: bytes) -> HttpResponse:
        request._stream, request._body = io.BytesIO(content), content
        view, arguments, methods = self._resolve(request)
        if request.method == "OPTIONS":
            return _options(methods)
        if request.method == "HEAD":
            request.method = "GET"  # the server sends the same headers and drops the body
        if request.method not in methods:
            detail = f"This resource knows {_allow(methods)}."
            raise Problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": _allow(methods)})
        request.known_parameters = methods[request.method]
        request.respond_to = self._respond_to
        async with self._turn(request, content):
            response: HttpResponse = await view(request, **arguments)
        return response

    def _resolve(self, request: ApiRequest) -> tuple[Any, dict[str, Any], Mapping[str, Parameters]]:
        path = path_of(request.path_info, request.scope.get("raw_path") or b"")
        if (found := self._routes.find(path)) is None:
            # What could be somebody's is answered as if it were.
            could_be = self._routes.could_be(request.path_info)
            raise problems.not_found() if could_be else problems.no_such_path(self._routes.nearest(request.path_info))
        (request.route, view), arguments = found
        logs.note_route(request.route)
        return view, arguments, self._operations[request.route]

    def _turn(self, request: ApiRequest, content: bytes) -> AbstractAsyncContextManager[None]:
        # Without a token a large body is refused soon, and must not be kept waiting before that.
        if len(content) <= _LARGE_BYTES:
            return nullcontext()
        has_token = "HTTP_AUTHORIZATION" in request.META or self._secret_of(request.path) is not None
        return pool.turn() if has_token else nullcontext()


def _refuse_misdirected(request: ApiRequest) -> None:
    """Refuse other names than ours, and tokens in the clear; health probes ask by address, and beside the proxy."""
    if is_probe(request.path):
        return
    host = request.META.get("HTTP_HOST", "")
    # A host that is none has been refused by the server; HTTP/1.0 need not name one.
    if host and not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        raise Problem(WRONG_HOST, WRONG_HOST.description)
    if settings.SECURE_SSL_REDIRECT and request.scope["scheme"] != "https" and not _is_from_here(request):
        raise Problem(HTTPS_REQUIRED, HTTPS_REQUIRED.description)


def _is_from_here(request: ApiRequest) -> bool:
    """Whether the request comes from this machine itself, and no trusted proxy says for whom: nobody else hears it."""
    client = request.scope.get("client")
    return client is None or client[0] in ("127.0.0.1", "::1")


def _refuse_unreadable_url(request: ApiRequest) -> None:
    """Refuse escapes that are not UTF-8, and NUL, which nothing here can store."""
    query = request.META["QUERY_STRING"]
    try:
        decoded = unquote_to_bytes(query.replace("+", " ")).decode("utf-8") if query else ""
    except UnicodeDecodeError:
        raise Problem(MALFORMED_REQUEST, "The query string is not UTF-8.") from None
    # The server has replaced what it could not decode in the path.
    if "\x00" in decoded or "\x00" in request.path or "\ufffd" in request.path:
        raise Problem(MALFORMED_REQUEST, "The URL holds NUL or escapes that are not UTF-8.")


def _options(methods: Mapping[str, Parameters]) -> HttpResponse:
    response = HttpResponse(status=204, headers={"Allow": _allow(methods)})
    del response.headers["Content-Type"]
    return response


def _allow(methods: Mapping[str, Parameters]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}))
