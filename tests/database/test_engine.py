"""Django's connections in a server process: shared, well at once after their server was, and nobody's state in them."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connections

from tests.environment import FOLDER
from tests.support.postgres.databases import connect
from tests.support.processes.servers import Server
from todoproject.database import embedded
from todoproject.database.embedded import log as server_log
from todoproject.database.engine import pool as admin_pool
from todoproject.database.engine.base import DatabaseWrapper

pytestmark = pytest.mark.faults

COOKIE = {"sessionid": "x" * 32}  # of nobody: its look-up is one query, and the answer leads to the login page
LIMIT = 1 + 4 + 8  # for the start, the admin and the API


@pytest.fixture(scope="module")
def served(postgres: None) -> Iterator[tuple[Server, Path]]:
    """A server with a PostgreSQL of its own, whose end hurts nobody else."""
    folder = FOLDER / "engine" / "postgres"
    folder.parent.mkdir(mode=0o755)
    with Server(EMBEDDED_DATA_DIR=str(folder)) as server:
        yield server, folder


def superuser(folder: Path) -> "psycopg.Connection[tuple[object, ...]]":
    return connect(embedded.DATABASE, host=str(embedded.socket_directory(folder)), user="postgres", autocommit=True)


def visit(server: Server) -> int:
    """Open a page of the admin that asks the database."""
    return httpx.get(f"{server.url}/admin/", cookies=COOKIE, timeout=30).status_code


def visits(server: Server, count: int) -> Counter[int]:
    with ThreadPoolExecutor(8) as threads:
        return Counter(threads.map(lambda _: visit(server), range(count)))


def open_connections(folder: Path) -> int:
    with superuser(folder) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'todoproject'"
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def test_many_at_once_share_a_few_connections_and_leave_none_behind(served: tuple[Server, Path]) -> None:
    server, folder = served

    assert visits(server, 100) == {302: 100}

    assert open_connections(folder) <= LIMIT


def test_next_visit_works_at_once_after_all_connections_were_ended(served: tuple[Server, Path]) -> None:
    server, folder = served
    for _ in range(3):
        visits(server, 16)
        with superuser(folder) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'todoproject'"
            )
        time.sleep(0.2)
        started = time.monotonic()

        assert visit(server) == 302
        assert time.monotonic() - started < 2
        assert visits(server, 16) == {302: 16}
    assert "discarding" not in server.log


def test_visits_wait_for_a_server_that_restarts(served: tuple[Server, Path]) -> None:
    server, folder = served
    visits(server, 16)
    os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGINT)  # pg_ctl stop -m fast
    time.sleep(0.3)

    assert visits(server, 16) == {302: 16}


def test_visitors_who_leave_take_no_connection_along(served: tuple[Server, Path]) -> None:
    server, folder = served
    for _ in range(3):
        with superuser(folder) as connection, connection.transaction():
            connection.execute("LOCK TABLE todo.django_session IN ACCESS EXCLUSIVE MODE")
            visitors = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(6)]
            for visitor in visitors:
                visitor.sendall(
                    f"GET /admin/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={'x' * 32}\r\n\r\n".encode()
                )
            time.sleep(0.3)
            for visitor in visitors:
                visitor.close()

    assert visits(server, 32) == {302: 32}
    assert open_connections(folder) <= LIMIT


def test_no_state_of_a_session_is_left_on_a_connection(served: tuple[Server, Path]) -> None:
    """Nothing was SET, prepared, locked or listened to: a transaction pooler would give that to somebody else."""
    server, folder = served
    with superuser(folder) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.2)
        log = server_log.path(folder)
        before = len(log.read_text())
        visits(server, 16)
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
        statements = [line for line in log.read_text()[before:].splitlines() if "statement:" in line]

    assert any("django_session" in line for line in statements)
    for line in statements:
        said = line.partition("statement:")[2].strip()
        assert said.startswith(("SELECT", "BEGIN", "COMMIT", "ROLLBACK", "INSERT", "UPDATE", "ALTER SYSTEM")), line
        assert "set_config" not in said or "true" in said, line


def test_server_that_falls_silent_is_not_waited_for_for_ever(orm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's process is stopped as it works: its socket is open, and nothing comes."""
    monkeypatch.setattr(admin_pool, "_STATEMENT_SECONDS", 1.0)
    wrapper = connections["default"]
    assert isinstance(wrapper, DatabaseWrapper)
    wrapper.close()
    wrapper.open_pool()
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
            os.kill(pid, signal.SIGSTOP)
            started = time.monotonic()
            try:
                with pytest.raises(Exception, match="timeout expired"):
                    cursor.execute("SELECT 1")
            finally:
                os.kill(pid, signal.SIGCONT)
            assert time.monotonic() - started < 3
        wrapper.close()
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    finally:
        wrapper.close()
        wrapper.close_pool()
