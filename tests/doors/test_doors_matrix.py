"""Who may do what behind the doors: everything that is mounted there, tried on somebody else's things and by nobody.

Commands of Todoist's sync and tools for agents count as operations. What is new fails a test until it has an example.
"""

import uuid
from typing import Any

import httpx
from django.urls import URLPattern

from accounts import tokens
from accounts.models import Scope
from doors.mounting import DOORS
from tests.doors.addresses import backend, calendar
from tests.support.doors.examples import EXAMPLES
from tests.support.doors.operations import (
    Operation,
    address,
    each,
    has_worked,
    nobodys,
    operations,
    send,
    things,
)
from tests.support.people import Person
from tests.support.things import new_token, plain
from todoproject.api import query_parameters
from todoproject.http.routing import template

ALL = operations()
NAMING = [operation for operation in ALL if any(operation.names(example) for example in operation.examples)]

# --- The table itself -----------------------------------------------------------------------------


def test_everything_that_is_mounted_has_an_example() -> None:
    assert [operation.id for operation in ALL if operation.id not in EXAMPLES] == []
    assert EXAMPLES.keys() - {operation.id for operation in ALL} == set(), "an example of what is gone"


def test_the_table_is_what_the_application_answers() -> None:
    """No pattern without its methods, and none in the application that is not in the table."""
    from todoproject import asgi

    for door in DOORS.values():
        assert all(isinstance(pattern, URLPattern) for pattern in door.patterns)
        assert [template(str(pattern.pattern)) for pattern in door.patterns] == [*door.parameters]
    behind = {route: {*methods} for route, methods in asgi._operations.items() if route not in query_parameters()}
    tabled: dict[str, set[str]] = {}
    for operation in ALL:
        tabled.setdefault(operation.path, set()).add(operation.method)
    assert behind == tabled
    assert all(operation.path.startswith(DOORS[operation.door].root) for operation in ALL)


# Of these Todoist has a kind of thing that is not here, or a word that is made up by the client.
_OF_NOTHING = {"section_id", "temp_id"}
_NAMES = {"list", "label", "name_old", "before", "after", "change_no", "id", "ids"}


@each(ALL)
def test_every_member_that_can_name_a_thing_is_in_an_example(operation: Operation) -> None:
    for place in operation.models:
        naming = {name for name in operation.members(place) if name in _NAMES or name.endswith("_id")} - _OF_NOTHING
        named = {
            name
            for example in operation.examples
            for name, value in (getattr(example, place) or {}).items()
            if "{" in str(value)
        }
        assert naming <= named, place


# --- Things of others -----------------------------------------------------------------------------


async def _state(person: Person) -> list[Any]:
    """Return all that somebody has, and how often it was changed."""
    paths = ("/v1/tasks", "/v1/tasks?deleted=true", "/v1/lists", "/v1/labels", "/v1/history")
    return [(await person.http.get(path)).json() for path in paths]


def _same(response: httpx.Response, ids: dict[str, str]) -> Any:
    return plain(response, ids | {"request": response.headers["X-Request-ID"]})


@each(NAMING)
async def test_an_outsider_gets_the_same_for_anothers_thing_as_for_none(
    operation: Operation, alice: Person, charlie: Person
) -> None:
    door = await address(charlie, operation)
    for example in operation.examples:
        if not (names := operation.names(example)):
            continue
        theirs = await things(alice, names)
        before = await _state(alice)
        tried = [(await send(charlie.http, operation, example, ids | door), ids) for ids in (theirs, nobodys(theirs))]

        first, second = (_same(*answer) for answer in tried)
        assert first == second
        if "{" in operation.path.replace("{secret}", ""):
            assert first[0] == 404
        assert await _state(alice) == before


@each([operation for operation in NAMING if operation.method == "GET"])
async def test_head_tells_an_outsider_no_more(operation: Operation, alice: Person, charlie: Person) -> None:
    door = await address(charlie, operation)
    for example in operation.examples:
        ids = await things(alice, operation.names(example))
        answer, head = [
            await charlie.http.request(method, operation.url(ids | door), params=example.query)
            for method in ("GET", "HEAD")
        ]
        assert (head.status_code, head.content) == (answer.status_code, b"")


@each(ALL)
async def test_its_owner_gets_what_is_asked(operation: Operation, alice: Person) -> None:
    """Or the tests of outsiders would prove nothing."""
    for example in operation.examples:
        own = await things(alice, operation.names(example)) | await address(alice, operation)
        response = await send(alice.http, operation, example, own)
        assert has_worked(operation, response) is not operation.is_refused, response.text
        if operation.is_refused:
            assert response.status_code == 404


@each([operation for operation in ALL if not any(operation.names(example) for example in operation.examples)])
async def test_what_names_nothing_tells_nothing_of_others(operation: Operation, alice: Person, charlie: Person) -> None:
    secret = uuid.uuid4().hex
    there = await alice.list(secret)
    await alice.task(secret, list_id=there["id"], labels=[secret])
    await alice.task(secret)
    before = await _state(alice)
    for example in operation.examples:
        response = await send(charlie.http, operation, example, await address(charlie, operation))
        assert secret not in response.text
    assert await _state(alice) == before


# --- Who may come in ------------------------------------------------------------------------------


@each([operation for operation in ALL if not operation.has_secret])
async def test_without_a_good_token_everything_is_401(
    operation: Operation, alice: Person, client: httpx.AsyncClient
) -> None:
    ended = await new_token(alice, *Scope.values)
    assert (await alice.http.delete(f"/v1/tokens/{ended['id']}")).status_code == 204
    secret = (await backend(alice)).rsplit("/", 1)[1]
    sent = [f"Bearer {token}" for token in (ended["token"], tokens.generate(), secret, "todo_nonsense")]

    for example in operation.examples:
        theirs = await things(alice, operation.names(example))
        before = await _state(alice)
        for headers in ({}, *({"Authorization": value} for value in [*sent, f"Basic {alice.token}", alice.token])):
            for ids in (theirs, nobodys(theirs), _no_ids(operation, theirs)):
                refused = await send(client, operation, example, ids, **headers)
                assert refused.status_code == 401, (headers, refused.text)
                assert refused.headers["WWW-Authenticate"].startswith("Bearer")
                assert refused.json().get("code") == "unauthenticated" or "UNAUTHENTICATED" in refused.text
        assert await _state(alice) == before


def _no_ids(operation: Operation, ids: dict[str, str]) -> dict[str, str]:
    """Return what can be no id, save for what would make another path."""
    kept = {"change_no", "task_id"} if "{task_id}" in operation.path else {"change_no"}
    return {name: identity if name in kept else "nothing!" for name, identity in ids.items()}


@each([operation for operation in ALL if operation.has_secret])
async def test_behind_an_address_that_is_none_is_nothing(
    operation: Operation, alice: Person, client: httpx.AsyncClient
) -> None:
    """One that was never made, one that has ended, one of another door and a bearer token are the same 404."""
    ended = await address(alice, operation)
    for kind in ("tokens", "calendars"):
        for made in (await alice.http.get(f"/v1/{kind}")).json()["items"]:
            if kind == "calendars" or made["kind"] == "backend":
                assert (await alice.http.delete(f"/v1/{kind}/{made['id']}")).status_code == 204
    others = await calendar(alice) if operation.door == "todo-backend" else await backend(alice)
    secrets = [
        ended["secret"],
        tokens.generate(),
        others.rsplit("/", 1)[1].removesuffix(".ics"),
        alice.token,
        "nonsense",
    ]
    (example,) = operation.examples
    theirs = await things(alice, operation.names(example))
    before = await _state(alice)

    answers = []
    for secret in secrets:
        ids = {**theirs, "secret": secret}
        # A bearer token beside it makes no difference.
        for headers in ({}, {"Authorization": f"Bearer {alice.token}"}):
            response = await send(client, operation, example, ids, **headers)
            answers.append(_same(response, {"***": secret} | ids))
    assert {answer[0] for answer in answers} == {404}
    assert all(answer[:2] == answers[0][:2] for answer in answers), answers
    assert await _state(alice) == before


@each(ALL)
async def test_what_may_only_read_changes_nothing(operation: Operation, alice: Person) -> None:
    """And what may read no tasks is told of none."""
    reading, neither = [await alice.token_for(scope) for scope in (Scope.TASKS_READ, Scope.ACCOUNT)]
    door = await address(alice, operation, "tasks:read")
    for example in operation.examples:
        own = await things(alice, operation.names(example)) | door
        title = (await alice.task(uuid.uuid4().hex))["title"]
        before = await _state(alice)
        response = await send(alice.http, operation, example, own, **reading)
        assert response.is_success or response.status_code in (403, 404), response.text
        if not operation.has_secret:
            assert title not in (await send(alice.http, operation, example, own, **neither)).text
        assert await _state(alice) == before
