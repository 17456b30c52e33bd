"""Every limit that the promised document names (tests/openapi.json), tried at its value and one beyond.

A limit that moves, in a schema or behind it, is then seen, though the document be written anew.
"""

import json
import re
import uuid
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest

from tests.support import contract
from tests.support.people import Person

# No name of a time zone is as long as may be sent, and an id of elsewhere in the body is the one that is asked for.
UNREACHED = {("patch_me", "#/timezone")}
UNREACHED |= {
    (f"{method}_task_by_external_id{how}", "#/external_id") for method in ("put", "patch") for how in ("", "_parameter")
}

Case = tuple[str, Any, Any]  # where, as an error tells it; what is taken, what is not


@cache
def promised() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(contract.COPY.read_text("utf-8"))
    return document


def resolved(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas that a value may be of, null left out."""
    if "$ref" in schema:
        yield from resolved(promised()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    elif several := schema.get("anyOf") or schema.get("allOf"):
        for one in several:
            yield from resolved(one)
    else:
        yield schema


def edges(name: str, schema: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield for each limit of a schema a value at it and one beyond."""
    for one in resolved(schema):
        if "maxLength" in one:
            yield text(name, one["maxLength"]), text(name, one["maxLength"] + 1)
        if one.get("minLength"):
            yield text(name, one["minLength"]), text(name, one["minLength"] - 1)
        if "maxItems" in one:
            yield items(one, one["maxItems"]), items(one, one["maxItems"] + 1)
        if one.get("minItems"):
            yield items(one, one["minItems"]), items(one, one["minItems"] - 1)
        if "maximum" in one:
            yield one["maximum"], one["maximum"] + 1
        if "minimum" in one:
            yield one["minimum"], one["minimum"] - 1


def text(name: str, length: int) -> str:
    if name == "url":
        return "http://a/".ljust(length, "a")[:length]
    if not name.endswith("email"):
        return "a" * length
    domain = "b" * (length - len(f"{'a' * 64}@.com"))
    return f"{'a' * 64}@{'.'.join(domain[at : at + 63] for at in range(0, len(domain), 64))}.com"


def items(schema: dict[str, Any], number: int) -> list[Any]:
    (one, *_) = resolved(schema["items"])
    if "enum" in one:
        return (one["enum"] * 2)[:number]
    if one.get("type") == "string":
        return [f"label {n}" for n in range(number)]
    return [{"op": "create", "data": {"title": "One of many"}}] * number


def of_body(schema: dict[str, Any]) -> Iterator[Case]:
    for one in resolved(schema):
        for name, member in one.get("properties", {}).items():
            for at, beyond in edges(name, member):
                yield f"#/{name}", at, beyond
            for several in resolved(member):
                for at, beyond in edges(name, several.get("items", {})):
                    yield f"#/{name}/0", [at], [beyond]


CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    call["operationId"]: (method, path, call)
    for path, calls in promised()["paths"].items()
    for method, call in calls.items()
    if "operationId" in call
}


def parameters(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (one for one in call.get("parameters", []) if "$ref" not in one)


def body_of(call: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content


def cases(name: str) -> list[Case]:
    """Return what to try of an operation: in its body, and in its query and path."""
    _, _, call = CALLS[name]
    found = list(of_body(body_of(call).get("schema", {})))
    for one in parameters(call):
        # A path without it is another path, and a query without any has none of them.
        of_one = edges(one["name"], one["schema"])
        found += [
            (one["name"], at, beyond) for at, beyond in of_one if beyond or (one["in"] == "query" and beyond != [])
        ]
        for several in resolved(one["schema"]):
            found += [(one["name"], [at], [beyond]) for at, beyond in edges(one["name"], several.get("items", {}))]
    return [case for case in found if (name, case[0]) not in UNREACHED]


BOUNDED = [name for name in CALLS if cases(name)]


async def send(person: Person, name: str, where: str, value: Any) -> httpx.Response:
    """Call an operation with everything as in its example, but this value."""
    method, path, call = CALLS[name]
    query, body = {}, body_of(call).get("example")
    for one in parameters(call):
        default = str(uuid.uuid4()) if one["schema"].get("format") == "uuid" else "x"
        given = value if one["name"] == where else default
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(given))
        elif one["in"] == "query" and (one["name"] == where or one.get("required")):
            query[one["name"]] = given
    if where.startswith("#/"):
        body = {**(body or {}), where.split("/")[1]: value}
    headers = {"If-Match": "*"} if name in ("put_task", "put_list") else {}
    return await person.http.request(method, path, params=query, json=body, headers=headers)


def refuses(answer: httpx.Response, where: str) -> bool:
    """Tell whether the answer says that this value is wrong."""
    if answer.status_code != 422:
        return False
    told = [error.get("pointer", error.get("parameter", "")) for error in answer.json()["errors"]]
    return any(re.fullmatch(f"{re.escape(where)}(/0)?", one) for one in told)


@pytest.mark.parametrize("name", BOUNDED)
async def test_what_is_at_a_limit_is_taken_and_what_is_one_beyond_is_not(alice: Person, name: str) -> None:
    for where, at, beyond in cases(name):
        taken, refused = await send(alice, name, where, at), await send(alice, name, where, beyond)
        assert not refuses(taken, where), (where, taken.text[:500])
        assert refuses(refused, where), (where, refused.status_code, refused.text[:500])


def test_limits_are_found_in_the_document() -> None:
    """Or the table above would be empty, and pass."""
    assert len(BOUNDED) > 20
    assert {("#/title", "a" * 255, "a" * 256), ("#/description", "a" * 10_000, "a" * 10_001)} <= {
        case for case in cases("create_task") if isinstance(case[1], str)
    }
    assert ("limit", 200, 201) in cases("list_tasks")
    assert [len(at) for where, at, _ in cases("batch_tasks") if where == "#/operations"] == [100, 1]


# --- Limits that no schema says -----------------------------------------------------------------------


def nested(levels: int) -> bytes:
    return b'{"title": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def of_bytes(number: int) -> bytes:
    return b'{"title": "' + b"a" * (number - 13) + b'"}'


JSON = {"Content-Type": "application/json"}
# By what is limited: what is sent at the limit and one beyond, and the status of each.
OTHERS: dict[str, tuple[dict[str, Any], int, dict[str, Any], int]] = {
    "bytes of a body": ({"content": of_bytes(2**20)}, 422, {"content": of_bytes(2**20 + 1)}, 413),
    "levels of a body": ({"content": nested(32)}, 422, {"content": nested(33)}, 400),
    "characters of a key": (
        {"json": {"title": "x"}, "headers": {"Idempotency-Key": "k" * 255}},
        201,
        {"json": {"title": "x"}, "headers": {"Idempotency-Key": "k" * 256}},
        400,
    ),
}


@pytest.mark.parametrize("what", OTHERS)
async def test_what_no_schema_limits_is_limited_where_the_pages_say(alice: Person, what: str) -> None:
    at, taken, beyond, refused = OTHERS[what]
    for sent, status in ((at, taken), (beyond, refused)):
        answer = await alice.http.post("/v1/tasks", **{**sent, "headers": JSON | sent.get("headers", {})})
        assert answer.status_code == status, answer.text[:500]


@pytest.mark.parametrize(("length", "is_kept"), [(1, True), (128, True), (129, False)])
async def test_a_request_id_is_kept_up_to_its_length(client: httpx.AsyncClient, length: int, is_kept: bool) -> None:
    sent = "r" * length
    answer = await client.get("/health/live", headers={"X-Request-ID": sent})
    assert (answer.headers["X-Request-ID"] == sent) == is_kept
