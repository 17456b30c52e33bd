"""Starting and stopping the real server: first start, second, killed, beside another, and where it must refuse."""

import os
import shutil
import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.environment import FOLDER
from tests.support.people import header_at
from tests.support.postgres.databases import connect
from tests.support.processes.servers import ROOT, Server, free_port
from todoproject.database import embedded

pytestmark = pytest.mark.faults


def refuse(*arguments: str, timeout: float = 60, **settings: str) -> str:
    """Start a server that must not start; return the one line that says why."""
    finished = subprocess.run(
        [sys.executable, "manage.py", "runserver", *arguments],
        cwd=ROOT,
        env={**os.environ, "LOG_LEVEL": "ERROR", **settings},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert finished.returncode == 1, (finished.stdout, finished.stderr)
    assert finished.stdout == ""
    lines = finished.stderr.splitlines()
    assert len(lines) == 1, finished.stderr
    return lines[0]


def register(server: Server, email: str) -> dict[str, str]:
    return header_at(server.url, email=email)


def test_first_start_prints_a_staff_account_once(server: Server) -> None:
    email, password = server.staff
    assert email == "staff@example.com"
    assert server.log.count(password) == 1

    with Server(FIRST_STAFF_EMAIL="staff@example.com") as second:
        assert "password" not in second.log.partition("Try")[0]


def test_what_is_acknowledged_survives_a_kill(server: Server) -> None:
    with Server() as first:
        headers = register(first, "kill@example.com")
        created = httpx.post(f"{first.url}/v1/tasks", json={"title": "Survive"}, headers=headers).json()
        first.kill()
        first.start()

        assert httpx.get(f"{first.url}/v1/tasks/{created['id']}", headers=headers).json() == created


def test_two_servers_share_one_database(server: Server) -> None:
    with Server() as second:
        headers = register(second, "shared@example.com")
        created = httpx.post(f"{second.url}/v1/tasks", json={"title": "Shared"}, headers=headers).json()

        assert httpx.get(f"{server.url}/v1/tasks/{created['id']}", headers=headers).json() == created

    assert httpx.get(f"{server.url}/health").status_code == 200


def test_workers_serve_side_by_side(server: Server) -> None:
    with Server("--workers", "2") as several:
        headers = register(several, "workers@example.com")
        created = httpx.post(f"{several.url}/v1/tasks", json={"title": "Anywhere"}, headers=headers).json()

        for _ in range(10):
            answer = httpx.get(f"{several.url}/v1/tasks/{created['id']}", headers=headers)
            assert answer.json() == created


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_end_it_ends_in_order(server: Server, number: signal.Signals) -> None:
    with Server() as asked:
        assert asked.process is not None
        asked.process.send_signal(number)

        assert asked.process.wait(timeout=20) == 0
        assert '"event":"stopped"' in asked.log
        assert "Traceback" not in asked.log


def test_embedded_server_that_crashed_is_started_again(postgres: None) -> None:
    """The app goes on without help when its PostgreSQL was killed under it."""
    folder = FOLDER / "crash" / "postgres"
    folder.parent.mkdir(mode=0o755)
    with Server(EMBEDDED_DATA_DIR=str(folder)) as server:
        headers = register(server, "crash@example.com")
        created = httpx.post(f"{server.url}/v1/tasks", json={"title": "Survive"}, headers=headers).json()
        os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

        answer = httpx.get(f"{server.url}/v1/tasks/{created['id']}", headers=headers, timeout=30)
        for _ in range(100):
            if answer.status_code == 200:
                break
            assert answer.status_code == 503
            time.sleep(0.1)
            answer = httpx.get(f"{server.url}/v1/tasks/{created['id']}", headers=headers, timeout=30)

        assert answer.json() == created


# --- Refusals -------------------------------------------------------------------------------------


def test_busy_port_is_told_with_a_way_out(server: Server) -> None:
    line = refuse(str(server.port))

    assert f"127.0.0.1:{server.port} is in use" in line
    assert f"PORT={server.port + 1}" in line


@pytest.mark.parametrize("address", ["eighty", "127.0.0.1:", "127.0.0.1:99999", "1.2.3.4:8000"])
def test_address_that_cannot_be_is_refused(address: str) -> None:
    refuse(address)


@pytest.mark.parametrize("wait", [0, 1])
def test_unreachable_database_ends_the_start(wait: int) -> None:
    url = f"postgresql://u:secret-word@127.0.0.1:{free_port()}/d"
    started = time.monotonic()

    line = refuse(
        PORT=str(free_port()),
        DATABASE_URL=url,
        DATABASE_START_TIMEOUT_SECONDS=str(wait),
        DATABASE_CONNECT_TIMEOUT_SECONDS="1",
    )

    assert "the database cannot be reached" in line
    assert "secret-word" not in line
    assert time.monotonic() - started < wait + 10


def test_wrong_password_is_not_tried_again_and_again(postgres: None) -> None:
    socket = embedded.socket_directory(FOLDER / "postgres")
    started = time.monotonic()

    line = refuse(PORT=str(free_port()), DATABASE_URL=f"postgresql://nobody-here@/d?host={socket}")

    assert "nobody-here" in line
    assert time.monotonic() - started < 10


def test_data_of_another_postgresql_version_is_left_alone(postgres: None) -> None:
    folder = FOLDER / "old"
    folder.mkdir(mode=0o700)
    (folder / "PG_VERSION").write_text("9\n")
    (folder / "precious").write_text("data")
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")

    line = refuse(PORT=str(free_port()), EMBEDDED_DATA_DIR=str(folder))

    assert "PostgreSQL 9" in line
    assert sorted(path.name for path in folder.iterdir()) == ["PG_VERSION", "precious"]


def test_production_refuses_a_role_that_bypasses_the_fence(server: Server) -> None:
    with connect("postgres", autocommit=True, user="postgres") as superuser:
        superuser.execute("ALTER ROLE todo_api BYPASSRLS")
        try:
            line = refuse(PORT=str(free_port()), ENVIRONMENT="production")
        finally:
            superuser.execute("ALTER ROLE todo_api NOBYPASSRLS")

    assert "role todo_api bypasses row-level security" in line


def test_half_migrated_database_is_served_but_not_ready(server: Server) -> None:
    with connect(embedded.DATABASE, autocommit=True) as connection:
        last = max(path.stem for path in (ROOT / "tasks" / "migrations").glob("0*.py"))
        connection.execute("DELETE FROM django_migrations WHERE app = 'tasks' AND name = %s", [last])
        try:
            with Server(MIGRATE_ON_START="false") as behind:
                ready = httpx.get(f"{behind.url}/health/ready")
                log = behind.log
        finally:
            connection.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('tasks', %s, now())", [last])

    assert ready.status_code == 503
    assert f"tasks.{last}" in ready.json()["detail"]
    assert "run `python manage.py migrate`" in log
