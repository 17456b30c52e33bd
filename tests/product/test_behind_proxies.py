"""Behind Debian's proxies, with their connections to the server shared: nobody gets the answer of somebody else."""

import shutil

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


@pytest.mark.parametrize("name", COMMANDS)
def test_no_answer_goes_to_somebody_else(server: Server, name: str) -> None:
    if shutil.which(COMMANDS[name][1][0]) is None:
        pytest.skip(f"{name} is not installed")
    with (
        Server(RATE_LIMIT="off", RATE_LIMIT_ANONYMOUS="off", LOGIN_LIMIT="off", REGISTER_LIMIT="off") as own,
        proxy(name, own.port) as port,
    ):
        tally = attack(port, _people(own, 3), rounds=100)

    assert tally.wrong == []
    assert tally.attacks == 100
    assert tally.answers > 100
