"""SIGTERM: readiness says so, what is under way is finished, what is idle is closed politely, all within bounds."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.http.sockets import Connection
from tests.support.postgres.databases import connect
from tests.support.processes.servers import ROOT, Server, free_port
from todoproject.database import embedded
from todoproject.serving.server import IDLE_GRACE_SECONDS

pytestmark = pytest.mark.faults

Headers = dict[str, str]


def get(token: Headers, path: str = "/v1/tasks") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token['Authorization']}\r\n\r\n".encode()


def post(token: Headers, body: bytes) -> bytes:
    return (
        f"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@contextmanager
def held() -> Iterator[None]:
    """Hold the row that each write of this user needs."""
    with connect(embedded.DATABASE) as connection:
        connection.execute("SELECT FROM users WHERE id = (SELECT max(id::text) FROM users)::uuid FOR UPDATE")
        yield


def terminate(server: Server) -> float:
    """Ask a server to end; return the time."""
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)  # its loop turns ten times a second
    return time.monotonic()


def refused(server: Server) -> None:
    """Wait until nobody listens any more."""
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", server.port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("connections are accepted still")


def exit_code(server: Server, timeout: float = 60) -> int:
    assert server.process is not None
    return server.process.wait(timeout)


@pytest.fixture(params=["1", "2"], ids=["alone", "workers"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_is_under_way_is_finished_and_what_is_idle_may_ask_once_more(server: Server, workers: str) -> None:
    with Server("--workers", workers) as ending:
        token = ending.account()
        body = b'{"title": "Sent slowly"}'
        with Connection(ending) as idle, Connection(ending) as upload, Connection(ending) as waiting:
            assert idle.ask(get(token)).status == 200
            upload.send(post(token, body)[:-10])
            with held():
                waiting.send(post(token, b'{"title": "Waits for a lock"}'))
                time.sleep(0.3)
                terminate(ending)
                refused(ending)

                last = idle.ask(get(token))
            answers = [waiting.read()]
            upload.send(body[-10:])
            answers.append(upload.read())

        assert exit_code(ending) == 0
        assert (last.status, last.headers["connection"]) == (200, "close")
        assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(201, "close")] * 2
        assert "Traceback" not in ending.log


def test_readiness_says_so_first_while_everything_is_still_served(server: Server) -> None:
    with Server("--workers", "2", SHUTDOWN_DELAY_SECONDS="4") as ending:
        token = ending.account()
        assert httpx.get(f"{ending.url}/health/ready").status_code == 200
        terminate(ending)
        with Connection(ending) as balancer, Connection(ending) as client:
            ready = balancer.ask(get(token, "/health/ready"))
            served = client.ask(get(token))

        assert exit_code(ending) == 0
    assert ready.status == 503
    assert "about to end" in ready.document["detail"]
    assert (served.status, served.headers["connection"]) == (200, "close")


def test_requests_that_take_too_long_are_given_up_with_a_503(server: Server, workers: str) -> None:
    with Server("--workers", workers, SHUTDOWN_TIMEOUT_SECONDS="1") as ending:
        token = ending.account()
        with Connection(ending) as upload:
            upload.send(post(token, b"{}")[:-1])
            time.sleep(0.3)
            asked = terminate(ending)
            answer = upload.read()
            assert time.monotonic() - asked < 8

        assert exit_code(ending) == 0
    assert (answer.status, answer.media_type) == (503, "application/problem+json")
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(server: Server, workers: str, number: signal.Signals) -> None:
    with Server("--workers", workers) as ending:
        token = ending.account()
        with held(), Connection(ending) as waiting:
            waiting.send(post(token, b'{"title": "Waits for a lock"}'))
            time.sleep(0.3)
            asked = terminate(ending)
            assert ending.process is not None
            assert ending.process.poll() is None
            ending.process.send_signal(number)
            exit_code(ending, timeout=8)
        assert time.monotonic() - asked < 6


def test_ctrl_c_does_not_wait_for_idle_connections(server: Server) -> None:
    with Server() as ending:
        token = ending.account()
        with Connection(ending) as idle:
            assert idle.ask(get(token)).status == 200
            assert ending.process is not None
            ending.process.send_signal(signal.SIGINT)
            asked = time.monotonic()
            assert idle.read().status == 0  # closed, without a word
            assert time.monotonic() - asked < IDLE_GRACE_SECONDS
        assert exit_code(ending) == 0


def test_workers_end_with_a_supervisor_that_was_killed(server: Server) -> None:
    with Server("--workers", "2") as orphaned:
        orphaned.kill()
        refused(orphaned)
        orphaned.start()  # the port is free again


def test_a_passed_socket_is_used_and_two_are_refused(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = f"exec {sys.executable} manage.py runserver {free_port()} 3<&{listener.fileno()}"
        refused = subprocess.run(
            ["bash", "-c", f"LISTEN_PID=$$ LISTEN_FDS=2 {command}"],
            cwd=ROOT,
            pass_fds=[listener.fileno()],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        serving = subprocess.Popen(
            ["bash", "-c", f"LISTEN_PID=$$ LISTEN_FDS=1 {command}"],
            cwd=ROOT,
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # The socket was there before the server: a request waits until somebody takes it.
            assert httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=30).status_code == 200
        finally:
            serving.terminate()
            assert serving.wait(20) == 0
    assert refused.returncode == 1
    assert "LISTEN_FDS" in refused.stderr
