"""One request is one answer, on a real server: whatever a head asks for, and however the bytes are cut."""

import random
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.http.test_framing import HOST, REFUSED
from tests.support.http.sockets import Answer, Connection
from tests.support.people import session_at
from tests.support.processes.servers import Server

# What a second reader would take for a request of its own.
SMUGGLED = b"GET /v1/me HTTP/1.1\r\nHost: api.example.com\r\nX-Smuggled: 1\r\n\r\n"


@pytest.fixture(scope="module")
def tokens(server: Server) -> list[str]:
    """Three people's tokens."""
    return [session_at(server.url)["token"] for _ in range(3)]


def _answers(server: Server, *pieces: bytes, pause: float = 0.0, is_held_back: bool = False) -> list[Answer]:
    """Send the pieces as segments of their own; return every answer until the server closes, or says no more."""
    with Connection(server) as connection:
        if is_held_back:
            connection.hold_back()
        for piece in pieces:
            connection.send(piece)
            time.sleep(pause)
        connection.shut_down_writing()
        answers = []
        while (answer := connection.read()).status:
            answers.append(answer)
        return answers


@pytest.mark.parametrize("kind", ["foo", "h2c", "websocket", "TLS/1.0", "HTTP/2.0, foo", ""])
def test_body_of_a_request_that_asks_for_an_upgrade_is_no_request(server: Server, kind: str) -> None:
    head = (
        f"POST /v1/auth/logout HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: {kind}\r\n"
        f"Content-Length: {len(SMUGGLED)}\r\n\r\n"
    ).encode()
    answers = _answers(server, head, SMUGGLED, pause=0.2)

    assert [answer.status for answer in answers] == [400]
    assert (answers[0].media_type, answers[0].headers["connection"]) == ("application/problem+json", "close")
    assert answers[0].document["request_id"] == answers[0].headers["x-request-id"]


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED.keys())
def test_refused_head_is_one_answer_and_the_end(server: Server, head: bytes) -> None:
    head = head.replace(HOST, b"Host: 127.0.0.1")
    answers = _answers(server, head + SMUGGLED)

    assert [answer.status for answer in answers] in ([400], [431])
    assert answers[0].headers["connection"] == "close"


CUT = (
    b"POST /v1/auth/logout HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: a\r\n"
    b"Content-Length: 67\r\n\r\n"
)


def test_cut_at_every_byte_it_is_still_one_answer(server: Server) -> None:
    stream = CUT + SMUGGLED
    for cut in range(1, len(stream)):
        assert [answer.status for answer in _answers(server, stream[:cut], stream[cut:])] == [400], cut


def test_broken_chunk_ends_the_request_without_running_it(server: Server, tokens: list[str]) -> None:
    authorization = f"Authorization: Bearer {tokens[0]}\r\n".encode()
    head = b"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" + authorization
    body = b'd\r\n{"title":"x"}\r\n0 \r\n\r\n'  # a blank behind the last size
    answers = _answers(server, head + b"Transfer-Encoding: chunked\r\n\r\n", body + SMUGGLED, pause=0.05)

    assert [answer.status for answer in answers] == [400]
    listed = httpx.get(f"{server.url}/v1/tasks", headers={"Authorization": f"Bearer {tokens[0]}"}).json()
    assert listed["items"] == []


def test_earlier_answers_come_first_and_whole(server: Server, tokens: list[str]) -> None:
    """What is refused waits for its turn: its 400 must not be taken for the answer to the request before it."""
    good = b"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n\r\n" % tokens[0].encode()
    answers = _answers(server, good * 3 + CUT + SMUGGLED)

    assert [answer.status for answer in answers] == [200, 200, 200, 400]


def test_client_that_says_no_more_gets_its_answers(server: Server, tokens: list[str]) -> None:
    good = b"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n\r\n" % tokens[0].encode()

    for count in (1, 2, 5):
        answers = _answers(server, good * count, is_held_back=True)  # or the answer may be there before the end is
        assert [answer.status for answer in answers] == [200] * count
        assert answers[-1].headers["connection"] == "close"


def _rounds(dice: random.Random) -> Iterator[bytes]:
    while True:
        kind = dice.randrange(3)
        head = dice.choice([*REFUSED.values(), CUT])
        yield b"" if kind == 0 else head.replace(HOST, b"Host: 127.0.0.1") + SMUGGLED * kind


def test_victims_beside_it_get_their_own_answers(server: Server, tokens: list[str]) -> None:
    """Attackers' bytes between the requests of others, on one connection after another: nobody gets a stranger's."""
    me = [httpx.get(f"{server.url}/v1/me", headers={"Authorization": f"Bearer {token}"}).json() for token in tokens]
    dice = random.Random(2)
    attacks = _rounds(dice)
    for number in range(300):
        who = number % 3
        ask = f"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tokens[who]}\r\n\r\n".encode()
        stream = ask + next(attacks)
        cut = dice.randrange(1, len(stream))
        first, *others = _answers(server, stream[:cut], stream[cut:])
        assert (first.status, first.document) == (200, me[who])
        assert [answer.status for answer in others] in ([], [400], [431])
