"""`migrate` beside traffic: it gives way, says to whom, builds indexes without a lock, and mends what was cut short."""

import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database
from tests.support.processes.probes import manage, probe_app
from todoproject.database import lock_watch

pytestmark = pytest.mark.faults

MODEL = """
class Note(models.Model):
    text = models.TextField()
    class Meta:
        db_table = "{table}"
        indexes = [models.Index(fields=["text"], name="{table}_text")]
"""
CREATE = """
    operations = [
        migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())],
                               options={{"db_table": "{table}"}}),
        migrations.RunSQL("INSERT INTO {table} (text) SELECT 'note' || n FROM generate_series(1, 1000) n", ""),
    ]
"""
ADD_COLUMN = """
    operations = [migrations.RunSQL("ALTER TABLE {table} ADD COLUMN more int", "ALTER TABLE {table} DROP COLUMN more")]
"""
ADD_INDEX = """
    atomic = False
    operations = [AddIndexConcurrently("Note", models.Index(fields=["text"], name="{table}_text"))]
"""


@pytest.fixture(scope="module")
def migrated(postgres: None) -> Iterator[str]:
    """A database of its own, migrated."""
    with new_database("migrated") as name:
        # On a busy machine a statement may take long, which is logged.
        assert finish(manage("migrate", "-v0", database=name, SLOW_QUERY_MILLISECONDS="off")) == ""
        yield name


class Probe:
    """A table, made by a migration, that a second migration changes."""

    def __init__(self, folder: Path, database: str, change: str) -> None:
        self.table = f"probe_{uuid.uuid4().hex[:8]}"
        self.database = database
        texts = [text.format(table=self.table) for text in (MODEL, CREATE, change)]
        self._environment = probe_app(folder, self.table, *texts)
        finish(self.migrate("0001"))

    def migrate(self, *target: str, **settings: str) -> "subprocess.Popen[str]":
        return manage("migrate", self.table, *target, database=self.database, **self._environment, **settings)

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return connect(self.database, autocommit=True)

    def index(self) -> list[tuple[object, ...]]:
        """Return whether the index is valid; empty where there is none."""
        query = "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s"
        with self.connect() as connection:
            return connection.execute(query, [f"{self.table}_text"]).fetchall()

    def wait_until(self, condition: str) -> None:
        """Wait until a session of `migrate` is in a state."""
        query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() AND {condition}"
        with self.connect() as connection:
            for _ in range(6000):
                if connection.execute(query, [self.database]).fetchone() != (0,):
                    return
                time.sleep(0.01)
        raise AssertionError(f"nobody is in the state {condition}")


WAITS = "query LIKE 'SELECT pg_try_advisory_lock%%' AND state = 'idle'"
BUILDS = "query LIKE 'CREATE INDEX CONCURRENTLY%%' AND wait_event_type = 'Lock'"


def finish(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """Wait for the end of a command; return what it has printed."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, (out, err)
    return out + err


def slowest(probe: Probe, until: Callable[[], bool], *, at_most: float) -> float:
    """Read and write the table again and again; return how many seconds the slowest statement took."""
    longest = 0.0
    ends = time.monotonic() + at_most
    with probe.connect() as connection:
        while not until() and time.monotonic() < ends:
            started = time.monotonic()
            connection.execute(f"INSERT INTO {probe.table} (text) VALUES ('traffic')")
            connection.execute(f"SELECT count(*) FROM {probe.table}")
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.01)
    return longest


class Printed:
    """What a process that still runs has printed so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._descriptor = process.stdout.fileno()
        self.text = ""
        os.set_blocking(self._descriptor, False)

    def count(self, words: str) -> int:
        with suppress(BlockingIOError):
            self.text += os.read(self._descriptor, 65536).decode()
        return self.text.count(words)


def test_a_waiting_migration_lets_traffic_through_and_names_who_blocks_it(migrated: str, tmp_path: Path) -> None:
    probe = Probe(tmp_path, migrated, ADD_COLUMN)
    with probe.connect() as report, report.transaction():
        pid = report.info.backend_pid
        report.execute(f"SELECT 'a secret title', count(*) FROM {probe.table}")
        process = probe.migrate(MIGRATION_LOCK_TIMEOUT_SECONDS="1")
        printed = Printed(process)
        longest = slowest(
            probe, lambda: printed.count(f"gave way to pid {pid} ") >= 2 or process.poll() is not None, at_most=60
        )
        assert process.poll() is None

    output = printed.text + finish(process)
    assert 0.5 < longest < 5  # it did wait in the way, and not for much longer than it may
    assert output.count(f"gave way to pid {pid} (todo_owner, idle in transaction, SELECT, transaction open for") >= 2
    assert "secret" not in output
    with probe.connect() as connection:
        connection.execute(f"SELECT more FROM {probe.table}")
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_it_gives_up_in_the_end_and_says_what_to_do(migrated: str, tmp_path: Path) -> None:
    probe = Probe(tmp_path, migrated, ADD_COLUMN)
    with probe.connect() as report, report.transaction():
        pid = report.info.backend_pid
        report.execute(f"SELECT count(*) FROM {probe.table}")
        started = time.monotonic()
        settings = {"MIGRATION_LOCK_TIMEOUT_SECONDS": "1", "MIGRATION_PATIENCE_SECONDS": "2"}
        output = finish(probe.migrate(**settings), code=1)

    assert time.monotonic() - started < 15
    assert f"pid {pid} " in output
    assert "MIGRATION_PATIENCE_SECONDS" in output
    assert "Traceback" not in output
    assert "OK" in finish(probe.migrate())  # nothing is left half done


def test_two_processes_may_build_an_index_concurrently(migrated: str, tmp_path: Path) -> None:
    """A second one that waited inside pg_advisory_lock would hold a snapshot: both would wait for ever."""
    probe = Probe(tmp_path, migrated, ADD_INDEX)
    with probe.connect() as report, report.transaction():
        report.execute(f"INSERT INTO {probe.table} (text) VALUES ('not committed yet')")
        first = probe.migrate()
        probe.wait_until(BUILDS)
        second = probe.migrate()
        probe.wait_until(WAITS)
        time.sleep(1)  # and has said so

    outputs = [finish(first), finish(second)]

    assert "OK" in outputs[0]
    assert "Another process migrates (pid " in outputs[1]
    assert "No migrations to apply" in outputs[1]
    assert probe.index() == [(True,)]


def test_a_concurrent_build_waits_without_being_in_the_way(migrated: str, tmp_path: Path) -> None:
    """It may wait for longer than MIGRATION_LOCK_TIMEOUT_SECONDS: nobody waits behind it."""
    probe = Probe(tmp_path, migrated, ADD_INDEX)
    with probe.connect() as report, report.transaction():
        report.execute(f"INSERT INTO {probe.table} (text) VALUES ('not committed yet')")
        process = probe.migrate(MIGRATION_LOCK_TIMEOUT_SECONDS="1")
        probe.wait_until(BUILDS)
        assert slowest(probe, lambda: False, at_most=3) < 0.5

    assert "gave way" not in finish(process)
    assert probe.index() == [(True,)]


def test_a_long_build_tells_how_far_it_is_and_who_it_waits_for(migrated: str, tmp_path: Path) -> None:
    probe = Probe(tmp_path, migrated, ADD_INDEX)
    with (tmp_path / f"{probe.table}_settings.py").open("a") as settings:  # ten seconds are long for a test
        settings.write("from todoproject.database import lock_watch\nlock_watch._TELL_EVERY_SECONDS = 0.3\n")
    with probe.connect() as report, report.transaction():
        report.execute(f"INSERT INTO {probe.table} (text) VALUES ('not committed yet')")
        process = probe.migrate()
        probe.wait_until(BUILDS)
        pid = report.info.backend_pid
        time.sleep(1.5)

    told = [line for line in finish(process).splitlines() if line.startswith(f" index {probe.table}_text: ")]
    assert len(told) >= 2
    assert re.search(rf": waiting for writers before build\. Waiting for pid {pid} \(todo_owner, idle in tra", told[0])


def test_an_index_whose_build_was_killed_is_built_anew(migrated: str, tmp_path: Path) -> None:
    probe = Probe(tmp_path, migrated, ADD_INDEX)
    with probe.connect() as report, report.transaction():
        report.execute(f"INSERT INTO {probe.table} (text) VALUES ('not committed yet')")
        process = probe.migrate()
        probe.wait_until(BUILDS)
        with probe.connect() as other:
            other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {BUILDS.replace('%%', '%')}")
        finish(process, code=1)
    assert probe.index() == [(False,)]

    output = finish(probe.migrate())

    assert f"the index {probe.table}_text is broken" in output
    assert probe.index() == [(True,)]


def test_a_killed_migrate_leaves_no_lock_behind(migrated: str, tmp_path: Path) -> None:
    probe = Probe(tmp_path, migrated, ADD_COLUMN)
    with probe.connect() as report, report.transaction():
        report.execute(f"SELECT count(*) FROM {probe.table}")
        process = probe.migrate()
        probe.wait_until("wait_event_type = 'Lock'")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    assert "OK" in finish(probe.migrate())


def test_a_long_wait_is_told_while_it_lasts(orm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_watch, "_TELL_EVERY_SECONDS", 0.3)  # ten seconds are long for a test
    told: list[str] = []
    with connect() as holder, connect() as waiter:
        pid = holder.info.backend_pid
        holder.execute("LOCK TABLE tasks IN ACCESS SHARE MODE")
        with lock_watch.Watch(connection, waiter.info.backend_pid, told.append) as watch:
            waiting = threading.Thread(target=waiter.execute, args=["LOCK TABLE tasks"])
            waiting.start()
            time.sleep(1.5)
            holder.rollback()
            waiting.join()

    assert len(told) >= 2
    assert re.search(
        rf"Waiting for pid {pid} \(todo_owner, idle in transaction, LOCK, transaction open for \d", told[0]
    )
    assert f"pid {pid}" in watch.blockers
