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
    KEY_REUSED,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    OUTCOME_UNKNOWN,
    REQUEST_TIMEOUT,
    TOO_LARGE,
    TOO_MANY_ANSWERS,
    TOO_MANY_CHANGES,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemType,
)
from todoproject.openapi import examples, headers, json_schema
from todoproject.openapi import operations as descriptions

GUIDE = Path(__file__).with_name("guide.md")
# The address in the guide's examples, which `manage.py runserver` serves at unless told otherwise.
ADDRESS = "http://127.0.0.1:8000"

# 408: a head that comes too slowly, whose operation nobody knows yet. 413: the body is read before it is known whether
# anybody wants it. 422: an unknown query parameter. 431: a long one.
_ALWAYS = (
    *(MALFORMED_REQUEST, REQUEST_TIMEOUT, TOO_LARGE, INVALID, TOO_MANY_REQUESTS),
    *(HEAD_TOO_LARGE, INTERNAL_ERROR, UNAVAILABLE),
)
_WITH_BODY = (UNSUPPORTED_MEDIA_TYPE,)
_WRITING = (OUTCOME_UNKNOWN,)
_WITH_KEY = (IN_FLIGHT, ANSWER_WITHHELD, TOO_MANY_ANSWERS, CONFLICT, KEY_REUSED)
_CHANGING = {"tasks", "lists", "labels", "changes", "files"}  # tags of the operations whose writes take change numbers

# What reads its parameter for a dry run itself, because it does more than one transaction.
TRIED_BY_ITSELF = {"import_tasks"}

# What a key is refused for: what it makes is for one use, or it can be repeated as it is.
UNKEYED = {"create_stream_ticket", "import_tasks"}

_TAGS = {
    "accounts": "Registering, logging in and out, and the account itself.",
    "sessions": "The logins of the account, and how they end.",
    "tokens": "Personal access tokens for scripts and devices, each with the scopes it needs.",
    "calendars": "Secret addresses at which a calendar app reads tasks.",
    "tasks": "The tasks of the account that the token belongs to.",
    "lists": "The lists that tasks are kept in. A task in none of them is in the inbox.",
    "labels": "The labels on tasks: the same whatever their case and width.",
    "changes": "What has changed, in order: for clients that keep a copy.",
    "files": "Tasks from other programs, and for them.",
    "webhooks": "Addresses that are told of changes, signed by the Standard Webhooks specification.",
    "streams": "What happens, as it happens: server-sent events.",
    "health": "For monitors and load balancers; no token needed.",
}
_SECURITY = (
    "A token from register, log in or `POST /v1/tokens`. It is shown once, and ends when it is revoked or expires."
)
_TICKET = "For live streams: from `POST /v1/auth/stream-ticket`. It opens one, once, within a minute."
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
    components["headers"] = {name: headers.described(name) for name in headers.HEADERS}
    components["parameters"] = {name: {"in": "header", "name": name, **of} for name, of in headers.PARAMETERS.items()}
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


def may_be_tried(method: str, operation_id: str, tags: Iterable[str]) -> bool:
    """Tell whether an operation knows `dry_run`: it says nothing of it itself."""
    return _is_change(method, tags) and operation_id not in TRIED_BY_ITSELF


def _is_change(method: str, tags: Iterable[str]) -> bool:
    return method != "get" and bool(_CHANGING & {*tags})


def _complete(method: str, operation: Operation, schemas: dict[str, Any]) -> None:
    takes_key = method in ("post", "patch") and "security" in operation and operation["operationId"] not in UNKEYED
    is_change = _is_change(method, operation["tags"])
    _complete_parameters(operation["parameters"], schemas)
    if is_tried := may_be_tried(method, operation["operationId"], operation["tags"]):
        operation["parameters"].append(headers.DRY_RUN)
    names = ["X-Request-ID", *(["Idempotency-Key"] if takes_key else []), *(["Prefer"] if is_tried else [])]
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
        tried = ["Dry-Run", "Preference-Applied"] if is_tried else []
        names = [*always, *tried, *changes, *_header_names(status, response, schemas, takes_key=takes_key)]
        references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = references | response.get("headers", {})


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
    names = [*headers.OF_STATUS.get(status, ())]
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
