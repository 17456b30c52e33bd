"""The admin and the documentation, seen as the API is: a request id, an access line, the count."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from todoproject.http import activity, body, problems
from todoproject.http.client_address import limited_as
from todoproject.http.middleware import limiter, log, request_id
from todoproject.http.problems import Problem
from todoproject.http.routing import template
from todoproject.observability import logs, metrics


class AccessMiddleware:
    """Log and count the requests that Django's own handler answers. Static files are counted, and not worth a line."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer(request)
        with _watched(request) as done:
            return done(self._get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        with _watched(request) as done:
            return done(await self._get_response(request))

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Note the route and, where the view will ask for them anyway, the member of staff: before any slow query."""
        match = request.resolver_match
        if match is None:
            return
        logs.note_route(template(match.route))
        if match.app_name == "admin" and settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.pk:
            logs.name_user(str(request.user.pk))


@contextmanager
def _watched(request: HttpRequest) -> Iterator[Callable[[HttpResponseBase], HttpResponseBase]]:
    """Give the lines of a request its context; what is yielded takes the answer, to log and count it."""
    started = time.perf_counter()
    current = logs.RequestContext(
        request_id({b"x-request-id": request.headers.get("X-Request-ID", "").encode("latin-1", "replace")})
    )
    token = logs.context.set(current)

    def done(response: HttpResponseBase) -> HttpResponseBase:
        response.headers["X-Request-ID"] = current.request_id
        is_static = request.path.startswith(settings.STATIC_URL)
        route = settings.STATIC_URL + "{path}" if is_static else current.route
        seconds, method = time.perf_counter() - started, request.method or ""
        metrics.count_request(method, route, response.status_code, seconds, current.database_seconds)
        if not is_static:
            scope = {"client": (request.META.get("REMOTE_ADDR"), 0), "method": method}
            log(scope, route, response.status_code, seconds, current)
            activity.note(method)
        return response

    try:
        yield done
    finally:
        logs.context.reset(token)


_PAGES_AT_A_TIME = 4
# A page names some twenty files, which a browser then keeps. They cost like pages where they are not there at all.
_FILES_FACTOR = 4

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class BoundedPages:
    """Django's door within bounds: of bodies, which it writes to disk by itself, of requests, and of those at a time.

    Pages are made in threads, which take the processor from the event loop: unbounded, a hundred of them at once make
    the API twenty times slower. A page counts until its answer begins: an export that is read slowly keeps nobody out.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._places = asyncio.Semaphore(_PAGES_AT_A_TIME)
        self._limiter, self._files_limiter = limiter(), limiter(times=_FILES_FACTOR)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve a page, or refuse to."""
        try:
            content = await self._admit(scope, receive)
        except RequestAborted:
            return  # the client left before it had sent its request
        except Problem as problem:
            await _refuse(problem, scope, send)
            return
        messages = iter([{"type": "http.request", "body": content, "more_body": False}])

        async def receive_again() -> Any:
            return next(messages, None) or await receive()

        if scope["path"].startswith(settings.STATIC_URL):
            await self._application(scope, receive_again, send)
        else:
            await self._make_page(scope, receive_again, send)

    async def _admit(self, scope: dict[str, Any], receive: Any) -> bytes:
        is_file = scope["path"].startswith(settings.STATIC_URL)
        if (limits := self._files_limiter if is_file else self._limiter) is not None:
            client = scope.get("client")
            address = "pages " + limited_as(client[0] if client else "")
            charge = limits.charge(address, None, time.monotonic())
            if charge.is_refused:
                raise charge.refusal()
        body.refuse_length(scope["headers"])
        return await body.read(receive)

    async def _make_page(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._places)

            async def send_and_leave(message: Any) -> None:
                if message["type"] == "http.response.start":
                    await place.aclose()
                await send(message)

            await self._application(scope, receive, send_and_leave)


async def _refuse(problem: Problem, scope: dict[str, Any], send: Any) -> None:
    started = time.perf_counter()
    current = logs.RequestContext(request_id(dict(scope["headers"])))
    token = logs.context.set(current)
    try:
        response = problems.respond(problem, scope["path"])
        seconds = time.perf_counter() - started
        metrics.count_request(scope["method"], None, response.status_code, seconds, 0.0)
        log(scope, None, response.status_code, seconds, current)
    finally:
        logs.context.reset(token)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"x-request-id", current.request_id.encode()), (b"content-length", b"%d" % len(response.content))]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
