"""Hostile input to everything behind the doors: no 500, each door's form of an error, and no secret told or kept.

As in tests/product/test_hostile.py, with the same values: bodies in this process, URLs and headers byte by byte on a
real server. What is new behind a door is covered without an edit.
"""

import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from accounts import tokens
from tests.support.doors.answers import assert_sound, leads_in
from tests.support.doors.operations import Operation, address, each, filled, operations, send, things
from tests.support.http.hostile import BODIES, MEDIA_TYPES, VALUES, odd_headers, odd_targets, with_member
from tests.support.http.sockets import Answer, Connection, written
from tests.support.people import Person, session_at
from tests.support.processes.servers import Server
from todoproject.http.body import MAX_BYTES
from todoproject.openapi import examples

pytestmark = pytest.mark.fuzz

ALL = operations()
PATHS = [operation for operation in ALL if not operation.part]
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Of a command and of a message, beside its arguments.
AROUND = {
    "POST /api/v1/sync": {
        "type": "item_add",
        "uuid": "0199a1f0-0000-7000-8000-000000000001",
        "temp_id": "a",
        "args": {"content": "Buy milk"},
    },
    "POST /mcp": {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "agenda", "arguments": {}},
    },
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of lines about requests take longer than the requests."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


# --- Bodies, in this process ----------------------------------------------------------------------


def _as_sent(members: dict[str, Any]) -> dict[str, bytes]:
    return {name: json.dumps(value).encode() for name, value in members.items()}


def _within(operation: Operation, arguments: bytes) -> bytes:
    """Return a whole message around arguments as they are sent."""
    return json.dumps(operation.message("here")).encode().replace(b'"here"', arguments)


def _bodies(operation: Operation, ids: dict[str, str]) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Yield what to send: hostile values in place of each member, hostile bodies, hostile media types and encodings."""
    if operation.method == "GET" or (not operation.models.get("body") and operation.path != "/mcp"):
        yield from ((body, JSON) for body in (b"{", b"\xff\xfe", b"[" * 100_000, b"x" * (MAX_BYTES + 1)))
        return
    example = filled(operation.examples[0].body, ids)
    for name in operation.members("body"):
        for value in VALUES:
            yield _within(operation, with_member(_as_sent(example), name, value)), JSON
    yield _within(operation, with_member(_as_sent(example), "extra", b"1")), JSON
    if operation.part:
        return
    for body in BODIES:
        yield body, JSON
    plain = json.dumps(example).encode()
    for body in (plain.decode().encode("utf-16"), b"\xef\xbb\xbf" + plain, plain.decode().encode("utf-32")):
        yield body, JSON
    yield gzip.compress(plain), {**JSON, "Content-Encoding": "gzip"}
    yield plain, {**JSON, "Content-Encoding": "br, zstd"}
    for media_type in MEDIA_TYPES:
        yield plain, {"Content-Type": media_type}


def _assert_sound(operation: Operation, response: httpx.Response, ids: dict[str, str], what: object) -> None:
    try:
        assert_sound(operation.door, response.status_code, response.headers, response.content, ids.get("secret", ""))
    except Exception as error:
        raise AssertionError(f"{operation.id}: {what!r:.300}: {response.status_code} {response.text:.500}") from error


@each(ALL)
async def test_no_body_is_too_much(operation: Operation, alice: Person) -> None:
    names = {name for example in operation.examples for name in operation.names(example)}
    ids = await things(alice, names) | await address(alice, operation)
    url = operation.url(ids)
    for content, headers in _bodies(operation, ids):
        for query in ("", "?%61=%ff%00") if "charset" in headers["Content-Type"] else ("",):
            response = await alice.http.request(operation.method, url + query, content=content, headers=headers)
            _assert_sound(operation, response, ids, content)
    await _assert_all_is_well(alice)


@pytest.mark.parametrize("operation", [pytest.param(each, id=each.id) for each in PATHS if each.id in AROUND])
async def test_no_message_is_too_much(operation: Operation, alice: Person) -> None:
    members = _as_sent(AROUND[operation.id])
    for name in members:
        for value in VALUES:
            content = with_member(members, name, value)
            if operation.door == "todoist":
                content = b'{"commands": [' + content + b"]}"
            response = await alice.http.request(operation.method, operation.path, content=content, headers=JSON)
            _assert_sound(operation, response, {}, content)
    await _assert_all_is_well(alice)


async def test_no_version_of_the_protocol_is_too_much(alice: Person) -> None:
    """Of a request and of a notification, which has no id."""
    (operation,) = (each for each in PATHS if each.id == "POST /mcp")
    members = {"jsonrpc": b'"2.0"', "method": b'"tools/call"'}
    for value in VALUES:
        for key in (b"io.modelcontextprotocol/protocolVersion", b"io.modelcontextprotocol/clientCapabilities"):
            params = b'{"name": "agenda", "_meta": {"%b": %b}}' % (key, value)
            for asked in (members, members | {"id": b"1"}):
                content = with_member(asked, "params", params)
                response = await alice.http.post(operation.path, content=content, headers=JSON)
                _assert_sound(operation, response, {}, content)


async def test_no_form_is_too_much(alice: Person) -> None:
    """Todoist's older clients send a sync as a form, whose lists are JSON."""
    (operation,) = (each for each in PATHS if each.id == "POST /api/v1/sync")
    for name in ("commands", "resource_types", "sync_token", "cellar", ""):
        for value in (*VALUES, *BODIES[:20], b"%00", b"%ff", b"%", b"&" * 1000, b"a;b"):
            content = name.encode() + b"=" + value
            response = await alice.http.post(operation.path, content=content, headers=FORM)
            _assert_sound(operation, response, {}, content)


async def _assert_all_is_well(person: Person) -> None:
    """What was stored can be shown, behind every door."""
    for operation in PATHS:
        if operation.method == "GET" and not operation.names(operation.examples[0]) and not operation.is_refused:
            response = await send(person.http, operation, operation.examples[0], await address(person, operation))
            assert response.status_code == 200, (operation.id, response.text)
    whole = {"sync_token": "*", "resource_types": ["all"]}
    assert (await person.http.post("/api/v1/sync", json=whole)).status_code == 200


@each(ALL)
async def test_who_has_no_good_token_learns_nothing_of_the_input(
    operation: Operation, client: httpx.AsyncClient
) -> None:
    ids = dict.fromkeys(("task_id", "other_id", "list_id", "label", "label_id", "project_id"), examples.ID)
    ids |= {"change_no": "1", "secret": tokens.generate()}
    expected = 404 if operation.has_secret else 401
    for content, headers in [*_bodies(operation, ids)][::7]:
        bearer = {"Authorization": f"Bearer {ids['secret']}"}
        url = operation.url(ids)
        response = await client.request(operation.method, url, content=content, headers={**bearer, **headers})
        is_large = len(content) > MAX_BYTES
        assert response.status_code == (413 if is_large else expected), (content[:100], headers, response.text)


# --- URLs and headers, on a real server -----------------------------------------------------------


class Mallory:
    """Somebody with an account, an address for each door that has one, and a raw connection."""

    def __init__(self, server: Server) -> None:
        self.connection = Connection(server)
        self._bearer = {"Authorization": f"Bearer {session_at(server.url)['token']}"}
        with httpx.Client(base_url=server.url, headers=self._bearer) as http:
            asked = {"name": "todos", "kind": "backend", "scopes": ["tasks:read", "tasks:write"]}
            self._secrets = {
                "todo-backend": http.post("/v1/tokens", json=asked).json()["token"],
                "calendar": http.post("/v1/calendars", json={"all": True}).json()["url"].rsplit("/", 1)[1][:-4],
            }

    def ids(self, operation: Operation) -> dict[str, str]:
        """Return what stands in the places of a path: of things an id that nothing has."""
        secret = {"secret": self._secrets[operation.door]} if operation.has_secret else {}
        names = ("task_id", "project_id", "label_id", "section_id", "id")
        return {name: examples.ID for name in names if f"{{{name}}}" in operation.path} | secret

    def ask(self, operation: Operation, target: str, headers: dict[str, bytes]) -> Answer:
        own = {name: value.encode() for name, value in self._bearer.items()}
        body = filled(operation.examples[0].body, dict.fromkeys(("list_id", "task_id", "label"), examples.ID))
        content = b"" if body is None else json.dumps(body).encode()
        return self.connection.ask(written(operation.method, target.encode(), own | headers, content))


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Mallory]:
    mallory = Mallory(server)
    yield mallory
    mallory.connection.close()


@pytest.fixture
def mallory(server: Server, account: Mallory) -> Iterator[Mallory]:
    logged = len(server.log)
    account.connection.close()
    yield account
    assert '"level":"ERROR"' not in server.log[logged:]
    assert not [secret for secret in account._secrets.values() if secret in server.log[logged:]]


def _assert_answer(operation: Operation, answer: Answer, target: str, secret: str, what: object) -> None:
    # An odd path may be none of a door's, which has no words of its own then.
    door = operation.door if leads_in(operation.door, target) else "none"
    try:
        assert_sound(door, answer.status, answer.headers, answer.body, secret)
    except Exception as error:
        raise AssertionError(f"{operation.id}: {what!r:.300}: {answer!r:.700}") from error


@each(PATHS)
def test_no_url_is_too_much(operation: Operation, mallory: Mallory) -> None:
    ids = mallory.ids(operation)
    for target in odd_targets(operation.path, ids, operation.members("query")):
        _assert_answer(operation, mallory.ask(operation, target, {}), target, ids.get("secret", ""), target)


@each(PATHS)
def test_no_header_is_too_much(operation: Operation, mallory: Mallory) -> None:
    ids = mallory.ids(operation)
    declared = {"calendar": ["If-None-Match"], "mcp": ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"]}
    for name, value in odd_headers(operation.id, ["X-Request-ID", *declared.get(operation.door, [])]):
        target = operation.url(ids)
        answer = mallory.ask(operation, target, {name: value})
        _assert_answer(operation, answer, target, ids.get("secret", ""), (name, value))
