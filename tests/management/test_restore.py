"""Restoring beside a service that is up, after a failure, and what a dump does not hold; a backup that is killed."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database, run, start, succeed

pytestmark = pytest.mark.faults

PERSON = """
INSERT INTO todo.users (id, email, password, timezone, is_staff, is_active, is_superuser)
SELECT gen_random_uuid(), 'p' || n || '@example.com', 'unusable', 'UTC', false, true, false
  FROM generate_series(1, {}) n
"""


@pytest.fixture(scope="module")
def source(postgres: None) -> Iterator[str]:
    """A migrated database with people in it."""
    with new_database("restore_source") as name:
        succeed("migrate", "-v0", database=name)
        with connect(name) as connection:
            connection.execute(PERSON.format(20_000))
        yield name


@pytest.fixture(scope="module")
def dump(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    path = tmp_path_factory.mktemp("restore") / "todo.dump"
    succeed("backup", path, database=source)
    return path


UPDATE = "UPDATE todo.users SET timezone = 'Europe/Berlin' WHERE email = 'p1@example.com'"


class Writer:
    """A service that writes whenever it can, and logs in again whenever it was sent away."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.written = 0
        self.refused: set[str] = set()

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                with connect(self._database, autocommit=True) as connection:
                    while not self._end.is_set():
                        self._write(connection)
            except psycopg.OperationalError:
                time.sleep(0.01)

    def _write(self, connection: "psycopg.Connection[Any]") -> None:
        try:
            self.written += connection.execute(UPDATE).rowcount > 0
        except (psycopg.errors.UndefinedTable, psycopg.errors.ReadOnlySqlTransaction) as error:
            self.refused.add(error.sqlstate or "")
        time.sleep(0.001)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_service_that_is_up_is_kept_out_while_its_database_is_restored(dump: Path) -> None:
    with new_database("busy_restore") as database, Writer(database) as writer:
        until(lambda: "42P01" in writer.refused)
        code, output, errors = run("restore", dump, database=database)
        assert (code, errors) == (0, ""), output
        until(lambda: writer.written > 0)  # afterwards it goes on by itself

    assert "25006" in writer.refused


def test_second_try_works_after_a_first_that_found_differences(dump: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.dump"
    shutil.copy(dump, bad)
    document = json.loads(dump.with_name(f"{dump.name}.json").read_text())
    document["contents"]["tables"]["users"]["checksum"] = "1"
    bad.with_name(f"{bad.name}.json").write_text(json.dumps(document))
    with new_database("second_try") as database:
        code, _, errors = run("restore", bad, database=database)
        assert code == 1
        assert "users has other values" in errors
        with connect(database) as connection:
            assert connection.execute("SELECT to_regnamespace('todo') IS NULL").fetchone() == (True,)
            assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("off",)

        succeed("restore", dump, database=database)


def test_rule_that_a_killed_restore_leaves_is_told_and_taken_away_by_the_next(dump: Path) -> None:
    rule = "ALTER ROLE CURRENT_USER IN DATABASE {} SET default_transaction_read_only = on"
    with new_database("killed_restore") as database:
        with connect(database) as connection:
            connection.execute(rule.format(database))
        assert "default_transaction_read_only is on" in run("dbcheck", database=database)[1]

        succeed("restore", dump, database=database)

        assert "default_transaction_read_only is on" not in run("dbcheck", database=database)[1]


def test_settings_that_no_dump_holds_are_listed_and_told(source: str, tmp_path: Path) -> None:
    with connect(source) as connection:
        connection.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {source} SET statement_timeout = '1h'")
        connection.execute(f"ALTER DATABASE {source} SET application_name = 'it''s ours'")
    statement = f"ALTER DATABASE {source} SET application_name = 'it''s ours';"
    path = tmp_path / "settings.dump"
    try:
        told = succeed("backup", path, database=source)
    finally:
        with connect(source) as connection:
            connection.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {source} RESET statement_timeout")
            connection.execute(f"ALTER DATABASE {source} RESET application_name")

    assert statement in told
    assert f"IN DATABASE {source} SET statement_timeout = '1h';" in told
    assert "search_path" not in told  # a restore sets it
    with new_database("with_settings") as database:
        assert statement in succeed("restore", path, database=database)


def test_manifest_of_an_older_release_is_read(dump: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.dump"
    shutil.copy(dump, old)
    document = json.loads(dump.with_name(f"{dump.name}.json").read_text()) | {"format": 1}
    del document["settings"]
    old.with_name(f"{old.name}.json").write_text(json.dumps(document))
    with new_database("older_backup") as database:
        assert "Restored" in succeed("restore", old, database=database)


def dumping(parent: int) -> int:
    """Return the pg_dump that a process has started; 0 where there is none yet."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):
            if b"--snapshot" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return 0


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_killed_backup_ends_its_program_and_the_next_one_removes_what_it_left(source: str, tmp_path: Path) -> None:
    with start("backup", tmp_path / "first.dump", database=source) as process:
        program = 0
        while not program:
            assert process.poll() is None
            program = dumping(process.pid)
        os.kill(program, signal.SIGSTOP)  # so that it does not end by itself
        process.send_signal(signal.SIGKILL)
    until(lambda: not is_alive(program))
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2
    assert all(name.endswith(".unfinished") for name in left)

    succeed("backup", tmp_path / "second.dump", database=source)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["second.dump", "second.dump.json"]


def test_backups_at_once_leave_each_other_alone(source: str, tmp_path: Path) -> None:
    processes = [start("backup", tmp_path / f"{number}.dump", database=source) for number in range(3)]

    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert len(list(tmp_path.iterdir())) == 6


def test_every_file_of_a_backup_and_its_folder_are_synced(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orm: None
) -> None:
    from todoproject.management.backups import dump

    synced: list[str] = []
    original = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        original(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    (tmp_path / "d").mkdir()
    dump.write(tmp_path / "d" / "x.dump", lambda _: None)

    assert [name.partition("dump")[0] for name in synced] == [".x.", ".x.", "d"]
    assert [".json" in name for name in synced] == [False, True, False]
