"""Workers come, go and die under load, and no request that was sent goes unanswered."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.http.load import Load
from tests.support.postgres.databases import connect
from tests.support.processes.servers import ROOT, Server
from todoproject.database import embedded

pytestmark = pytest.mark.faults


def workers(server: Server) -> set[int]:
    """Return the process ids of a server's workers."""
    assert server.process is not None
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return {int(pid) for pid in path.read_text().split()}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it does not come true")


async def replaced(server: Server, before: set[int], count: int = 2) -> set[int]:
    """Wait until that many workers serve, and none of those before."""
    while True:
        await until(lambda: len(workers(server)) == count and not workers(server) & before)
        found = workers(server)
        await asyncio.sleep(0.5)  # a child that only begins, or prepares something, is none of them
        if workers(server) == found:
            return found


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
            for _ in range(int(os.environ.get("ROLLING_RESTARTS", "2"))):
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


async def test_a_killed_worker_is_replaced_and_loses_nothing_acknowledged(server: Server) -> None:
    with Server("--workers", "2") as rolling:
        before = await replaced(rolling, set())
        async with Load(rolling.port, rolling.account()) as load:
            await asyncio.sleep(1)
            os.kill(min(before), signal.SIGKILL)
            after = await replaced(rolling, {min(before)})
            await asyncio.sleep(1)
            failures = len(load.failures)
            await asyncio.sleep(1)

        assert max(before) in after
        assert len(load.failures) == failures <= load.clients  # only what the killed one had in its hands
        assert persisted(load.written) == len(load.written)
        assert "a worker ended and is started again" in rolling.log


async def test_reload_reads_the_settings_anew_and_a_mistake_in_them_changes_nothing(
    server: Server, tmp_path: Path
) -> None:
    settings = tmp_path / "env"
    settings.write_text("TASK_RETENTION_DAYS=30\n")
    with Server("--workers", "2", ENV_FILE=str(settings)) as rolling:
        assert rolling.process is not None
        before = await replaced(rolling, set())

        settings.write_text("TASK_RETENTION_DAYS=soon\n")
        os.kill(rolling.process.pid, signal.SIGHUP)
        await until(lambda: "so the old ones go on" in rolling.log)
        assert workers(rolling) == before
        assert "TASK_RETENTION_DAYS is not a whole number" in rolling.log

        settings.write_text("LOG_LEVEL=DEBUG\n")
        os.kill(rolling.process.pid, signal.SIGHUP)
        await replaced(rolling, before)
        assert rolling.get("/health").status_code == 200


@contextmanager
def passed(listener: socket.socket) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server on a socket that somebody holds for it, as systemd would; wait until it is ready."""
    descriptor = listener.fileno()
    command = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {sys.executable} manage.py runserver --workers 2 3<&{descriptor}"
    log = Path(tempfile.mkstemp(prefix="todo-passed-")[1])
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=ROOT, pass_fds=[descriptor], stdout=output, stderr=output
        )
        try:
            while log.read_text().count("started") < 2:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            assert process.wait(30) == 0, log.read_text()
            log.unlink()


async def test_one_server_takes_over_from_another_on_the_same_socket(server: Server) -> None:
    headers = server.account()
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener, passed(listener) as first:
        async with Load(listener.getsockname()[1], headers, clients=16) as load:
            second = passed(listener)
            await asyncio.to_thread(second.__enter__)
            first.terminate()
            await until(lambda: first.poll() is not None)
            await asyncio.sleep(1)
        second.__exit__(None, None, None)

    assert load.failures == []
    assert load.closed_politely > 0
    assert persisted(load.written) == len(load.written)
