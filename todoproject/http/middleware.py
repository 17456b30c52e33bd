"""The API's one middleware: request id, limits, problems for whatever goes wrong, the access line, headers."""

import io
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.http import HttpResponse
from uuid_utils import uuid7

from todoproject.http import activity, compression, problems
from todoproject.http.client_address import limited_as
from todoproject.http.cors import AllowedOrigins
from todoproject.http.problems import MALFORMED_REQUEST, Problem
from todoproject.http.rate_limits import Charge, Limiter, Policy
from todoproject.http.request import ApiRequest, bearer_token
from todoproject.http.streams import EventStream
from todoproject.observability import logs, metrics

logger = logging.getLogger("todoproject.access")

_REQUEST_ID = re.compile(r"[!-~]{1,128}")  # printable ASCII, no spaces

GetResponse = Callable[[ApiRequest, Any], Awaitable[HttpResponse]]
SecretOf = Callable[[str], str | None]  # what a path holds in place of a bearer token


def no_secret(path: str) -> str | None:
    """Return no secret: of paths that hold none."""
    return None


class Answer(NamedTuple):
    """An answer as ASGI sends it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    stream: EventStream | None = None  # what goes on behind the headers


class ApiMiddleware:
    """Run one request of the API and log it. Every answer has a request id; every error is a problem document."""

    def __init__(self, get_response: GetResponse, secret_of: SecretOf = no_secret) -> None:
        self._get_response = get_response
        self._secret_of = secret_of
        self._headers = _constant_headers()
        self._limiter = limiter()
        self._origins = AllowedOrigins(settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOWS_LOCALHOST)

    async def __call__(self, scope: dict[str, Any], receive: Any) -> Answer:
        """Return the answer to a request. Raises RequestAborted where the client left before it had sent it."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        current = logs.RequestContext(request_id(headers))
        token = logs.context.set(current)
        try:
            response, request = await self._answer_within_limits(scope, headers, receive)
            route = None if request is None else request.route
            if not is_probe(scope["path"]):
                self._origins.admit(headers, scope["method"], response)
                if request is None:
                    activity.note(scope["method"])
                else:
                    activity.note(scope["method"], request.owner, only_reads=request.only_reads)
            answer = _with_known_tag(_answer(response, current.request_id, self._headers), headers)
            if _is_compressible(answer, response) and compression.is_wanted(headers):
                answer = await _compressed(answer)
            seconds = time.perf_counter() - started
            metrics.count_request(scope["method"], route, answer.status, seconds, current.database_seconds)
            log(scope, route, answer.status, seconds, current)
            return answer
        finally:
            logs.context.reset(token)

    async def _answer_within_limits(
        self, scope: dict[str, Any], headers: dict[bytes, bytes], receive: Any
    ) -> tuple[HttpResponse, ApiRequest | None]:
        """Answer, or refuse before the database is asked; tell how the limit stands in either case."""
        if self._limiter is None or _is_free(scope):
            response, request = await self._answer(scope, receive)
        else:
            token = self._secret_of(scope["path"]) or _token(headers)
            charge = self._limiter.charge(_counted_as(scope), token, time.monotonic())
            if charge.is_refused:
                return problems.respond(charge.refusal(), scope["path"]), None
            response, request = await self._answer(scope, receive)
            if (owner := None if request is None else request.owner) is not None:
                charge = self._limiter.accept(charge, owner, time.monotonic())
            elif response.status_code == 401 or (request is not None and request.is_refused):
                self._limiter.refuse(charge)
            _tell(charge, response)
        return response, request

    async def _answer(self, scope: dict[str, Any], receive: Any) -> tuple[HttpResponse, ApiRequest | None]:
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
        return response, request


def _answer(response: HttpResponse, request_id: str, constant: Sequence[tuple[bytes, bytes]]) -> Answer:
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers += constant
    headers.append((b"x-request-id", request_id.encode("ascii")))
    if "Cache-Control" not in response.headers:  # a new token says no-store
        headers.append((b"cache-control", b"private, no-cache"))
    if isinstance(response, EventStream):
        return Answer(response.status_code, headers, b"", response)
    if response.status_code not in (204, 304):  # neither has a body, and 0 is not the length of a 304's task
        headers.append((b"content-length", str(len(response.content)).encode()))
    return Answer(response.status_code, headers, response.content)


def _is_compressible(answer: Answer, response: HttpResponse) -> bool:
    return (
        200 <= answer.status < 300 and len(answer.body) > compression.LEAST_BYTES and "Content-Encoding" not in response
    )


async def _compressed(answer: Answer) -> Answer:
    body = await compression.compress(answer.body)
    headers = [
        (name, compression.tag(value) if name == b"etag" else value)
        for name, value in answer.headers
        if name != b"content-length"
    ]
    return Answer(
        answer.status, [*headers, (b"content-encoding", b"gzip"), (b"content-length", str(len(body)).encode())], body
    )


def _with_known_tag(answer: Answer, sent: dict[bytes, bytes]) -> Answer:
    """Return a 304 with the tag of the representation that the client has (RFC 9110, section 15.4.5)."""
    known = sent.get(b"if-none-match", b"")
    if answer.status != 304:
        return answer
    tags = {name: value for name, value in answer.headers if name == b"etag" and compression.tag(value) in known}
    return Answer(
        304, [(name, compression.tag(value) if name in tags else value) for name, value in answer.headers], answer.body
    )


def _constant_headers() -> list[tuple[bytes, bytes]]:
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # For whoever opens an answer in a browser: it is data, no page.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        # A browser's cache must not give one account what it has stored for another.
        "Vary": f"Authorization, Accept-Encoding{', Origin' if _admits_origins() else ''}",
    }
    if settings.SECURE_HSTS_SECONDS:
        subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}"
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _admits_origins() -> bool:
    return bool(settings.CORS_ALLOWED_ORIGINS or settings.CORS_ALLOWS_LOCALHOST)


def limiter(times: int = 1) -> Limiter | None:
    """Return a limiter as the settings want it, or of so many times what they allow without a token; None: off."""
    if settings.RATE_LIMIT is None or settings.RATE_LIMIT_ANONYMOUS is None:
        return None
    quota, window = settings.RATE_LIMIT_ANONYMOUS
    return Limiter(
        Policy("default", *settings.RATE_LIMIT),
        Policy("account", *(settings.RATE_LIMIT_ACCOUNT or _twice(*settings.RATE_LIMIT))),
        Policy("anonymous", times * quota, window),
    )


def _twice(quota: int, window: int) -> tuple[int, int]:
    """Return what an account may where no setting says it: somebody has a few devices, and not all at once."""
    return 2 * quota, window


def is_probe(path: str) -> bool:
    """Tell whether a path is for whoever watches the process, and not for its users."""
    return path.startswith("/health") or path == "/metrics"


def _is_free(scope: dict[str, Any]) -> bool:
    """Tell what is not counted: browsers' preflights, and a probe whose failure would stop the process."""
    return bool(scope["method"] == "OPTIONS" or scope["path"] == "/health/live")


def _counted_as(scope: dict[str, Any]) -> str:
    client = scope.get("client")
    address = limited_as(client[0] if client else "")
    # A flood of requests must not make the monitor behind the same address believe that we are down.
    return "health " + address if scope["path"].startswith("/health") else address


def _token(headers: dict[bytes, bytes]) -> str | None:
    authorization = headers.get(b"authorization")
    return None if authorization is None else bearer_token(authorization.decode("latin-1"))


def _tell(charge: Charge, response: HttpResponse) -> None:
    policy, standing = charge.headers()
    if response.status_code == 429 and "RateLimit" in response.headers:  # of attempts: both headers are lists
        policy = f"{response.headers['RateLimit-Policy']}, {policy}"
        standing = f"{response.headers['RateLimit']}, {standing}"
    response.headers["RateLimit-Policy"], response.headers["RateLimit"] = policy, standing


def request_id(headers: dict[bytes, bytes]) -> str:
    """Return the client's request id if it is a sane one, else a new one."""
    text = headers.get(b"x-request-id", b"").decode("latin-1")
    return text if _REQUEST_ID.fullmatch(text) else str(uuid7())


def log(scope: dict[str, Any], route: str | None, status: int, seconds: float, current: logs.RequestContext) -> None:
    """Write the access line of a request that was answered."""
    level = logging.INFO if status < 500 else logging.WARNING
    if logger.isEnabledFor(level):
        client = scope.get("client")
        facts = {
            "client": client[0] if client else None,
            "method": scope["method"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "database_ms": round(current.database_seconds * 1000, 2),
            **current.facts,
        }
        logger.log(level, "request", extra=facts)
