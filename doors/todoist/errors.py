"""Errors in Todoist's shape: our problem documents, put in its words behind everything that can refuse a request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from todoproject.http import problems
from todoproject.http.problems import Problem, ProblemType

# No 501: it would count as a failure of the server in every monitor, and it is the client that asks for something else.
NOT_SUPPORTED = ProblemType(
    "not-supported",
    404,
    "Not supported",
    "Todoist has this and this server does not; docs/doors.md says what there is.",
)
# Todoist answers 400 to input that breaks a rule.
_STATUSES = {422: 400}
# How members are called there. Where ours stand in a pointer, theirs are meant.
_MEMBERS = {
    "title": "content",
    "list_id": "project_id",
    "due_on": "due_date",
    "due_at": "due_datetime",
    "completed_after": "since",
    "completed_before": "until",
    "due_after": "since",
    "due_before": "until",
}

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def not_supported(detail: str) -> Problem:
    """Return the problem for what Todoist has and this server does not."""
    return Problem(NOT_SUPPORTED, detail)


def in_todoists_words(app: App) -> App:
    """Return the application with its problem documents translated."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        held: list[dict[str, Any]] = []

        async def translate(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                held.append(message)
            elif held:
                for each in _translated(held.pop(), message):
                    await send(each)
            else:
                await send(message)

        await app(scope, receive, translate)

    return answer


def _is_problem(start: Mapping[str, Any]) -> bool:
    return (b"content-type", problems.MEDIA_TYPE.encode()) in start["headers"]


def _translated(start: dict[str, Any], body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    content = orjson.dumps(document(orjson.loads(body["body"])))
    kept = [header for header in start["headers"] if header[0] not in (b"content-type", b"content-length")]
    headers = [*kept, (b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    status = _STATUSES.get(start["status"], start["status"])
    return start | {"status": status, "headers": headers}, body | {"body": content}


def document(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem document as Todoist writes errors; `error_extra` has what its form has no place for."""
    status = _STATUSES.get(problem["status"], problem["status"])
    told = [_error(error) for error in problem["errors"]]
    sentence = " ".join(f"{error['argument']}: {error['explanation']}" for error in told) or problem["detail"]
    extra = {"errors": told, "code": problem["code"], "request_id": problem["request_id"]}
    return {
        "error": sentence,
        "error_code": status,
        "error_extra": extra,
        "error_tag": problem["code"].replace("-", "_").upper(),
        "http_code": status,
    }


def _error(error: Mapping[str, str]) -> dict[str, str]:
    name = error.get("parameter") or error.get("pointer", "#").removeprefix("#/")
    first, slash, rest = name.partition("/")
    return {
        "argument": _MEMBERS.get(first, first) + slash + rest,
        "explanation": error["detail"],
        "code": error["code"],
    }
