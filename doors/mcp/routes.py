"""The one path of the door, and what answers each of the protocol's methods."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, path
from ninja.errors import AuthenticationError

from accounts.authentication import Bearer
from accounts.queries import current_token, verify
from doors.mcp import messages
from doors.mcp.input import read
from doors.mcp.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Message, Refused
from doors.mcp.tools import INSTRUCTIONS, TOOLS, Tool
from todoproject.database.client.trial import trial
from todoproject.http import dry_runs, validation
from todoproject.http.body import StrictParser
from todoproject.http.cors import AllowedOrigins
from todoproject.http.problems import MALFORMED_REQUEST, Problem, ProblemType
from todoproject.http.request import ApiRequest
from todoproject.observability import logs

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

ROOT = "mcp"
FOREIGN_ORIGIN = ProblemType(
    "foreign-origin",
    403,
    "Foreign origin",
    "A page of another origin asks. CORS_ALLOWED_ORIGINS says whose pages may.",
)
# What is no matter of the tool: the token, a limit, or a server in trouble. Clients know these by their status.
_OF_TRANSPORT = frozenset({401, 429})

_bearer = Bearer()
_bodies = StrictParser()


async def answer(request: ApiRequest) -> HttpResponse:
    """Answer one message. There are no sessions: each one brings its token along."""
    request.only_reads = True  # until a tool says otherwise
    try:
        return await _answer(request)
    except Exception as error:  # noqa: BLE001 -- handed to the same mapping as any other of the API
        return request.respond_to(request, error)


async def _answer(request: ApiRequest) -> HttpResponse:
    _refuse_foreign_origin(request)
    credentials = await _bearer(request)
    if credentials is None:
        raise AuthenticationError
    asked = cast("AuthenticatedRequest", request)
    asked.auth = credentials
    message = None
    try:
        validation.refuse_odd_parameters(request, request.known_parameters)
        dry_runs.refuse(request)
        message = messages.read(_body(request))
        message.check(request.META)
        if message.is_notification:
            return await _acknowledge(asked)
        return await _dispatch(asked, message)
    except Refused as refused:
        await _verify(asked)
        return messages.refusal(None if message is None else message.id, refused)
    except Problem:
        await _verify(asked)
        raise


def _body(request: ApiRequest) -> Any:
    try:
        return _bodies.parse_body(request)
    except Problem as problem:
        if problem.type is not MALFORMED_REQUEST:
            raise
        raise Refused(messages.PARSE_ERROR, problem.detail) from None


async def _verify(request: "AuthenticatedRequest") -> None:
    """Answer 401 rather than what is wrong with the message where the token is bad, as our API does."""
    if not request.is_accepted:
        await verify(request.auth)


async def _acknowledge(request: "AuthenticatedRequest") -> HttpResponse:
    """Take note of a notification; none of them means anything without a session."""
    await _verify(request)
    response = HttpResponse(status=202)
    del response.headers["Content-Type"]
    return response


async def _dispatch(request: "AuthenticatedRequest", message: Message) -> HttpResponse:
    if message.method == "tools/call":
        return await _call(request, message)
    token = orjson.loads(await current_token(request.work, request.auth))
    match message.method:
        case "tools/list":
            tools = [tool.document for tool in TOOLS.values() if tool.scope in token["scopes"]]
            return messages.result(message, {"tools": tools, "ttlMs": 0, "cacheScope": "private"})
        case "server/discover":
            about = {"supportedVersions": [messages.PRESENT], "ttlMs": 0, "cacheScope": "private"}
            return messages.result(message, about | _ABOUT)
        case "initialize":
            asked = message.params.get("protocolVersion")
            version = asked if asked in messages.OLDER else messages.OLDER[0]
            return messages.result(message, {"protocolVersion": version, "serverInfo": messages.SERVER, **_ABOUT})
        case "ping":
            return messages.result(message, {})
    raise Refused(
        METHOD_NOT_FOUND, "There is no such method here. There are: tools/list, tools/call, server/discover, ping."
    )


_ABOUT = {"capabilities": {"tools": {}}, "instructions": INSTRUCTIONS}


async def _call(request: "AuthenticatedRequest", message: Message) -> HttpResponse:
    name, arguments = message.params.get("name"), message.params.get("arguments")
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise Refused(INVALID_PARAMS, f"There is no such tool. There are: {', '.join(TOOLS)}.")
    logs.note(tool=tool.name)
    try:
        told, is_error = await _run(request, tool, {} if arguments is None else arguments), False
    except Exception as error:  # noqa: BLE001 -- as above, for an answer that the agent can read
        refusal = request.respond_to(request, error)
        if refusal.status_code in _OF_TRANSPORT or refusal.status_code >= 500:
            return refusal
        await _verify(request)
        request.only_reads = True
        told, is_error = _failure(orjson.loads(refusal.content)), True
    written = orjson.dumps(told)
    content = [{"type": "text", "text": written.decode()}]
    result = {"content": content, "structuredContent": orjson.Fragment(written), "isError": is_error}
    return messages.result(message, result)


async def _run(request: "AuthenticatedRequest", tool: Tool, arguments: Any) -> dict[str, Any]:
    """Run a tool with arguments that its schema takes; some schemas of our API then look at them, too."""
    read(tool.takes, arguments)
    given = {**arguments}
    if given.pop("dry_run", False):
        request.work, request.is_dry_run = trial, True
    request.only_reads = request.is_dry_run or not tool.writes
    return await tool.run(request, given)


def _failure(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was wrong, in words: an agent that reads them tries again."""
    told = [
        f"{(error.get('parameter') or error.get('pointer') or '#').removeprefix('#/')}: {error['detail']}"
        for error in problem["errors"]
    ]
    more = {name: problem[name] for name in ("id", "required", "held", "conflicts", "task") if name in problem}
    return {"error": " ".join(told) or problem["detail"], "code": problem["code"], **more}


def _refuse_foreign_origin(request: ApiRequest) -> None:
    """Refuse pages that are not ours: a browser that stands inside a network would carry them in."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None or re.sub(r"^https?://", "", origin) == request.META.get("HTTP_HOST"):
        return
    if not AllowedOrigins(settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOWS_LOCALHOST).known(
        origin.encode("latin-1")
    ):
        raise Problem(FOREIGN_ORIGIN, FOREIGN_ORIGIN.description)


patterns: list[URLPattern | URLResolver] = [path(ROOT, cast("Callable[..., HttpResponse]", answer))]
parameters: Mapping[str, Mapping[str, Mapping[str, bool]]] = {f"/{ROOT}": {"POST": {}}}
