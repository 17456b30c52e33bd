"""Behind Debian's proxies, with their connections to the server shared: nobody gets the answer of somebody else.

And what is told by a stream comes at once, as none of them keeps it back to fill a buffer.
"""

import shutil
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.proxies import COMMANDS, proxy
from tests.support.desync import attack
from tests.support.people import session_at
from tests.support.processes.servers import Server

pytestmark = pytest.mark.faults


def _people(server: Server, count: int) -> dict[str, str]:
    people = {}
    for _ in range(count):
        token = session_at(server.url)["token"]
        people[token] = httpx.get(f"{server.url}/v1/me", headers={"Authorization": f"Bearer {token}"}).text
    return people


@pytest.fixture(params=COMMANDS)
def name(request: pytest.FixtureRequest) -> str:
    if shutil.which(COMMANDS[request.param][1][0]) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


def test_no_answer_goes_to_somebody_else(server: Server, name: str) -> None:
    with (
        Server(RATE_LIMIT="off", RATE_LIMIT_ANONYMOUS="off", LOGIN_LIMIT="off", REGISTER_LIMIT="off") as own,
        proxy(name, own.port) as port,
    ):
        tally = attack(port, _people(own, 3), rounds=100)

    assert tally.wrong == []
    assert tally.attacks == 100
    assert tally.answers > 100


def _behind(lines: Iterator[str], start: str) -> str:
    """Read on to the line that starts so; return it. Raises ReadTimeout where nothing more comes."""
    return next(line for line in lines if line.startswith(start))


def test_an_event_comes_at_once(server: Server, name: str) -> None:
    """There is no beat within the timeout, which could push out what a proxy keeps."""
    with (
        Server(STREAM_LIFETIME_SECONDS="3600") as own,
        proxy(name, own.port) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client,
    ):
        headers = own.account()
        with client.stream("GET", "/v1/changes/stream", headers=headers) as answer:
            assert answer.status_code == 200
            lines = answer.iter_lines()
            _behind(lines, "retry: ")
            for number in range(3):
                client.post("/v1/tasks", json={"title": f"Task {number}"}, headers=headers).raise_for_status()
                began = time.monotonic()
                _behind(lines, "event: task")
                assert f"Task {number}" in _behind(lines, "data: ")
                assert time.monotonic() - began < 1
