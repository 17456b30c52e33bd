"""Two versions of the code on one schema, as during a release: the migrations first, then one process after another."""

import asyncio
import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.support import statements
from tests.support.http.load import Load
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.processes.probes import manage, probe_app
from tests.support.processes.servers import ROOT, Server
from todoproject.database import embedded


async def test_everything_that_the_api_does_is_collected(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = await statements.collect(alice, monkeypatch)
    if "WRITE_STATEMENTS" in os.environ:
        statements.keep(commands)
    assert len(commands) >= 60


def test_statements_of_the_last_release_run_on_this_schema(database: None) -> None:
    with connect() as connection:
        assert broken_by(connection) == {}


def broken_by(connection: "psycopg.Connection[tuple[object, ...]]") -> dict[statements.Commands, str]:
    """Return what the schema does not serve, and why."""
    broken = {}
    for commands in statements.kept():
        try:
            with connection.transaction():
                statements.explain(connection, commands)
        except psycopg.Error as error:
            broken[commands] = str(error)
    return broken


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE tasks RENAME description TO notes",
        "ALTER TABLE access_tokens DROP COLUMN rotated_at",
        "ALTER FUNCTION open_request(bytea, text) RENAME TO begin_request",
        "REVOKE UPDATE (priority) ON tasks FROM todo_api",
    ],
)
def test_a_schema_that_breaks_the_last_release_is_noticed(database: None, change: str) -> None:
    """The migration is undone again: nobody else sees it."""
    with connect() as connection:
        connection.execute(change)
        assert broken_by(connection)
        connection.rollback()


def older_code(folder: Path) -> str | None:
    """Put the code before the newest change of a migration into a folder; return its commit, None without history."""
    newest = _git("log", "-1", "--format=%H", "--", "*/migrations/*.py").decode().strip()
    commit = _git("rev-parse", "--verify", "--quiet", f"{newest}^", check=False).decode().strip() if newest else ""
    if not commit:
        return None
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "--extract", "--directory", folder], input=_git("archive", commit), check=True)
    return commit


def _git(*arguments: str, check: bool = True) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=check).stdout


@pytest.mark.faults
@pytest.mark.versions
async def test_the_older_and_the_newer_code_serve_side_by_side(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What one of them writes, the other reads, under load, on the schema of the newer one."""
    if older_code(tmp_path) is None:
        with capsys.disabled():
            print("\nNO HISTORY HERE: the older code is not run; only its statements are tried.")
        return
    older = Server(MIGRATE_ON_START="false")
    older.root = tmp_path
    with older, Server(MIGRATE_ON_START="false") as newer:
        headers = older.account()
        async with Load(older.port, headers) as old_load, Load(newer.port, headers) as new_load:
            await asyncio.sleep(3)
        ready = [each.get("/health/ready").status_code for each in (older, newer)]
        pages = [each.get("/v1/tasks?limit=1&include=total", headers).json() for each in (older, newer)]

    assert (old_load.failures, new_load.failures) == ([], [])
    assert ready == [200, 200]
    assert [page["total"] for page in pages] == [len(old_load.written) + len(new_load.written)] * 2
    assert min(len(old_load.written), len(new_load.written)) > 20


ADD = """
    operations = [migrations.RunSQL(
        "ALTER TABLE tasks ADD COLUMN probe int; ALTER TABLE users ADD COLUMN probe text NOT NULL DEFAULT '';"
        "ALTER TABLE access_tokens ADD COLUMN probe int",
        "ALTER TABLE tasks DROP COLUMN probe; ALTER TABLE users DROP COLUMN probe;"
        "ALTER TABLE access_tokens DROP COLUMN probe",
    )]
"""
INDEX = """
    atomic = False
    operations = [migrations.RunSQL(
        "CREATE INDEX CONCURRENTLY tasks_probe ON tasks (probe)", "DROP INDEX CONCURRENTLY tasks_probe"
    )]
"""


@pytest.mark.faults
@pytest.mark.versions
async def test_the_schema_changes_under_load_and_nobody_notices(server: Server, tmp_path: Path) -> None:
    """Columns come and go on the tables that every request reads, with plans prepared for them on every connection."""
    probe = probe_app(tmp_path, "probe_load", "", ADD, INDEX)
    async with Load(server.port, server.account()) as load:
        await asyncio.sleep(1)
        for target in ("0002", "zero", "0002", "zero"):
            process = manage("migrate", "probe_load", target, database=embedded.DATABASE, **probe)
            out, err = await asyncio.to_thread(process.communicate, timeout=60)
            assert process.returncode == 0, (out, err)
        await asyncio.sleep(1)

    assert load.failures == []
    assert load.slowest < 3  # MIGRATION_LOCK_TIMEOUT_SECONDS, and a busy machine
    assert len(load.written) > 50
