"""Who may do what: every operation of the document, tried on somebody else's objects and with tokens of all kinds.

New operations are covered without an edit. A new kind of object needs a line in KINDS; a test says so.
"""

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from accounts.models import Scope
from tests.support.http.operations import Operation, operations
from tests.support.people import PASSWORD, Person, register
from tests.support.postgres.databases import connect
from todoproject.http.problems import INVALID_TOKEN
from todoproject.openapi import examples

Make = Callable[[Person], Awaitable[str]]
Show = Callable[[Person, str], Awaitable[Any]]


@dataclass(frozen=True)
class Kind:
    """How to make an object of a person, and how its owner sees it."""

    make: Make
    show: Show


async def _make_task(person: Person) -> str:
    return str((await person.task())["id"])


async def _show_task(person: Person, id: str) -> Any:
    return (await person.http.get(f"/v1/tasks/{id}")).json()


async def _make_list(person: Person) -> str:
    return str((await person.list())["id"])


async def _show_list(person: Person, id: str) -> Any:
    return (await person.http.get(f"/v1/lists/{id}")).json()


async def _make_label(person: Person) -> str:
    label = uuid.uuid4().hex
    await person.task(labels=[label])
    return label


async def _show_label(person: Person, name: str) -> Any:
    return [row for row in (await person.http.get("/v1/labels")).json()["items"] if row["name"] == name]


async def _make_external_id(person: Person) -> str:
    return str((await person.task(external_id=str(uuid.uuid4())))["external_id"])


async def _show_external_id(person: Person, external_id: str) -> Any:
    return (await person.http.get("/v1/tasks", params={"external_id": external_id})).json()


async def _make_change(person: Person) -> str:
    """Make a change with a long number: in an answer that names another's, nothing else is to look like it."""
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE users SET change_no = change_no + 271828000 WHERE id = %s", [person.id])
    await person.task()
    return str((await person.http.get("/v1/history?limit=1")).json()["items"][0]["change_no"])


async def _show_change(person: Person, number: str) -> Any:
    found = (await person.http.get("/v1/history")).json()["items"]
    return [entry for entry in found if str(entry["change_no"]) == number]


async def _make_token(person: Person, *scopes: str) -> str:
    return str((await _new_token(person, *scopes or Scope.values))["id"])


async def _new_token(person: Person, *scopes: str) -> dict[str, Any]:
    response = await person.http.post("/v1/tokens", json={"name": "script", "scopes": scopes})
    assert response.status_code == 201, response.text
    token: dict[str, Any] = response.json()
    return token


async def _show_token(person: Person, id: str) -> Any:
    return [token for token in (await person.http.get("/v1/tokens")).json()["items"] if token["id"] == id]


async def _make_session(person: Person) -> str:
    login = await person.http.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert login.status_code == 201, login.text
    return str((await person.http.get("/v1/sessions")).json()["items"][0]["id"])


async def _show_session(person: Person, id: str) -> Any:
    return [session for session in (await person.http.get("/v1/sessions")).json()["items"] if session["id"] == id]


async def _make_webhook(person: Person) -> str:
    body = {"url": "https://hooks.example.com/todo", "events": ["list.deleted"]}
    return str((await person.http.post("/v1/webhooks", json=body)).json()["id"])


async def _show_webhook(person: Person, id: str) -> Any:
    return (await person.http.get(f"/v1/webhooks/{id}")).json()


async def _make_calendar(person: Person) -> str:
    return str((await person.http.post("/v1/calendars", json={"all": True})).json()["id"])


async def _show_calendar(person: Person, id: str) -> Any:
    return [shown for shown in (await person.http.get("/v1/calendars")).json()["items"] if shown["id"] == id]


# By the name of the path parameter.
KINDS = {
    "task_id": Kind(_make_task, _show_task),
    "list_id": Kind(_make_list, _show_list),
    "token_id": Kind(_make_token, _show_token),
    "name": Kind(_make_label, _show_label),
    "external_id": Kind(_make_external_id, _show_external_id),
    "session_id": Kind(_make_session, _show_session),
    "change_no": Kind(_make_change, _show_change),
    "webhook_id": Kind(_make_webhook, _show_webhook),
    "calendar_id": Kind(_make_calendar, _show_calendar),
}
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


def _plain(response: httpx.Response, ids: dict[str, str]) -> tuple[int, str, list[tuple[str, str]]]:
    """Return an answer with nothing in it that is another one each time: ids, times and what is left of a limit."""
    text = response.text
    # Both count what the asker has done before, and the second answer has done one more.
    headers = sorted(item for item in response.headers.items() if item[0] not in ("ratelimit", "change-no"))
    for name, identity in ids.items():
        text = text.replace(identity, name)
        headers = [(header, value.replace(identity, name)) for header, value in headers]
    text, headers = _without_ids(text), [(name, _without_ids(value)) for name, value in headers]  # of what is new
    text = re.sub(r'"position":"\w+"', '"position":"place"', text)  # the second one made stands behind the first
    return response.status_code, re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "time", text), headers


def _without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "id", text)


@each(NAMING)
async def test_outsider_gets_the_same_for_anothers_object_as_for_none(
    operation: Operation, alice: Person, charlie: Person
) -> None:
    for condition in _conditions(operation):
        theirs = {name: await kind.make(alice) for name, kind in _kinds(operation).items()}
        nobodys = {name: identity[:-4] + "0000" for name, identity in theirs.items()}
        before = {name: await kind.show(alice, theirs[name]) for name, kind in _kinds(operation).items()}

        answers = [
            _plain(await _call(charlie.http, operation, ids, **condition, **{"X-Request-ID": "same"}), ids)
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
    revoked = await _new_token(alice, *Scope.values)
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
        token = await _new_token(dora, *scopes)
        # Where a precondition is required, its absence would be told first.
        condition = _conditions(operation)[-1] if "428" in operation.responses else {}
        return await _call(dora.http, operation, Authorization=f"Bearer {token['token']}", **condition)
