"""Migrating where somebody else was first: behind a pooler, and beside another owner on the same server."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.environment import FOLDER
from tests.faults.pooler import EXECUTABLE, as_the_server, is_installed
from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database, run, succeed, url
from tests.support.processes.servers import free_port
from todoproject.database import embedded

pytestmark = pytest.mark.faults

SOCKET = embedded.socket_directory(FOLDER / "postgres")


@contextmanager
def pgbouncer(folder: Path, mode: str, *more: str) -> Iterator[int]:
    """Run a PgBouncer before the tests' server; yield its port."""
    folder = folder / mode
    folder.mkdir()
    folder.parent.chmod(0o755)
    port = free_port()
    (folder / "users.txt").write_text(f'"{embedded.OWNER}" ""\n')
    lines = [
        f"[databases]\n* = host={SOCKET} port=5432\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}",
        f"unix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users.txt\npool_mode = {mode}",
        *more,
    ]
    (folder / "ini").write_text("\n".join(lines))
    user = as_the_server(folder, SOCKET)
    command = [EXECUTABLE or "", "-q", str(folder / "ini")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **user) as process:
        try:
            for _ in range(200):
                try:
                    psycopg.connect(host="127.0.0.1", port=port, user=embedded.OWNER, dbname="postgres").close()
                    break
                except psycopg.OperationalError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def settings_of_sessions(address: str, name: str, count: int = 5) -> set[str]:
    """Return the values of a setting in so many sessions of a transaction pooler: each is held until all have told.

    None of the statements is prepared: the next one may meet a session that knows nothing of it.
    """
    with ExitStack() as stack:
        sessions = [stack.enter_context(psycopg.connect(address, prepare_threshold=None)) for _ in range(count)]
        return {str(row[0]) for session in sessions for row in session.execute(f"SHOW {name}")}


needs_pgbouncer = pytest.mark.skipif(not is_installed(), reason="PgBouncer is not installed")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that another user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="todo-bouncer-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@needs_pgbouncer
@pytest.mark.parametrize("more", [[], ["server_round_robin = 1", "min_pool_size = 5"]], ids=["last first", "in turn"])
def test_migrating_through_a_transaction_pooler_is_refused_at_once_and_leaves_nothing(
    postgres: None, place: Path, more: list[str]
) -> None:
    with new_database("pooled") as name, pgbouncer(place, "transaction", *more) as port:
        address = f"postgresql://{embedded.OWNER}@127.0.0.1:{port}/{name}"
        for _ in range(2):
            began = time.monotonic()
            code, _, errors = run("migrate", database=name, DATABASE_URL=address)
            assert code == 1
            assert "DIRECT_DATABASE_URL" in errors
            assert len(errors.splitlines()) == 1
            assert time.monotonic() - began < 30
        assert settings_of_sessions(address, "lock_timeout") == {"0"}
        with connect(name) as connection:
            assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)
            assert connection.execute("SELECT to_regnamespace('todo') IS NULL").fetchone() == (True,)

        succeed("migrate", "-v0", database=name, DATABASE_URL=address, DIRECT_DATABASE_URL=url(name))


@needs_pgbouncer
def test_migrating_through_a_session_pooler_works(postgres: None, place: Path) -> None:
    with new_database("sessions") as name, pgbouncer(place, "session") as port:
        address = f"postgresql://{embedded.OWNER}@127.0.0.1:{port}/{name}"
        succeed("migrate", "-v0", database=name, DATABASE_URL=address)
        succeed("migrate", "-v0", database=name, DATABASE_URL=address)


@contextmanager
def owner(name: str, rights: str) -> Iterator[str]:
    """Make another owner on the server, with a database of its own, by the server's administrator."""
    with psycopg.connect(host=str(SOCKET), user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN {rights}")
        admin.execute(f"CREATE DATABASE {name} OWNER {name}")
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            admin.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("rights", ["CREATEROLE", "NOCREATEROLE"])
def test_second_owner_on_a_server_is_told_the_right_grant_and_nothing_is_half_done(postgres: None, rights: str) -> None:
    with new_database("first_owner") as first, owner(f"second_{rights.lower()}", rights) as second:
        succeed("migrate", "-v0", database=first)
        address = url(second, user=second)

        code, _, errors = run("migrate", database=second, DATABASE_URL=address)

        assert code == 1
        assert len(errors.splitlines()) == 1
        with connect(second, user=second) as connection:
            assert connection.execute("SELECT to_regnamespace('todo') IS NULL").fetchone() == (True,)
        grant = errors.partition("run: ")[2].strip()
        assert grant.count("WITH ADMIN OPTION;") == 2
        with psycopg.connect(host=str(SOCKET), user="postgres", dbname="postgres", autocommit=True) as admin:
            admin.execute(grant)
        succeed("migrate", "-v0", database=second, DATABASE_URL=address)
        succeed("migrate", "-v0", database=second, DATABASE_URL=address)
        assert "may not be taken on" not in run("dbcheck", database=second, DATABASE_URL=address)[1]


def test_second_owner_with_roles_of_its_own_needs_no_grant(postgres: None) -> None:
    with new_database("first_owner") as first, owner("own_roles", "CREATEROLE") as second:
        succeed("migrate", "-v0", database=first)
        here = {"DATABASE_URL": url(second, user=second), "DATABASE_ROLE_PREFIX": "staging"}

        succeed("migrate", "-v0", database=second, **here)

        with connect(second, user=second) as connection:
            found = [connection.execute(query).fetchall() for query in (_GRANTEES, _IN_POLICIES, _IN_FUNCTIONS)]
        checked = run("dbcheck", database=second, **here)[1]
        with connect(second, user=second, autocommit=True) as connection:
            connection.execute("DROP OWNED BY staging_api, staging_account")
            connection.execute("DROP ROLE staging_api, staging_account")
        assert found == [[("staging_account",), ("staging_api",)], [("staging_account",), ("staging_api",)], []]
        assert "policies bind staging_api, staging_account" in checked


_GRANTEES = """
SELECT DISTINCT grantee FROM information_schema.role_column_grants
 WHERE table_schema = 'todo' AND grantee <> current_user ORDER BY 1
"""
_IN_POLICIES = "SELECT DISTINCT unnest(roles)::text FROM pg_policies ORDER BY 1"
_IN_FUNCTIONS = "SELECT proname FROM pg_proc WHERE prosrc ~ 'todo_(api|account)'"
