"""Workers come, go and die under load, and no request that was sent goes unanswered."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.databases import connect
from tests.load import Load
from tests.servers import Server
from todoproject.database import embedded

pytestmark = pytest.mark.faults


def workers(server: Server) -> set[int]:
    """Return the process ids of a server's workers."""
    assert server.process is not None
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return {int(pid) for pid in path.read_text().split()}


async def replaced(server: Server, before: set[int], count: int = 2) -> set[int]:
    """Wait until other workers than those serve, and only they."""
    for _ in range(600):
        now = workers(server)
        if len(now) == count and not now & before:
            return now
        await asyncio.sleep(0.1)
    raise AssertionError(f"{before} were not replaced: {workers(server)}\n{server.log}")


def persisted(ids: list[str]) -> int:
    with connect(embedded.DATABASE) as connection:
        rows = connection.execute("SELECT count(*) FROM tasks WHERE id = ANY (%s::uuid[])", [ids])
        count: int = (rows.fetchone() or (0,))[0]
        return count


@pytest.mark.parametrize("pause", [0.02, 3.0], ids=["busy", "idle"])
async def test_rolling_restarts_lose_no_request(server: Server, pause: float) -> None:
    with Server("--workers", "2") as rolling:
        assert rolling.process is not None
        before = await replaced(rolling, set())
        async with Load(rolling.port, rolling.account(), clients=16 if pause < 1 else 60, pause=pause) as load:
            for _ in range(int(os.environ.get("ROLLING_RESTARTS", "3"))):
                os.kill(rolling.process.pid, signal.SIGHUP)
                before = await replaced(rolling, before)
            await asyncio.sleep(0.5)
        log = rolling.log

        assert load.failures == []
        assert load.closed_politely > 0
        assert len(load.written) > 20
        assert persisted(load.written) == len(load.written)
    print(load)
    assert "ERROR" not in log
