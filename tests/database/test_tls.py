"""Connections to a real PostgreSQL over TLS: what is verified, and what the operator is told where it cannot be."""

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from tests.product.test_start import refuse
from tests.support.people import PASSWORD
from tests.support.postgres.tls import TlsServer, tls_server
from tests.support.processes.servers import Server, free_port
from todoproject.database import url
from todoproject.database.errors import worth_another_try

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def tls(postgres: None) -> Iterator[TlsServer]:
    with tls_server() as server:
        yield server


def connect(address: str) -> "psycopg.Connection[Any]":
    """Connect as the settings would."""
    database = url.parse(address)
    return psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
        autocommit=True,
        **database["OPTIONS"],
    )


QUERY = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sslmode=require",
        "sslmode=verify-full&sslrootcert={authority}",
        "sslmode=verify-ca&sslrootcert={authority}",
        "sslmode=require&channel_binding=require",
        "sslmode=verify-full&sslrootcert={authority}&channel_binding=require",
    ],
)
def test_what_can_be_verified_is_encrypted(tls: TlsServer, query: str) -> None:
    with connect(tls.url(query.format(authority=tls.authority), database="postgres")) as connection:
        assert connection.execute(QUERY).fetchone() == (True,)


@pytest.mark.parametrize(
    ("host", "query", "complaint"),
    [
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={authority}", "does not match host name"),
        ("localhost", "sslmode=verify-full&sslrootcert={stranger}", "certificate verify failed"),
        ("localhost", "sslmode=verify-ca&sslrootcert={stranger}", "certificate verify failed"),
        ("localhost", "sslmode=require&sslrootcert={stranger}", "certificate verify failed"),
        ("localhost", "sslmode=verify-full", "certificate verify failed"),
        ("localhost", "sslrootcert=system", "certificate verify failed"),
        ("localhost", "sslmode=disable", "no encryption"),
    ],
)
def test_what_cannot_be_verified_is_refused(tls: TlsServer, host: str, query: str, complaint: str) -> None:
    address = tls.url(query.format(authority=tls.authority, stranger=tls.stranger), host=host, database="postgres")

    with pytest.raises(psycopg.OperationalError, match=complaint):
        connect(address)


@contextmanager
def cutting(port: int, after: int, *, resets: bool) -> Iterator[int]:
    """Listen, and forward one connection to a server until so many bytes of its answers have passed; yield the port."""

    def forward() -> None:
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            left = after
            while left > 0:
                for ready in select.select([client, server], [], [], 10)[0]:
                    if not (data := ready.recv(65_536 if ready is client else left)):
                        return
                    (server if ready is client else client).sendall(data)
                    left -= len(data) if ready is server else 0
            if resets:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=forward)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("resets", [False, True], ids=["FIN", "RST"])
def test_try_to_connect_that_is_cut_anywhere_is_worth_another_one(tls: TlsServer, resets: bool) -> None:
    """A failure to connect is told by its text alone, and one that nobody has foreseen would refuse all who wait."""
    address = tls.url("sslmode=require", database="postgres")
    unforeseen = {}
    for after in range(0, 6000, 103):
        with cutting(tls.port, after, resets=resets) as port:
            try:
                connect(address.replace(f":{tls.port}/", f":{port}/")).close()
                break  # so much is never said before it stands
            except psycopg.OperationalError as error:
                if not worth_another_try(str(error)):
                    unforeseen[after] = str(error)
    assert after > 500
    assert unforeseen == {}


def test_start_says_in_one_line_that_the_certificate_is_not_trusted(tls: TlsServer) -> None:
    line = refuse(PORT=str(free_port()), DATABASE_URL=tls.url(f"sslmode=verify-full&sslrootcert={tls.stranger}"))

    assert "the database cannot be reached" in line
    assert "certificate verify failed" in line


def test_everything_goes_over_tls(tls: TlsServer) -> None:
    """Migrations, the API and the admin, with the authority's certificate named in the URL."""
    safely = f"sslmode=verify-full&sslrootcert={tls.authority}&channel_binding=require"
    with connect(tls.url(safely, database="postgres")) as connection:
        connection.execute("CREATE DATABASE todo")

    with Server(DATABASE_URL=tls.url(safely), MIGRATE_ON_START="true", FIRST_STAFF_EMAIL="staff@example.com") as server:
        account = {"email": "alice@example.com", "password": PASSWORD}
        registered = httpx.post(f"{server.url}/v1/auth/register", json=account)
        page = httpx.get(f"{server.url}/admin/login/", headers={"Accept": "text/html"})
        with connect(tls.url(safely)) as connection:
            seen = connection.execute(
                "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                " WHERE application_name = 'todoproject'"
            ).fetchone()

    assert (registered.status_code, page.status_code) == (201, 200)
    assert seen is not None
    assert (seen[0] >= 2, seen[1]) == (True, True)
