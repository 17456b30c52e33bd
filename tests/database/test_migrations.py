"""Migrations: they create everything, twice and at once do no harm, and can be taken back."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.environment import FOLDER
from tests.support import rights
from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database
from tests.support.processes.probes import manage
from todoproject.database import embedded

pytestmark = pytest.mark.faults


def run(*arguments: str, database: str) -> str:
    """Run a command that must succeed."""
    process = manage(*arguments, database=database)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@pytest.fixture
def empty(postgres: None) -> Iterator[str]:
    """An empty database."""
    with new_database("empty") as name:
        yield name


def objects(database: str) -> list[tuple[str, ...]]:
    """Return everything in the project's schema: tables, indexes, functions, triggers, policies, grants."""
    with connect(database) as connection:
        return connection.execute("""
            SELECT 'relation', c.relname::text, c.relrowsecurity::text FROM pg_class c
             WHERE c.relnamespace = 'todo'::regnamespace
            UNION ALL SELECT 'function', p.proname, p.prosecdef::text FROM pg_proc p
             WHERE p.pronamespace = 'todo'::regnamespace
            UNION ALL SELECT 'trigger', tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL SELECT 'policy', polname, polrelid::regclass::text FROM pg_policy
            UNION ALL SELECT 'grant', grantee || ' ' || privilege_type, table_name || '.' || column_name
              FROM information_schema.column_privileges WHERE grantee LIKE 'todo\\_a%'
            ORDER BY 1, 2, 3
        """).fetchall()


def test_one_command_creates_everything_and_repeating_it_changes_nothing(empty: str) -> None:
    run("migrate", database=empty)
    first = objects(empty)

    assert "No migrations to apply" in run("migrate", database=empty)

    assert objects(empty) == first
    with connect(empty) as connection:
        tables = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert tables == set()
        assert connection.execute("SHOW search_path").fetchone() == ("todo",)
    assert ("policy", "tasks_own", "tasks") in first


def test_two_processes_may_migrate_at_once(empty: str) -> None:
    processes = [manage("migrate", database=empty) for _ in range(3)]

    outputs = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sorted("No migrations to apply" in out for out, _ in outputs) == [False, True, True]


@pytest.fixture
def pooled(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database to which DIRECT_DATABASE_URL is another way than DATABASE_URL."""
    direct = tmp_path / "direct"
    direct.symlink_to(embedded.socket_directory(FOLDER / "postgres"))
    monkeypatch.setenv("DIRECT_DATABASE_URL", f"postgresql://{embedded.OWNER}@/{empty}?host={direct}")
    return empty


def test_process_that_has_migrated_goes_on_through_the_pooler(pooled: str) -> None:
    script = "from django.core.management import call_command; call_command('migrate', verbosity=0);"
    script += "from django.conf import settings; print(settings.DATABASES['default']['HOST'])"

    host = run("shell", "--no-imports", "-c", script, database=pooled)

    assert host.strip() == str(embedded.socket_directory(FOLDER / "postgres"))
    assert objects(pooled)


def test_sessions_of_a_pooler_that_know_the_old_path_are_ended_once(pooled: str) -> None:
    with connect(pooled) as before:
        run("migrate", database=pooled)
        with pytest.raises(psycopg.errors.AdminShutdown):
            before.execute("SELECT 1")
    with connect(pooled) as after:
        run("migrate", database=pooled)

        assert after.execute("SHOW search_path").fetchone() == ("todo",)


@pytest.mark.slow
def test_migrations_can_be_taken_back_and_applied_again(empty: str) -> None:
    run("migrate", database=empty)
    first = objects(empty)

    run("migrate", "tasks", "zero", database=empty)
    run("migrate", "admin", "zero", database=empty)
    run("migrate", "accounts", "zero", database=empty)
    with connect(empty) as connection:
        left = connection.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'todo'::regnamespace").fetchall()
        assert left == []
    run("migrate", database=empty)

    assert objects(empty) == first


def test_database_of_an_earlier_release_ends_with_the_same_rights_and_rules(empty: str) -> None:
    """Its functions were closed to everybody before later ones were made; a new database has those first."""
    run("migrate", "tasks", "0008", database=empty)
    run("migrate", database=empty)

    with connect(empty) as connection:
        found, written_down = set(rights.lines(connection)), set(rights.COPY.read_text("utf-8").split("\n"))
    assert (found - written_down, written_down - found) == (set(), set())


def test_schema_can_have_another_name(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_SCHEMA", "elsewhere")

    run("migrate", database=empty)

    with connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('elsewhere.tasks') IS NOT NULL").fetchone() == (True,)
        assert connection.execute("SELECT to_regnamespace('todo') IS NULL").fetchone() == (True,)
