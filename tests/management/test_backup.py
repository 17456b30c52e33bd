"""Backups: what `backup` writes, `restore` brings back and `verifybackup` proves, with real databases and processes."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.postgres.databases import connect
from tests.support.processes.commands import databases, drop, new_database, run, start, succeed, url
from todoproject.management.backups import programs
from todoproject.management.backups.errors import BackupError

pytestmark = pytest.mark.faults

# What text formats and dumps stumble over: quotes, backslashes, newlines, the ends of what can be stored.
TITLES = ["Buy milk", 'It\'s "fine" \\N\\.', "Zwölf Äpfel 🍏 für אבא", "x" * 255, "\\t\\n"]
# What a dump could spoil, and a title may not hold.
DESCRIPTION = 'a\tb\nc\r\nd\\.\n"e"\x85'

PEOPLE = """
INSERT INTO users (id, email, password, timezone, is_staff, is_active, is_superuser)
SELECT md5(name)::uuid, name || '@example.com', 'unusable', 'Europe/Berlin', false, true, false
  FROM unnest(ARRAY['alice', 'bob']) AS name
"""
TASKS = """
INSERT INTO tasks (key, id, user_id, title, description, is_completed, due_on, due_at)
SELECT gen_random_uuid(), gen_random_uuid(), u.id, title, %s, no %% 2 = 0, CASE WHEN no = 1 THEN date '9999-12-30' END,
       CASE WHEN no = 3 THEN timestamptz '0001-01-02 00:00:00.000001+00' END
  FROM users u, unnest(%s::text[]) WITH ORDINALITY AS t (title, no)
"""


@pytest.fixture(scope="module")
def source(postgres: None) -> Iterator[str]:
    """A migrated database with Alice's and Bob's tasks."""
    with new_database("source") as name:
        succeed("migrate", "-v0", database=name)
        with connect(name) as connection:
            connection.execute(PEOPLE)
            connection.execute(TASKS, [DESCRIPTION, TITLES])
        yield name


@pytest.fixture(scope="module")
def dump(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    path = tmp_path_factory.mktemp("backup") / "todo.dump"
    succeed("backup", path, database=source)
    return path


@pytest.fixture
def copy(dump: Path, tmp_path: Path) -> Path:
    """A copy of the backup, to be damaged."""
    for file in (dump, manifest(dump)):
        shutil.copy(file, tmp_path)
    return tmp_path / dump.name


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The name of a database that a command may make."""
    name = f"elsewhere_{os.getpid()}"
    yield name
    drop(name)


def manifest(dump: Path) -> Path:
    return dump.with_name(f"{dump.name}.json")


def edit(dump: Path, **changes: Any) -> None:
    document = json.loads(manifest(dump).read_text()) | changes
    manifest(dump).write_text(json.dumps(document))


def rows(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Read every table whole, by other means than the commands do."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'todo' ORDER BY 1"
    with connect(database) as connection:
        names = [name for (name,) in connection.execute(query)]
        # A restore goes on with later numbers of changes: see below.
        rows = dict.fromkeys(names, "t") | {"users": "(to_jsonb(t) - '{change_no,purged_no}'::text[])"}
        return {
            name: sorted(connection.execute(f"SELECT {row}::text FROM todo.{name} t")) for name, row in rows.items()
        }


# --- Backing up and restoring ---------------------------------------------------------------------


def test_restored_database_has_every_row_and_every_rule(source: str, dump: Path, elsewhere: str) -> None:
    output = succeed("restore", dump, "--database", elsewhere, database=source)

    assert f"into database {elsewhere}" in output
    assert rows(elsewhere) == rows(source)
    assert len(rows(elsewhere)["tasks"]) == 2 * len(TITLES)
    with connect(elsewhere) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE tasks SET title = ' '")
    with connect(elsewhere) as connection:
        before, after = connection.execute(
            "WITH old AS (SELECT * FROM tasks WHERE title = 'Buy milk' LIMIT 1)"
            " UPDATE tasks t SET priority = 4 FROM old WHERE t.key = old.key RETURNING old.version, t.version"
        ).fetchone() or (0, 0)
    assert after == before + 1


def test_whoever_follows_changes_begins_anew_after_a_restore(source: str, dump: Path, elsewhere: str) -> None:
    numbers = "SELECT count(*), count(*) FILTER (WHERE change_no = purged_no), min(change_no) FROM todo.users"
    succeed("restore", dump, "--database", elsewhere, database=source)

    with connect(elsewhere) as connection:
        owners, reset, lowest = connection.execute(numbers).fetchone() or (0, 0, 0)
    assert owners == reset > 0
    assert lowest >= 1_000_000


def test_fence_stands_in_the_restored_database(source: str, dump: Path, elsewhere: str) -> None:
    succeed("restore", dump, "--database", elsewhere, database=source)

    with connect(elsewhere) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("todo",)
        connection.execute("SET ROLE todo_api")
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
        connection.execute("SELECT set_config('app.user_id', md5('alice')::uuid::text, false)")
        owners = connection.execute("SELECT DISTINCT user_id = md5('alice')::uuid FROM tasks").fetchall()
        assert owners == [(True,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM users")


# A pair of tasks in one transaction, as a batch is; each takes the owner's next number.
PAIR = """
INSERT INTO tasks (key, id, user_id, title)
SELECT gen_random_uuid(), gen_random_uuid(), u.id, 'One of two' FROM users u, generate_series(1, 2)
 WHERE u.email = 'alice@example.com'
"""
HALF_DONE = """
SELECT count(*) FROM users u
 WHERE (SELECT count(*) FROM tasks t WHERE t.user_id = u.id AND title = 'One of two') % 2 = 1
    OR (SELECT count(*) FROM changes c WHERE c.user_id = u.id)
       <> (SELECT sum(version) FROM tasks t WHERE t.user_id = u.id)
"""


def test_backup_taken_while_people_write_is_one_moment(postgres: None, tmp_path: Path, elsewhere: str) -> None:
    stop = threading.Event()

    def write() -> None:
        with connect(busy, autocommit=True) as connection:
            while not stop.wait(0.005):
                connection.execute(PAIR)

    with new_database("busy") as busy:
        succeed("migrate", "-v0", database=busy)
        with connect(busy) as connection:
            connection.execute(PEOPLE)
        with ThreadPoolExecutor() as threads:
            writers = [threads.submit(write) for _ in range(2)]
            try:
                report = json.loads(succeed("backup", tmp_path, "--json", database=busy))
            finally:
                stop.set()
            assert [writer.result() for writer in writers] == [None, None]
        succeed("restore", report["file"], "--database", elsewhere, database=busy)
        after = len(rows(busy)["tasks"])

    restored = len(rows(elsewhere)["tasks"])
    assert 0 < report["rows"]["tasks"] == restored < after
    with connect(elsewhere) as connection:
        assert connection.execute(HALF_DONE).fetchone() == (0,)


def test_backup_can_be_restored_into_the_empty_database_of_the_settings(source: str, dump: Path) -> None:
    with new_database("empty") as empty:
        report = json.loads(succeed("restore", dump, "--json", database=empty))

        assert (report["database"], report["rows"]["tasks"]) == (empty, 2 * len(TITLES))
        assert rows(empty) == rows(source)


def test_backup_belongs_to_its_owner_and_tells_what_it_holds(source: str, tmp_path: Path) -> None:
    report = json.loads(succeed("backup", tmp_path, "--json", database=source))
    path = Path(report["file"])

    assert re.fullmatch(r"todo-\d{8}T\d{6}Z\.dump", path.name)
    assert sorted(tmp_path.iterdir()) == [path, manifest(path)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert (report["rows"]["users"], report["rows"]["tasks"]) == (2, 2 * len(TITLES))
    checked = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
    assert checked.split()[0] == report["sha256"] == json.loads(manifest(path).read_text())["sha256"]
    assert path.read_bytes()[:5] == b"PGDMP"  # the format that pg_restore knows


def test_nothing_is_overwritten(source: str, dump: Path) -> None:
    before = dump.read_bytes(), manifest(dump).read_bytes()

    code, output, errors = run("backup", dump, database=source)

    assert (code, output) == (1, "")
    assert errors == f"CommandError: {dump} exists, and is not overwritten: choose another name\n"
    assert (dump.read_bytes(), manifest(dump).read_bytes()) == before


@pytest.mark.parametrize(
    ("target", "words"),
    [("no/such/folder/x.dump", "there is no folder"), ("/proc/x.dump", "/proc/x.dump cannot be written")],
)
def test_place_that_cannot_be_written_is_told(source: str, target: str, words: str) -> None:
    code, _, errors = run("backup", target, database=source)

    assert code == 1
    assert len(errors.splitlines()) == 1
    assert words in errors


def test_database_without_tables_is_not_backed_up(tmp_path: Path, postgres: None) -> None:
    with new_database("empty") as empty:
        code, _, errors = run("backup", tmp_path, database=empty)

    assert code == 1
    assert "there is nothing to back up" in errors
    assert list(tmp_path.iterdir()) == []


def test_role_that_may_not_read_all_gets_no_backup(source: str, tmp_path: Path) -> None:
    """Row-level security would show it no rows: the backup would be empty, and nobody would know."""
    with connect("postgres", user="postgres", autocommit=True) as superuser:
        superuser.execute("CREATE ROLE reader LOGIN")
    with connect(source, user="postgres", autocommit=True) as superuser:
        superuser.execute("GRANT USAGE ON SCHEMA todo TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA todo TO reader")
    try:
        code, _, errors = run("backup", tmp_path, database=source, DATABASE_URL=url(source, user="reader"))
    finally:
        with connect(source, user="postgres", autocommit=True) as superuser:
            superuser.execute("DROP OWNED BY reader; DROP ROLE reader")

    assert code == 1
    assert "row-level security" in errors
    assert list(tmp_path.iterdir()) == []


def wait_for(query: str, database: str) -> None:
    deadline = time.monotonic() + 60
    with connect(database, autocommit=True) as connection:
        while connection.execute(query).fetchone() is None:
            assert time.monotonic() < deadline, query
            time.sleep(0.02)


WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_backup_leaves_nothing(source: str, tmp_path: Path, number: signal.Signals) -> None:
    with connect(source) as holder:
        holder.execute("LOCK TABLE tasks")
        process = start("backup", tmp_path, database=source)
        wait_for(WAITING, source)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_backup_gives_way_to_a_migration(source: str, tmp_path: Path) -> None:
    with connect(source) as holder:
        holder.execute("LOCK TABLE tasks")
        code, _, errors = run("backup", tmp_path, database=source)

    assert code == 1
    assert "lock timeout" in errors
    assert list(tmp_path.iterdir()) == []


# --- What restore refuses -------------------------------------------------------------------------


def test_database_that_is_not_empty_is_left_alone(source: str, dump: Path) -> None:
    before = rows(source)

    code, _, errors = run("restore", dump, database=source)

    assert code == 1
    assert f"database {source} is not empty" in errors
    assert f"--database {source}_restored" in errors
    assert rows(source) == before


def test_migration_under_way_is_not_disturbed(dump: Path, postgres: None) -> None:
    from todoproject.management.commands.migrate import LOCK

    with new_database("empty") as empty, connect(empty) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        code, _, errors = run("restore", dump, database=empty)

    assert code == 1
    assert "is under way" in errors


@pytest.mark.parametrize("place", [0, 5, -1])
def test_damaged_dump_is_refused_before_anything_happens(source: str, copy: Path, elsewhere: str, place: int) -> None:
    content = bytearray(copy.read_bytes())
    content[place] ^= 1
    copy.write_bytes(content)

    code, _, errors = run("restore", copy, "--database", elsewhere, database=source)

    assert code == 1
    assert "is damaged: its checksum" in errors
    assert elsewhere not in databases()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is absent: it holds the checksum"),
        ("", "cannot be read, or is not what `backup` has written"),
        ("[]", "cannot be read, or is not what `backup` has written"),
        ('{"format": 1}', "cannot be read, or is not what `backup` has written"),
        ('{"format": 99}', "is of a newer kind"),
    ],
)
def test_dump_without_its_description_is_refused(
    source: str, copy: Path, elsewhere: str, text: str | None, words: str
) -> None:
    manifest(copy).unlink()
    if text is not None:
        manifest(copy).write_text(text)

    code, _, errors = run("restore", copy, "--database", elsewhere, database=source)

    assert code == 1
    assert words in errors
    assert len(errors.splitlines()) == 1
    assert elsewhere not in databases()


def test_dump_of_another_schema_says_which_setting(source: str, copy: Path, elsewhere: str) -> None:
    code, _, errors = run("restore", copy, "--database", elsewhere, database=source, DATABASE_SCHEMA="other")

    assert code == 1
    assert "set DATABASE_SCHEMA=todo" in errors


def test_dump_that_cannot_be_restored_leaves_no_database(source: str, copy: Path, elsewhere: str) -> None:
    """Damaged before its checksum was taken: pg_restore finds out half way."""
    content = copy.read_bytes()[:-20_000]
    copy.write_bytes(content)
    sha256 = subprocess.run(["sha256sum", copy], capture_output=True, text=True, check=True).stdout.split()[0]
    edit(copy, bytes=len(content), sha256=sha256)

    code, _, errors = run("restore", copy, "--database", elsewhere, database=source)

    assert code == 1
    assert "pg_restore 18 failed" in errors
    assert elsewhere not in databases()


def test_difference_to_what_was_backed_up_is_an_error(source: str, copy: Path, elsewhere: str) -> None:
    contents = json.loads(manifest(copy).read_text())["contents"]
    contents["tables"]["tasks"]["checksum"] = "1"
    contents["tables"]["users"]["rows"] = 3
    contents["objects"].remove("policy tasks_own on tasks")
    edit(copy, contents=contents)

    code, _, errors = run("restore", copy, "--database", elsewhere, database=source)

    assert code == 1
    assert "table tasks has other values in its 10 rows; table users has 2 rows instead of 3" in errors
    assert "has beyond it: policy tasks_own on tasks" in errors
    assert elsewhere not in databases()


# --- Verifying ------------------------------------------------------------------------------------


def test_good_backup_is_verified_and_nothing_is_left(source: str, dump: Path) -> None:
    before = databases()

    report = json.loads(succeed("verifybackup", dump, "--json", database=source))

    assert report["ok"] is True
    assert report["rows"]["tasks"] == 2 * len(TITLES)
    assert {"GET /v1/me: 200", "POST /v1/tasks: 201"} <= set(report["api"])
    assert sum(step.endswith(": 404") for step in report["api"]) == 2
    assert databases() == before


@pytest.mark.slow
def test_backup_is_verified_on_a_server_of_its_own(source: str, dump: Path) -> None:
    folder = Path(tempfile.gettempdir())
    before = databases(), set(folder.glob("todo-verify-*"))

    assert "is good" in succeed("verifybackup", dump, "--embedded", database=source)

    assert (databases(), set(folder.glob("todo-verify-*"))) == before


def test_bad_backup_is_told_and_nothing_is_left(source: str, copy: Path) -> None:
    before = databases()
    contents = json.loads(manifest(copy).read_text())["contents"]
    contents["tables"]["tasks"]["rows"] += 1
    edit(copy, contents=contents)

    code, output, errors = run("verifybackup", copy, "--json", database=source)

    assert code == 1
    assert json.loads(output)["ok"] is False
    assert "table tasks has 10 rows instead of 11" in json.loads(output)["reason"]
    assert errors.startswith("CommandError: what was restored is not what was backed up")
    assert databases() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_verification_leaves_nothing(source: str, dump: Path, number: signal.Signals) -> None:
    before = databases()
    process = start("verifybackup", dump, database=source)
    deadline = time.monotonic() + 60
    while databases() == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert databases() == before


MAKING = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE \"%%'"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["verifybackup", "restore"])
def test_signal_when_a_database_is_just_made_leaves_none(
    source: str, dump: Path, elsewhere: str, command: str, number: signal.Signals
) -> None:
    before = databases()
    options = ["--database", elsewhere] if command == "restore" else []
    with connect("template1"):  # it is not copied while somebody else is in it
        process = start(command, dump, *options, database=source)
        wait_for(MAKING, source)
        process.send_signal(signal.SIGSTOP)  # so the server is done before the command knows
    wait_for(f"SELECT 1 FROM pg_database HAVING count(*) > {len(before)}", source)
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert databases() == before


def test_role_that_may_make_no_database_is_told_what_to_do(source: str, dump: Path, elsewhere: str) -> None:
    with connect("postgres", user="postgres", autocommit=True) as superuser:
        superuser.execute("ALTER ROLE todo_owner NOCREATEDB")
        try:
            verified = run("verifybackup", dump, database=source)
            restored = run("restore", dump, "--database", elsewhere, database=source)
        finally:
            superuser.execute("ALTER ROLE todo_owner CREATEDB")

    assert (verified[0], restored[0]) == (1, 1)
    assert "todo_owner may not make databases: use --embedded, or give" in verified[2]
    assert f"todo_owner may not make databases: make {elsewhere} yourself, or give" in restored[2]


# --- The programs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "server", "oldest", "chosen"),
    [
        ([15, 18], 15, 0, 15),
        ([15, 16, 18], 16, 0, 16),
        ([17, 18], 17, 0, 17),
        ([18, 19], 17, 0, 18),
        ([15, 18], 18, 0, 18),
        ([15, 18], 15, 15, 15),
        ([16, 18], 15, 16, 16),
    ],
)
def test_nearest_program_that_fits_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: list[int], server: int, oldest: int, chosen: int
) -> None:
    pretend(tmp_path, monkeypatch, installed)

    assert programs.find("pg_dump", server, oldest=oldest).major == chosen


@pytest.mark.parametrize(
    ("installed", "server", "oldest", "words"),
    [
        ([15], 18, 0, "only that of PostgreSQL 15 is installed): install PostgreSQL's client programs, version 18"),
        ([18], 15, 0, "postgresql-client-15"),  # it would set what 15 does not know
        ([], 18, 0, "none is installed"),
        ([15, 18], 15, 18, "written by pg_dump 18: restore it into PostgreSQL 17 or newer"),
    ],
)
def test_program_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: list[int], server: int, oldest: int, words: str
) -> None:
    pretend(tmp_path, monkeypatch, installed)

    with pytest.raises(BackupError, match=re.escape(words)):
        programs.find("pg_dump", server, oldest=oldest)


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, versions: list[int]) -> None:
    """Install programs that know their version, and nothing else, where no others are found."""
    for version in versions:
        (folder / str(version)).mkdir()
        program = folder / str(version) / "pg_dump"
        program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}.1 (Debian)'\n")
        program.chmod(0o755)
    monkeypatch.setattr("todoproject.database.embedded.binaries.SYSTEM_FOLDERS", [f"{str(folder)[1:]}/*"])
    monkeypatch.setattr("todoproject.database.embedded.binaries.wheel_packages", lambda: iter(()))
    monkeypatch.setenv("PATH", str(folder))


def test_password_is_not_for_every_user_to_see(tmp_path: Path, settings: Any) -> None:
    """`ps` shows everybody the arguments of a program; its environment only its own user can read."""
    from todoproject.database import direct_connection

    settings.DIRECT_DATABASE = {
        **settings.DIRECT_DATABASE,
        "PASSWORD": "s3cret",
        "OPTIONS": {"sslmode": "require", "sslpassword": "k3y"},
    }
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "x: $0 $*" >&2\necho "x: $PGPASSWORD $PGSSLMODE $PGUSER" >&2\n')
    program.chmod(0o755)
    said: list[str] = []

    programs.run(programs.Program(program, 18), connection=direct_connection.wrapper("some where"), tell=said.append)

    assert "s3cret" not in said[0]
    assert "k3y" not in said[0]
    assert said[0].endswith("--dbname dbname='some where'")
    assert said[1] == "s3cret require todo_owner"
