"""Who may do what: every operation of the document, tried on somebody else's objects and with tokens of all kinds.

New operations are covered without an edit. A new kind of object needs a line in KINDS (tests/support/things.py); a test
says so. The doors' operations are in tests/doors/test_doors_matrix.py.
"""

from typing import Any

import httpx
import pytest

from accounts.models import Scope
from tests.support.http.operations import Operation, operations
from tests.support.people import Person, register
from tests.support.things import KINDS, Kind, new_token, plain
from todoproject.http.problems import INVALID_TOKEN
from todoproject.openapi import examples

# By tag, for operations that take ids in the body.
KIND_OF_BODY = {"tasks": "task_id", "lists": "list_id", "tokens": "token_id"}

ALL = operations()
GUARDED = [operation for operation in ALL if operation.needs_token]


def _kinds(operation: Operation) -> dict[str, Kind]:
    """Return the kinds of objects that a call of the operation names, by path parameter or by tag."""
    names = set(operation.parameters("path"))
    if examples.ID in operation.content.decode():
        names.add(KIND_OF_BODY[operation.details["tags"][0]])
    return {name: KINDS[name] for name in names}


NAMING = [
    operation for operation in GUARDED if operation.parameters("path") or examples.ID in operation.content.decode()
]


def each(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.id) for operation in operations])


async def _call(
    http: httpx.AsyncClient, operation: Operation, ids: dict[str, str] | None = None, **headers: str
) -> httpx.Response:
    """Call an operation with its example, on the given objects or on none."""
    nobodys = {name: "1" if _is_number(of) else examples.ID for name, of in operation.parameters("path").items()}
    ids = nobodys | (ids or {})
    content = operation.content
    for identity in ids.values():
        content = content.replace(examples.ID.encode(), identity.encode())
    kind = {"Content-Type": "application/json"} if content else {}
    query = dict.fromkeys(operation.required_query, examples.ID)
    response = await http.request(
        operation.method, operation.path.format(**ids), content=content, params=query, headers={**kind, **headers}
    )
    assert operation.conforms(response)
    return response


def _is_number(parameter: dict[str, Any]) -> bool:
    return bool(parameter["schema"].get("type") == "integer")


def _conditions(operation: Operation) -> list[dict[str, str]]:
    """Return the preconditions under which to try an operation: none, and each that it knows."""
    known = operation.parameters("header").keys()
    tried = [("If-Match", '"1"'), ("If-Match", "*"), ("If-None-Match", '"1"'), ("If-None-Match", "*")]
    return [{}, *({name: value} for name, value in tried if name in known)]


def test_every_kind_of_object_can_be_made() -> None:
    named = {name for operation in ALL for name in operation.parameters("path")}
    assert named <= KINDS.keys(), "say in KINDS how to make one"


# --- Objects of others ----------------------------------------------------------------------------


@each(NAMING)
async def test_outsider_gets_the_same_for_anothers_object_as_for_none(
    operation: Operation, alice: Person, charlie: Person
) -> None:
    for condition in _conditions(operation):
        theirs = {name: await kind.make(alice) for name, kind in _kinds(operation).items()}
        nobodys = {name: identity[:-4] + "0000" for name, identity in theirs.items()}
        before = {name: await kind.show(alice, theirs[name]) for name, kind in _kinds(operation).items()}

        answers = [
            plain(await _call(charlie.http, operation, ids, **condition, **{"X-Request-ID": "same"}), ids)
            for ids in (theirs, nobodys)
        ]

        assert answers[0] == answers[1]
        # PUT asks for a condition, and an id of elsewhere is anybody's own: there is a task then.
        if not condition and "{" in operation.path and operation.method != "PUT" and "external" not in operation.path:
            assert answers[0][0] == 404
        assert {name: await kind.show(alice, theirs[name]) for name, kind in _kinds(operation).items()} == before


@each([operation for operation in NAMING if operation.method == "GET"])
async def test_head_tells_an_outsider_no_more(operation: Operation, alice: Person, charlie: Person) -> None:
    theirs = {name: await kind.make(alice) for name, kind in _kinds(operation).items()}
    head = await charlie.http.head(operation.path.format(**theirs))

    assert (head.status_code, head.content) == (404, b"")


@each(NAMING)
async def test_owner_gets_something_else(operation: Operation, alice: Person) -> None:
    """Or the test above would prove nothing."""
    own = {name: await kind.make(alice) for name, kind in _kinds(operation).items()}

    assert (await _call(alice.http, operation, own)).status_code != 404


# --- Examples -------------------------------------------------------------------------------------


@each(ALL)
async def test_example_is_well_formed(operation: Operation, alice: Person) -> None:
    own = {name: await kind.make(alice) for name, kind in _kinds(operation).items()} if operation in NAMING else {}
    response = await _call(alice.http, operation, own)

    if not response.is_success:
        refused = {"malformed-request", "unsupported-media-type", "invalid", "scope-missing"}
        assert response.json()["code"] not in refused, response.text


# --- Tokens ---------------------------------------------------------------------------------------


@each(GUARDED)
async def test_without_a_good_token_everything_is_401(
    operation: Operation, alice: Person, client: httpx.AsyncClient
) -> None:
    revoked = await new_token(alice, *Scope.values)
    assert (await alice.http.delete(f"/v1/tokens/{revoked['id']}")).status_code == 204

    sent = (f"Bearer {revoked['token']}", "Bearer todo_nonsense", f"Basic {alice.token}", alice.token, "")
    answers = [await _call(client, operation, Authorization=value) for value in sent]
    answers.append(await _call(client, operation))

    challenges = [INVALID_TOKEN] * 2 + ["Bearer"] * 4
    for answer, challenge in zip(answers, challenges, strict=True):
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, challenge)
        assert answer.json()["code"] == "unauthenticated"


def _lacks_scope(response: httpx.Response) -> bool:
    return response.status_code == 403 and response.json()["code"] == "scope-missing"


@each(GUARDED)
async def test_token_without_the_scope_is_told_which(operation: Operation, app: httpx.ASGITransport) -> None:
    """What an operation needs is found by trying each scope alone; with all that were missed it may be called."""
    needed: set[str] = set()
    for scope in Scope.values:
        response = await _call_with_scopes(app, operation, scope)
        if _lacks_scope(response):
            problem = response.json()
            assert problem["held"] == [scope]
            assert problem["required"]
            assert scope not in problem["required"]
            needed |= {*problem["required"]}

    assert bool(needed) == ("scope-missing" in str(operation.responses.get("403")))
    told = {scope for scheme in operation.details["security"] for scope in next(iter(scheme.values()))}
    given_away = {*operation.body["scopes"]} if operation.id == "create_token" else set()
    assert needed - given_away == told
    if needed:
        assert not _lacks_scope(await _call_with_scopes(app, operation, *sorted(needed)))


async def _call_with_scopes(app: httpx.ASGITransport, operation: Operation, *scopes: str) -> httpx.Response:
    # Somebody new each time: an operation may end an account, or its other tokens.
    async with register(app, "dora") as dora:
        token = await new_token(dora, *scopes)
        # Where a precondition is required, its absence would be told first.
        condition = _conditions(operation)[-1] if "428" in operation.responses else {}
        return await _call(dora.http, operation, Authorization=f"Bearer {token['token']}", **condition)
