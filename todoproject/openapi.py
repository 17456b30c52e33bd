"""The OpenAPI 3.1 document: what Django Ninja derives from the operations, completed with every error they can give."""

from collections.abc import Mapping
from typing import Any

import orjson

from todoproject.problems import (
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemType,
)
from todoproject.schemas import ProblemDocument

_ALWAYS = (MALFORMED_REQUEST, TOO_MANY_REQUESTS, INTERNAL_ERROR, UNAVAILABLE)
_WITH_BODY = (TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)


def answers(good: Mapping[int, Any], *problems: ProblemType) -> dict[int, Any]:
    """Declare what an operation answers: its good statuses, its own problems, and those that any operation has."""
    statuses = sorted({problem.status for problem in (*problems, *_ALWAYS)})
    return {**good, **dict.fromkeys(statuses, ProblemDocument)}


def complete(document: dict[str, Any]) -> bytes:
    """Give problems their media type and operations with a body their two errors; return the document as JSON."""
    for path in document["paths"].values():
        for operation in path.values():
            _complete_operation(operation)
    return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


def _complete_operation(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "requestBody" in operation:
        for problem in _WITH_BODY:
            responses[problem.status] = {"description": problem.title, "content": _problem_content()}
    for status, response in responses.items():
        if status >= 400:
            response["content"] = _problem_content()


def _problem_content() -> dict[str, Any]:
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


def query_parameters(document: bytes) -> dict[str, dict[str, frozenset[str]]]:
    """Return the names of each operation's query parameters, by path template and method."""
    return {
        path: {
            method.upper(): frozenset(p["name"] for p in operation.get("parameters", ()) if p["in"] == "query")
            for method, operation in operations.items()
        }
        for path, operations in orjson.loads(document)["paths"].items()
    }
