"""Hostile input to every operation of the document: no 500, one problem document for each refusal, no poisoned row.

What is inside a body does not depend on the wire, so bodies are tried in this process; URLs, headers and framing are
tried byte by byte on a real server. New operations are covered without an edit. What is behind the doors is tried in
tests/doors/test_doors_hostile.py.
"""

import gzip
import json
import logging
import string
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from accounts.models import Scope
from tests.support.http.hostile import BODIES, MEDIA_TYPES, VALUES, odd_headers, odd_targets, with_member
from tests.support.http.operations import Operation, operations
from tests.support.http.sockets import Answer, Connection, written
from tests.support.people import PASSWORD, Person, session_at
from tests.support.processes.servers import Server
from todoproject.http.body import MAX_BYTES
from todoproject.http.field_types import ProblemDocument
from todoproject.http.problems import CATALOGUE, MEDIA_TYPE
from todoproject.openapi import examples

pytestmark = pytest.mark.fuzz

ALL = operations()
JSON = {"Content-Type": "application/json"}
EACH = pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.id) for operation in ALL])


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of lines about requests take longer than the requests."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


def _path(operation: Operation) -> str:
    return operation.path.format(**dict.fromkeys(operation.parameters("path"), examples.ID))


# --- Bodies, in this process ----------------------------------------------------------------------


def _bodies(operation: Operation) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Yield what to send: hostile values in place of each member, hostile bodies, hostile media types and encodings."""
    if operation.body is None:  # what it does not read needs no more than a few
        yield from ((body, JSON) for body in (b"{", b"\xff\xfe", b"[" * 100_000, b"x" * (MAX_BYTES + 1)))
        return
    example = operation.body if isinstance(operation.body, dict) else {}
    members = {name: json.dumps(value).encode() for name, value in example.items()}
    for name in members:
        for value in VALUES:
            yield with_member(members, name, value), JSON
    for body in BODIES:
        yield body, JSON
    plain = operation.content or b"{}"
    yield plain.replace(b"{", b'{"extra": 1, ', 1), JSON
    for body in (plain.decode().encode("utf-16"), b"\xef\xbb\xbf" + plain, plain.decode().encode("utf-32")):
        yield body, JSON
    yield gzip.compress(plain), {**JSON, "Content-Encoding": "gzip"}
    yield plain, {**JSON, "Content-Encoding": "br, zstd"}
    for media_type in MEDIA_TYPES:
        yield plain, {"Content-Type": media_type}


@EACH
async def test_no_body_is_too_much(operation: Operation, alice: Person) -> None:
    for content, headers in _bodies(operation):
        # The document's own rule for what a query in the charset of a body would do.
        for query in ("", "?%61=%ff%00") if "charset" in headers["Content-Type"] else ("",):
            url = _path(operation) + query
            response = await alice.http.request(operation.method, url, content=content, headers=headers)
            assert response.status_code < 500, (content[:100], headers, response.text)
            assert operation.conforms(response)
            if response.is_success:
                await _renew(alice)
    await _assert_all_is_well(alice)


async def _renew(person: Person) -> None:
    """Give somebody a new account where the token has been ended, in a proper way, by what was sent."""
    if (await person.http.get("/v1/tokens/current")).status_code == 401:
        account = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
        session = (await person.http.post("/v1/auth/register", json=account)).json()
        person.http.headers["Authorization"] = f"Bearer {session['token']}"


async def _assert_all_is_well(person: Person) -> None:
    for url in ("/v1/me", "/v1/tokens"):
        assert (await person.http.get(url)).status_code == 200
    listing = next(operation for operation in ALL if operation.id == "list_tasks")
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        page = await person.http.get("/v1/tasks", params={"limit": "200", **cursor})
        assert page.status_code == 200
        assert listing.conforms(page)
        for task in page.json()["items"]:
            assert (await person.http.get(f"/v1/tasks/{task['id']}")).json() == task
        cursor = {"cursor": page.json()["next_cursor"]} if page.json()["next_cursor"] else None


async def test_cursor_edited_in_any_byte_is_refused(alice: Person) -> None:
    for n in range(3):
        await alice.task(f"{n}")
    cursor = (await alice.http.get("/v1/tasks?limit=1")).json()["next_cursor"]
    edited = {cursor[:at] + other + cursor[at + 1 :] for at in range(len(cursor)) for other in "A-é"}
    # The last characters of base64 may carry bits that nobody reads: they count, too.
    alphabet = string.ascii_letters + string.digits + "-_=.~"
    edited |= {cursor[:at] + other + cursor[at:][1:] for at in (-1, -2) for other in alphabet}
    edited |= {cursor[:at] for at in range(1, len(cursor), 5)} | {cursor * 2, cursor + "=", cursor + "A", " " + cursor}
    edited.discard(cursor)

    for text in edited:
        response = await alice.http.get(f"/v1/tasks?limit=1&cursor={quote(text)}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid-cursor"), text
    assert (await alice.http.get("/v1/tasks", params={"limit": 1, "cursor": cursor})).status_code == 200


# --- URLs and headers, on a real server -----------------------------------------------------------


class Mallory:
    """Somebody with an account, a token to lose, and a raw connection."""

    def __init__(self, server: Server) -> None:
        self.connection = Connection(server)
        self._url = server.url
        self._main_token = self.token = session_at(self._url)["token"]
        self._lost: str | None = None
        self._renew()

    def start_anew(self) -> None:
        """Delete all tasks, having seen that each can be shown."""
        self._renew()
        for task in self.ask("GET", b"/v1/tasks?limit=200").document["items"]:
            path = f"/v1/tasks/{task['id']}".encode()
            assert self.ask("GET", path).document == task
            assert self.ask("DELETE", path).status == 204

    def _renew(self) -> None:
        self.token = self._main_token
        if self.ask("GET", b"/v1/tokens/current").status == 401:  # one of the operations ends every login
            self._main_token, self._lost = session_at(self._url)["token"], None
            self.token = self._main_token
        if self._lost is not None:  # an account has room for a hundred
            self.ask("DELETE", b"/v1/tokens/" + self._lost.encode())
        token = {"name": "to lose", "scopes": Scope.values}
        new = self.ask("POST", b"/v1/tokens", json.dumps(token).encode()).document
        self._lost, self.token = new["id"], new["token"]

    def ask(self, method: str, target: bytes, content: bytes = b"", headers: dict[str, bytes] | None = None) -> Answer:
        own = {"Authorization": b"Bearer " + self.token.encode()}
        return self.connection.ask(written(method, target, own | (headers or {}), content), has_body=method != "HEAD")

    def insist(self, operation: Operation, target: bytes, headers: dict[str, bytes] | None = None) -> Answer:
        """Ask, and once more with a new token where the old one has been ended in a proper way."""
        # With a password it would be hashed each time, or end the account.
        content = b"{}" if b"password" in operation.content else operation.content
        answer = self.ask(operation.method, target, content, headers)
        if answer.status == 401 and self.ask("GET", b"/v1/tokens/current").status == 401:
            self._renew()
            answer = self.ask(operation.method, target, content, headers)
        return answer


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Mallory]:
    mallory = Mallory(server)
    yield mallory
    mallory.connection.close()


@pytest.fixture
def mallory(server: Server, account: Mallory) -> Iterator[Mallory]:
    """The same one all the time, on a new connection, with nothing in the list and no error in the log."""
    logged = len(server.log)
    account.connection.close()
    account.start_anew()
    yield account
    assert '"level":"ERROR"' not in server.log[logged:]


def _assert_sound(answer: Answer, what: object) -> None:
    assert 200 <= answer.status < 500, (what, answer)
    if answer.status >= 400:
        assert answer.media_type == MEDIA_TYPE, (what, answer)
        if answer.body:
            problem = ProblemDocument.model_validate(answer.document)
            assert CATALOGUE[problem.code].status == problem.status == answer.status


@EACH
def test_no_url_is_too_much(operation: Operation, mallory: Mallory) -> None:
    ids = dict.fromkeys(operation.parameters("path"), examples.ID)
    for target in odd_targets(operation.path, ids, operation.parameters("query")):
        _assert_sound(mallory.insist(operation, target.encode()), target[:200])


@EACH
def test_no_header_is_too_much(operation: Operation, mallory: Mallory) -> None:
    target = _path(operation).encode()
    for name, value in odd_headers(operation.id, operation.parameters("header")):
        _assert_sound(mallory.insist(operation, target, {name: value}), (name, value[:100]))


# --- Framing --------------------------------------------------------------------------------------

TASK = b'{"title":"x"}'


def _request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: 127.0.0.1", b"Authorization: Bearer TOKEN", *headers, b"", body])


def _post(*headers: bytes, body: bytes = TASK) -> bytes:
    return _request(b"POST /v1/tasks HTTP/1.1", b"Content-Type: application/json", *headers, body=body)


def _get(target: bytes, *headers: bytes) -> bytes:
    return _request(b"GET " + target + b" HTTP/1.1", *headers)


CHUNKED = b"Transfer-Encoding: chunked"
EXACT = b"Content-Length: 13"
FRAMES = {
    "HTTP/1.0": (200, _request(b"GET /v1/tasks HTTP/1.0")),
    "HTTP/0.9": (400, b"GET /v1/tasks\r\n\r\n"),
    "absolute form": (200, _get(b"http://127.0.0.1/v1/tasks")),
    "absolute form of another host": (400, _get(b"http://elsewhere.example/v1/tasks")),
    "broken absolute form": (400, _get(b"http://[::1/v1/tasks")),
    "asterisk form": (404, _request(b"OPTIONS * HTTP/1.1")),
    "authority form": (400, _request(b"CONNECT 127.0.0.1:80 HTTP/1.1")),
    "two slashes": (404, _get(b"//v1/tasks")),
    "parameters of a segment": (404, _get(b"/v1/tasks;x")),
    "escaped letter": (200, _get(b"/v1/%74asks")),
    "dot segments": (404, _get(b"/v1/../v1/tasks")),
    "escaped dot segments": (404, _get(b"/v1/%2e%2e/admin/")),
    "UTF-8 in the path": (400, _get("/v1/täsks".encode())),
    "Latin-1 in the query": (400, _get(b"/v1/tasks?\xff=1")),
    "NUL in the path": (400, _get(b"/v1/\0")),
    "path of 200 kB": (431, _get(b"/v1/" + b"a" * 200_000)),
    "header of 64 kB": (431, _get(b"/v1/tasks", b"X-A: " + b"a" * 65_536)),
    "10,000 headers": (431, _get(b"/v1/tasks", *[b"X-A: a"] * 10_000)),
    "NUL in a header": (400, _get(b"/v1/tasks", b"X-A: a\0b")),
    "header without a colon": (400, _get(b"/v1/tasks", b"XA")),
    "header with a blank": (400, _get(b"/v1/tasks", b"X A: a")),
    "folded header": (400, _get(b"/v1/tasks", b"X-A: a\r\n b")),
    "two tokens": (401, _get(b"/v1/tasks", b"Authorization: Bearer TOKEN")),
    "unknown method": (400, _request(b"FROB /v1/tasks HTTP/1.1")),
    "method in small letters": (400, _request(b"get /v1/tasks HTTP/1.1")),
    "method of WebDAV": (405, _request(b"PURGE /v1/tasks HTTP/1.1")),
    "TRACE": (405, _request(b"TRACE /v1/tasks HTTP/1.1")),
    "method override": (201, _post(EXACT, b"X-HTTP-Method-Override: DELETE")),
    "preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "upgrade to HTTP/2": (400, _get(b"/v1/tasks", b"Connection: Upgrade", b"Upgrade: h2c")),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500),
    "chunks": (201, _post(CHUNKED, body=b'7\r\n{"title\r\n6\r\n":"x"}\r\n0\r\n\r\n')),
    "chunks with extensions": (201, _post(CHUNKED, body=b"d;x=y\r\n" + TASK + b"\r\n0\r\nX-Trailer: 1\r\n\r\n")),
    "chunk without a size": (400, _post(CHUNKED, body=b"zz\r\n" + TASK + b"\r\n0\r\n\r\n")),
    "chunk of a negative size": (400, _post(CHUNKED, body=b"-1\r\n" + TASK + b"\r\n0\r\n\r\n")),
    "chunk of a size beyond 64 bits": (400, _post(CHUNKED, body=b"f" * 17 + b"\r\n" + TASK + b"\r\n0\r\n\r\n")),
    "chunks over the limit": (413, _post(CHUNKED, body=(b"10000\r\n" + b" " * 65_536 + b"\r\n") * 18)),
    "chunks and a length": (400, _post(EXACT, CHUNKED, body=b"d\r\n" + TASK + b"\r\n0\r\n\r\n")),
    "unknown transfer coding": (400, _post(b"Transfer-Encoding: bogus")),
    "two lengths": (400, _post(EXACT, b"Content-Length: 12")),
    "negative length": (400, _post(b"Content-Length: -1")),
    "length beyond 64 bits": (400, _post(b"Content-Length: " + b"9" * 30)),
    "length that is none": (400, _post(b"Content-Length: x")),
    "understated length": (400, _post(b"Content-Length: 5")),
    "length over the limit": (413, _post(b"Content-Length: 4294967296", body=b" " * (MAX_BYTES + 1))),
    "expectation": (201, _post(EXACT, b"Expect: 100-continue")),
    "unknown expectation": (201, _post(EXACT, b"Expect: 200-ok")),
    "content coding": (415, _post(EXACT, b"Content-Encoding: gzip")),
    # The other door: the admin and the pages for people.
    "admin": (302, _get(b"/admin/%ff?%ff", b"Accept: \xff/q;=;;;q=z")),
    "charset of the admin's query": (200, _get(b"/admin/login/?a=%ff", b"Content-Type: text/plain; charset=base64")),
    "encoding of the admin": (200, _get(b"/admin/login/?a=%ff", b"Content-Type: text/plain; charset*=bogus''x")),
    "NUL in the name of an error": (404, _get(b"/docs/errors/%00?a=%00")),
    "way out of the static files": (404, _get(b"/static/%2e%2e/%2e%2e/etc/passwd%00")),
    "broken cookie": (404, _get(b"/%ff%00", b"Cookie: sessionid=\xff; a")),
}


@pytest.mark.parametrize(("status", "request_bytes"), FRAMES.values(), ids=FRAMES.keys())
def test_frame_is_answered_by_the_book(mallory: Mallory, status: int, request_bytes: bytes) -> None:
    answer = mallory.connection.ask(request_bytes.replace(b"TOKEN", mallory.token.encode()))

    assert answer.status == status, answer
    _assert_sound(answer, request_bytes[:200])
    listed = mallory.ask("GET", b"/v1/tasks")
    assert (listed.status, len(listed.document["items"])) == (200, int(status == 201))


def test_overstated_length_writes_nothing(mallory: Mallory) -> None:
    mallory.connection.send(_post(b"Content-Length: 14").replace(b"TOKEN", mallory.token.encode()))
    mallory.connection.close()

    assert mallory.ask("GET", b"/v1/tasks").document["items"] == []


def test_pipelined_requests_are_answered_in_order(mallory: Mallory) -> None:
    three = _post(EXACT) + _get(b"/v1/tasks") + _get(b"/v1/nothing")
    mallory.connection.send(three.replace(b"TOKEN", mallory.token.encode()))

    answers = [mallory.connection.read() for _ in range(3)]

    assert [answer.status for answer in answers] == [201, 200, 404]
    assert [task["title"] for task in answers[1].document["items"]] == ["x"]


def test_nothing_that_follows_a_refused_body_is_a_request(mallory: Mallory) -> None:
    """Bytes after the limit must not be read as a request of their own: request smuggling."""
    smuggled = _post(EXACT).replace(b"TOKEN", mallory.token.encode())
    answer = mallory.connection.ask(
        _post(b"Content-Length: 4294967296", body=b" " * (MAX_BYTES + 1) + smuggled).replace(
            b"TOKEN", mallory.token.encode()
        )
    )

    assert (answer.status, mallory.connection.read().status) == (413, 0)
    assert mallory.ask("GET", b"/v1/tasks").document["items"] == []
