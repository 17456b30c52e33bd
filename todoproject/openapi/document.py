"""The OpenAPI 3.1 document: what Django Ninja derives from the operations, completed by rules that hold for all.

An operation says what is its own (`answers`): good statuses and problems. What follows from its method, its security
or its statuses is said once, here: headers, the idempotency key, errors that anything can give, and examples.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from accounts.idempotency import OUTCOMES
from todoproject.http.field_types import ProblemDocument, open_words
from todoproject.http.problems import (
    ANSWER_WITHHELD,
    CATALOGUE,
    CONFLICT,
    HEAD_TOO_LARGE,
    IN_FLIGHT,
    INTERNAL_ERROR,
    INVALID,
    INVALID_TOKEN,
    KEY_REUSED,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    OUTCOME_UNKNOWN,
    TOO_LARGE,
    TOO_MANY_ANSWERS,
    TOO_MANY_CHANGES,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemType,
)
from todoproject.openapi import examples, json_schema
from todoproject.openapi import operations as descriptions

GUIDE = Path(__file__).with_name("guide.md")
# The address in the guide's examples, which `manage.py runserver` serves at unless told otherwise.
ADDRESS = "http://127.0.0.1:8000"

# 413: the body is read before it is known whether anybody wants it. 422: an unknown query parameter. 431: a long one.
_ALWAYS = (MALFORMED_REQUEST, TOO_LARGE, INVALID, TOO_MANY_REQUESTS, HEAD_TOO_LARGE, INTERNAL_ERROR, UNAVAILABLE)
_WITH_BODY = (UNSUPPORTED_MEDIA_TYPE,)
_WRITING = (OUTCOME_UNKNOWN,)
_WITH_KEY = (IN_FLIGHT, ANSWER_WITHHELD, TOO_MANY_ANSWERS, CONFLICT, KEY_REUSED)
_CHANGING = {"tasks", "lists", "labels", "changes"}  # tags of the operations whose writes take change numbers

# What a key is refused for: what it makes is for one use, so there is nothing to be repeated.
UNKEYED = {"create_stream_ticket"}

_TAGS = {
    "accounts": "Registering, logging in and out, and the account itself.",
    "sessions": "The logins of the account, and how they end.",
    "tokens": "Personal access tokens for scripts and devices, each with the scopes it needs.",
    "tasks": "The tasks of the account that the token belongs to.",
    "lists": "The lists that tasks are kept in. A task in none of them is in the inbox.",
    "labels": "The labels on tasks: the same whatever their case and width.",
    "changes": "What has changed, in order: for clients that keep a copy.",
    "webhooks": "Addresses that are told of changes, signed by the Standard Webhooks specification.",
    "streams": "What happens, as it happens: server-sent events.",
    "health": "For monitors and load balancers; no token needed.",
}
_SECURITY = (
    "A token from register, log in or `POST /v1/tokens`. It is shown once, and ends when it is revoked or expires."
)
_TICKET = "For live streams: from `POST /v1/auth/stream-ticket`. It opens one, once, within a minute."
_TEXT = {"type": "string"}
_HEADERS = {
    "X-Request-ID": ("The request's id, to find it in the logs: the client's own, or a new one.", _TEXT),
    "WWW-Authenticate": ("How to authenticate (RFC 6750).", {"enum": ["Bearer", INVALID_TOKEN], "type": "string"}),
    "Retry-After": ("After how many seconds to try again.", {"type": "integer", "minimum": 1}),
    "RateLimit": ("What is left of the limit.", _TEXT),
    "RateLimit-Policy": ("The limit.", _TEXT),
    "ETag": ("The version in quotes, for `If-Match` and `If-None-Match`.", _TEXT),
    "Location": ("Where the new object is.", {"type": "string", "format": "uri-reference"}),
    "Affected": (
        "How many things were changed: this one, and what went along with it.",
        {"type": "integer", "minimum": 0},
    ),
    "Change-No": (
        "The last of your change numbers that this took; absent where nothing was changed.",
        {"type": "integer"},
    ),
    "Idempotency-Replayed": ("Only there, and `true`, where this answer was stored under the key before.", _TEXT),
}
_OPTIONAL_HEADERS = {"Change-No", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy"}
_HEADERS_OF_STATUS = {
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    412: ("ETag",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_PARAMETERS = {
    "X-Request-ID": {
        "description": "An id of yours for this request, 1 to 128 printable ASCII characters; any other is replaced.",
        "schema": _TEXT,
    },
    "Idempotency-Key": {
        # No example: the reference would send it with each try, and the second would be another request's key.
        "description": "New for each write, such as a UUID, and the same when it is sent again: the write happens once."
        " Kept for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    },
}

Operation = dict[str, Any]


class _ProblemStatus(int):
    """A status with the codes of the problems that it may be: Ninja passes a status on as it was given.

    To Ninja such an answer has no body. A model for the body of each would be hundreds that are all alike, made and
    described by every process that starts: more than half of what a start costs.
    """

    codes: list[str]

    @classmethod
    def of(cls, status: int, codes: list[str]) -> "_ProblemStatus":
        made = cls(status)
        made.codes = codes
        return made


def answers(good: Mapping[int, Any], *problems: ProblemType) -> dict[int, Any]:
    """Declare what an operation answers: its good statuses, its own problems, and those that any operation has."""
    codes: dict[int, list[str]] = {}
    for problem in (*problems, *_ALWAYS):
        if problem.code not in codes.setdefault(problem.status, []):
            codes[problem.status].append(problem.code)
    return {**good, **{_ProblemStatus.of(status, codes[status]): None for status in sorted(codes)}}


def complete(document: dict[str, Any]) -> bytes:
    """Complete Ninja's document by what holds for all operations; return it as JSON."""
    components = document["components"]
    components["schemas"] |= _problem_schemas()
    components["headers"] = {name: _header(name) for name in _HEADERS}
    components["parameters"] = {name: {"in": "header", "name": name, **of} for name, of in _PARAMETERS.items()}
    components["examples"] = {code: _problem_example(problem) for code, problem in CATALOGUE.items()}
    for scheme in components["securitySchemes"].values():
        if scheme["type"] == "http":
            scheme |= {"bearerFormat": "todo_…", "description": _SECURITY}
        else:
            scheme["description"] = _TICKET
    document["info"] |= {
        "description": GUIDE.read_text("utf-8"),
        "license": {"name": "MIT", "identifier": "MIT"},
        "contact": {"name": "The operators of this server"},
    }
    document["servers"] = [{"url": "/", "description": "This server"}]
    operations = list(_operations(document))
    json_schema.schemas(document)
    for method, operation in operations:
        _complete(method, operation, components["schemas"])
        descriptions.complete(operation, method)
    json_schema.open_answers(document)
    used = dict.fromkeys(tag for _, operation in operations for tag in operation["tags"])
    document["tags"] = [{"name": tag, "description": _TAGS.get(tag, "")} for tag in used]
    json_schema.drop_unused(document)
    return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


def at(document: bytes, address: str) -> bytes:
    """Return the document with examples for the server at this address: who pastes them shall ask no other one."""
    return document.replace(ADDRESS.encode(), address.encode())


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path in document["paths"].values():
        yield from path.items()


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    # Open: more codes come with time, and a client must not fall over one.
    schema["properties"]["code"] |= open_words(CATALOGUE)
    del schema["properties"]["code"]["type"]
    return {**schema.pop("$defs"), "ProblemDocument": schema}


def _header(name: str) -> dict[str, Any]:
    description, schema = _HEADERS[name]
    return {"description": description, "required": name not in _OPTIONAL_HEADERS, "schema": schema}


def _problem_example(problem: ProblemType) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": problem.uri,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.description,
        "instance": "/v1/tasks",
        "code": problem.code,
        "request_id": "01991f3e-7c00-7000-8000-00000000beef",
        "errors": [],
    }
    if problem.code == INVALID.code:
        detail = "Unknown member; did you mean title?"
        document |= {"detail": detail, "errors": [{"pointer": "#/titel", "code": "unknown", "detail": detail}]}
    return {"summary": problem.title, "value": document}


# --- One operation --------------------------------------------------------------------------------


def _complete(method: str, operation: Operation, schemas: dict[str, Any]) -> None:
    takes_key = method in ("post", "patch") and "security" in operation and operation["operationId"] not in UNKEYED
    is_change = method != "get" and bool(_CHANGING & {*operation["tags"]})
    _complete_parameters(operation["parameters"], schemas)
    names = ["X-Request-ID", *(["Idempotency-Key"] if takes_key else [])]
    operation["parameters"] += [{"$ref": f"#/components/parameters/{name}"} for name in names]
    if "requestBody" in operation:
        _complete_body(method, operation["requestBody"], schemas)
    more = (
        *(_WITH_BODY if "requestBody" in operation else ()),
        *(_WRITING if method != "get" else ()),
        *((TOO_MANY_CHANGES,) if is_change else ()),
        *(_WITH_KEY if takes_key else ()),
    )
    operation["responses"] = _responses(operation["responses"], more)
    always = ["X-Request-ID", *(["RateLimit", "RateLimit-Policy"] if 429 in operation["responses"] else [])]
    for status, response in operation["responses"].items():
        if status < 400:
            _complete_good(response, schemas)
        changes = (
            ["Affected", "Change-No"] if status < 300 and method != "get" and _CHANGING & {*operation["tags"]} else []
        )
        names = [*always, *changes, *_header_names(status, response, schemas, takes_key=takes_key)]
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = headers | response.get("headers", {})


def _complete_parameters(parameters: Iterable[dict[str, Any]], schemas: dict[str, Any]) -> None:
    """Give what an operation cannot do without an example, which the reference fills in; all else starts empty."""
    for parameter in parameters:
        if parameter.get("required"):
            parameter.setdefault("example", examples.parameter(parameter["name"], parameter["schema"], schemas))


def _complete_body(method: str, body: dict[str, Any], schemas: dict[str, Any]) -> None:
    is_patch = method == "patch"
    for content in body["content"].values():
        content.setdefault("example", examples.request(content["schema"], schemas, is_patch=is_patch))
    if is_patch:
        body["content"]["application/merge-patch+json"] = body["content"]["application/json"]


def _responses(declared: dict[int, Any], more: Iterable[ProblemType]) -> dict[int, Any]:
    """Return the responses in order, each error with the problems it may be."""
    good = {status: response for status, response in declared.items() if not isinstance(status, _ProblemStatus)}
    codes = {int(status): status.codes for status in declared if isinstance(status, _ProblemStatus)}
    for problem in more:
        codes[problem.status] = [*dict.fromkeys([*codes.get(problem.status, []), problem.code])]
    problems = {status: _problem_response(codes[status]) for status in codes}
    return dict(sorted({**good, **problems}.items()))


def _problem_response(codes: list[str]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{CATALOGUE[code].title} (`{code}`)" for code in codes),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/ProblemDocument"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }


def _complete_good(response: dict[str, Any], schemas: dict[str, Any]) -> None:
    for content in response.get("content", {}).values():
        content.setdefault("example", examples.answer(content["schema"], schemas))


def _header_names(status: int, response: dict[str, Any], schemas: dict[str, Any], *, takes_key: bool) -> list[str]:
    names = [*_HEADERS_OF_STATUS.get(status, ())]
    if status < 300 and _has_version(response, schemas):
        names += ["ETag", *(["Location"] if status == 201 else [])]
    if takes_key and status in OUTCOMES:
        names.append("Idempotency-Replayed")
    return names


def _has_version(response: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether the answer is one object with a version: its ETag says the same, and a new one has a place of its own."""
    contents = response.get("content", {}).values()
    members = [examples.resolve(content["schema"], schemas).get("required", []) for content in contents]
    return any({"id", "version"} <= {*required} for required in members)
