"""Slow, silent and numerous clients: each is let go in time, and normal ones beside them notice nothing."""

import resource
import socket
import struct
import time

import httpx
import pytest

from tests.support.http.sockets import Connection
from tests.support.processes.servers import Server
from todoproject.serving.protocol import HEAD_SECONDS, PROGRESS_SECONDS

pytestmark = pytest.mark.faults

HEAD = b"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def test_slow_clients_are_let_go_and_others_are_served(server: Server) -> None:
    headers = server.account()
    silent, head, body = Connection(server), Connection(server), Connection(server)
    with silent, head, body, httpx.Client(base_url=server.url, headers=headers) as normal:
        started = time.monotonic()
        for connection, start in ((silent, b""), (head, HEAD), (body, HEAD + b"Content-Length: 9\r\n\r\n{")):
            connection.wait_at_most(PROGRESS_SECONDS + 20)
            connection.send(start)
        for _ in range(20):
            assert normal.get("/v1/me").status_code == 200
        assert (silent.read().status, head.read().status) == (0, 408)
        assert HEAD_SECONDS <= time.monotonic() - started < PROGRESS_SECONDS
        late = body.read()
        assert (late.status, late.document["code"], late.headers["connection"]) == (408, "request-timeout", "close")
        assert normal.get("/v1/me").status_code == 200


def test_a_crowd_that_says_nothing_shuts_nobody_out(server: Server) -> None:
    with Server(MAX_CONNECTIONS="64") as small:
        crowd = [socket.create_connection(("127.0.0.1", small.port)) for _ in range(200)]
        try:
            for path, status in {"/health/live": 200, "/v1/me": 401, "/docs": 200}.items():
                assert httpx.get(small.url + path).status_code == status
        finally:
            for client in crowd:
                client.close()


def test_where_all_have_a_request_health_still_answers(server: Server) -> None:
    with Server(MAX_CONNECTIONS="32", MAX_CONNECTIONS_PER_ADDRESS="100") as small:
        busy = [Connection(small) for _ in range(32)]
        for connection in busy:
            connection.send(HEAD + b"Content-Length: 9\r\n\r\n{")
        time.sleep(1)
        assert httpx.get(f"{small.url}/health/live").status_code == 200
        refused = httpx.get(f"{small.url}/v1/me")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        for connection in busy:
            connection.close()


def test_one_address_cannot_have_all(server: Server) -> None:
    with Server(MAX_CONNECTIONS="64", MAX_CONNECTIONS_PER_ADDRESS="8") as small:
        busy = [Connection(small) for _ in range(8)]
        for connection in busy:
            connection.send(HEAD + b"Content-Length: 9\r\n\r\n{")
        time.sleep(1)
        assert httpx.get(f"{small.url}/v1/me").status_code == 503
        with socket.create_connection(("127.0.0.1", small.port), source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        for connection in busy:
            connection.close()


def test_unfinished_bodies_hold_a_bounded_amount_of_memory(server: Server) -> None:
    """Two hundred bodies of a MiB less a byte: the oldest give way, and a small one is read."""
    with Server(MAX_CONNECTIONS_PER_ADDRESS="1000") as small:
        piece = b" " * (1024 * 1024 - 16)
        crowd = [Connection(small) for _ in range(100)]
        for connection in crowd:
            connection.send(HEAD + b"Content-Length: 1048576\r\n\r\n" + piece)
        time.sleep(1)
        assert httpx.get(f"{small.url}/v1/me").status_code == 401
        assert crowd[0].read().status == 503
        with Connection(small) as normal:
            normal.send(HEAD + b"Content-Length: 2\r\n\r\n{")
            time.sleep(0.3)
            assert normal.ask(b"}").status == 401
        for connection in crowd:
            connection.close()


def test_head_in_pieces_at_the_end_of_the_server_is_answered(server: Server) -> None:
    with Server() as ending:
        whole = b"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with Connection(ending) as client:
            client.send(whole[:30])
            time.sleep(0.3)
            assert ending.process is not None
            ending.process.terminate()
            time.sleep(3)
            answer = client.ask(whole[30:])
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert ending.process.wait(20) == 0


def test_clients_that_leave_are_not_worth_a_traceback(server: Server) -> None:
    """By FIN and by RST, in the head, in the body, before the answer and in it, at both doors."""
    requests = [
        HEAD,
        HEAD + b"Content-Length: 9\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        *(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path for path in (b"/v1/me", b"/docs", b"/admin/login/")),
        b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\na=b",
        b"GET /static/todoproject/admin.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ]
    with Server() as own:
        (token,) = own.account().values()
        importing = b"POST /v1/imports HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %b\r\n" % token.encode()
        for request in [*requests, importing + b"Content-Length: 90\r\n\r\nBuy"] * 4:
            for pause in (0.0, 0.01, 0.1):
                for linger in (struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)):
                    client = socket.create_connection(("127.0.0.1", own.port))
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    client.sendall(request)
                    time.sleep(pause)
                    client.close()
        assert httpx.get(f"{own.url}/health/live").status_code == 200
        time.sleep(0.5)
        assert "Traceback" not in own.log
        assert '"level":"ERROR"' not in own.log
        assert "socket.send() raised exception" not in own.log


def test_limit_of_connections_leaves_descriptors_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    from todoproject.serving import admission

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert 700 < admission.limit() < 1024 - admission.RESERVE
    assert admission.limit_by_address() < admission.limit()
