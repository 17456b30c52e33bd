"""`dbcheck`: what it says of databases that are well, sick, empty, behind a pooler, or not there."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.environment import FOLDER
from tests.faults.pooler import as_the_server
from tests.support.postgres.databases import connect
from tests.support.processes.commands import drop, new_database, run, succeed, url
from tests.support.processes.servers import free_port
from todoproject.database import embedded

pytestmark = pytest.mark.faults

PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")


def check(database: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """Run `dbcheck --json` and return its exit code and document."""
    code, output, errors = run("dbcheck", "--json", database=database, **settings)
    assert errors == ""
    return code, json.loads(output)


def found(document: dict[str, Any], name: str) -> list[dict[str, str]]:
    return [finding for finding in document["findings"] if finding["name"] == name]


@pytest.fixture(scope="module")
def healthy(postgres: None) -> Iterator[str]:
    with new_database("healthy") as name:
        succeed("migrate", "-v0", database=name)
        yield name


def test_healthy_database_has_no_problem(healthy: str) -> None:
    code, document = check(healthy)

    assert (code, document["ok"], document["counts"]["problem"]) == (0, True, 0)
    # The tests' server need not survive a power cut; in development that is a warning.
    warnings = {finding["name"] for finding in document["findings"] if finding["level"] == "warning"}
    assert warnings == {"fsync", "full_page_writes", "synchronous_commit"}
    assert all(finding["advice"] for finding in document["findings"] if finding["level"] != "ok")
    names = {finding["name"] for finding in document["findings"]}
    assert names >= {"connection", "TLS", "pooler", "clock", "PostgreSQL", "client", "backup program", "role"}
    assert names >= {"search_path", "migrations", "fence", "indexes", "size", "connections", "timeouts", "purge"}


def test_table_is_for_people(healthy: str) -> None:
    output = succeed("dbcheck", database=healthy)

    assert f"DATABASE_URL  {embedded.socket_directory(FOLDER / 'postgres')}, database {healthy}" in output
    assert "\n  ok       migrations          all " in output
    assert "\n  warning  fsync               off\n" in output
    assert "→ Set fsync = on: a power cut can destroy everything." in output
    assert output.endswith(" ok.\n")
    assert "\x1b" not in output  # colour is for terminals
    assert "\x1b[" in succeed("dbcheck", "--force-color", database=healthy)


def test_what_may_lose_data_is_a_problem_in_production(healthy: str) -> None:
    code, document = check(healthy, ENVIRONMENT="production", ALLOWED_HOSTS="example.com")

    assert (code, document["ok"]) == (1, False)
    assert [finding["level"] for finding in found(document, "fsync")] == ["problem"]


def test_empty_database_says_what_to_do(postgres: None) -> None:
    with new_database("empty") as name:
        code, document = check(name)

    assert code == 1
    [migrations] = found(document, "migrations")
    assert (migrations["level"], migrations["text"]) == ("problem", "the schema is absent")
    assert "manage.py migrate" in migrations["advice"]
    assert found(document, "fence") == []


# --- A database with every illness ----------------------------------------------------------------

OWNERS = """
ALTER TABLE todo.tasks DISABLE ROW LEVEL SECURITY;
GRANT SELECT ON todo.users TO PUBLIC;
GRANT DELETE ON todo.users TO todo_account;
GRANT UPDATE (email) ON todo.users TO todo_account;
GRANT TRUNCATE ON todo.tasks TO todo_api;
DELETE FROM todo.django_migrations WHERE app = 'tasks' AND name = '0003_search';
INSERT INTO todo.django_migrations (app, name, applied) VALUES ('tasks', '9999_from_tomorrow', now());
ALTER TABLE todo.users ADD CONSTRAINT users_unproved CHECK (length(email) < 1000) NOT VALID;
INSERT INTO todo.users (id, email, password, timezone, is_staff, is_active, is_superuser)
VALUES (gen_random_uuid(), 'a@example.com', '', 'UTC', false, true, false);
INSERT INTO todo.tasks (key, id, user_id, title, deleted_at)
SELECT gen_random_uuid(), gen_random_uuid(), id, 'Old', now() - interval '40 days' FROM todo.users;
CREATE TABLE todo.gone (user_id uuid);
GRANT SELECT ON todo.gone TO todo_api;
CREATE TABLE todo.junk AS SELECT no, 1 AS one FROM generate_series(1, 20000) AS no;
ALTER TABLE todo.junk SET (autovacuum_enabled = off);
"""
DATABASES = ("search_path = public", "statement_timeout = '20s'", "work_mem = '1MB'", "log_statement = 'all'")
DATABASES += ("default_transaction_isolation = 'serializable'", "default_transaction_read_only = on")
ILLNESSES = [
    ("fence", "problem", "table tasks has no row-level security", "ALTER TABLE todo.tasks ENABLE ROW LEVEL SECURITY"),
    ("fence", "problem", "table users gives everybody on the server the right to select", "REVOKE ALL ON todo.users"),
    ("fence", "problem", "role todo_account may delete on the whole table users", "REVOKE it from todo_account"),
    ("fence", "problem", "role todo_api may truncate on the whole table tasks", "REVOKE it from todo_api"),
    ("fence", "problem", "role todo_account may update column email of table users", "REVOKE it from todo_account"),
    ("migrations", "problem", "not applied: tasks.0003_search", "manage.py migrate"),
    ("migrations", "warning", "applied, and unknown here: tasks.9999_from_tomorrow", "newer than this code"),
    ("indexes", "problem", "junk_one is not valid", "REINDEX INDEX CONCURRENTLY todo.junk_one"),
    ("fence", "problem", "table gone has no row-level security, but a column user_id", "ALTER TABLE todo.gone ENABLE"),
    ("constraints", "warning", "users_unproved of users was never validated", "VALIDATE CONSTRAINT users_unproved"),
    ("search_path", "problem", "public: our tables are in todo", "manage.py migrate"),
    ("timeouts", "warning", "statement_timeout 20000 ms", "Lift statement_timeout"),
    ("work_mem", "warning", "1024 kB", "4 MB"),
    ("isolation", "warning", "serializable", "read committed"),
    ("read only", "problem", "default_transaction_read_only is on", "Set it off"),
    ("server's log", "warning", "every statement is logged, with its values", "log_statement = none"),
    ("purge", "warning", "are still there, 30 days are promised", "manage.py purge"),
    ("dead rows", "warning", "junk: 15000 beside 5000 live ones", "VACUUM todo.junk"),
    ("statistics", "warning", "another was never analyzed", "ANALYZE todo.another"),
    ("scratch database", "warning", "todo_verify_0 was left by a verifybackup that was killed", "DROP DATABASE"),
    ("connections", "problem", "64 workers want up to 6466", "Lower WORKERS"),
]


@pytest.fixture(scope="module")
def sick(postgres: None) -> Iterator[tuple[int, dict[str, Any]]]:
    """What is found in a database that has everything."""
    with new_database("sick") as name:
        succeed("migrate", "-v0", database=name)
        with connect(name, autocommit=True) as connection:
            connection.execute(OWNERS)
            connection.execute("DELETE FROM todo.junk WHERE no <= 15000")
            connection.execute("CREATE TABLE todo.another WITH (autovacuum_enabled = off) AS TABLE todo.junk")
            connection.execute("INSERT INTO todo.another SELECT no, 1 FROM generate_series(1, 20000) AS no")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("CREATE UNIQUE INDEX CONCURRENTLY junk_one ON todo.junk (one)")
            connection.execute("CREATE DATABASE todo_verify_0")
            connection.execute(f"ALTER ROLE {embedded.OWNER} IN DATABASE {name} RESET search_path")
        with connect(name, user="postgres", autocommit=True) as superuser:
            for setting in DATABASES:
                superuser.execute(f"ALTER DATABASE {name} SET {setting}")
        try:
            yield check(name, WORKERS="64", DATABASE_POOL_SIZE="100")
        finally:
            drop("todo_verify_0")


def test_sick_database_is_a_problem(sick: tuple[int, dict[str, Any]]) -> None:
    code, document = sick

    assert (code, document["exit_code"], document["ok"]) == (1, 1, False)
    assert not [finding for finding in document["findings"] if "could not be looked at" in finding["text"]]


@pytest.mark.parametrize(("name", "level", "text", "advice"), ILLNESSES)
def test_illness_is_told_with_its_cure(
    sick: tuple[int, dict[str, Any]], name: str, level: str, text: str, advice: str
) -> None:
    hits = [finding for finding in found(sick[1], name) if text in finding["text"]]

    assert [(hit["level"], advice in hit["advice"]) for hit in hits] == [(level, True)], found(sick[1], name)


@pytest.fixture
def stranger(healthy: str) -> Iterator[str]:
    """A role that may log in, and nothing else."""
    with connect(healthy, user="postgres", autocommit=True) as superuser:
        superuser.execute("CREATE ROLE stranger LOGIN")
        yield "stranger"
        superuser.execute("DROP OWNED BY stranger; DROP ROLE stranger")


def test_role_without_rights_on_the_schema_is_a_problem(healthy: str, stranger: str) -> None:
    code, document = check(healthy, DATABASE_URL=url(healthy, user=stranger))

    [migrations] = found(document, "migrations")
    assert (code, migrations["level"]) == (1, "problem")
    assert "permission denied for schema todo" in migrations["text"]


def test_role_that_cannot_take_on_the_powerless_ones_is_a_problem(healthy: str, stranger: str) -> None:
    with connect(healthy, autocommit=True) as owner:
        owner.execute("GRANT USAGE ON SCHEMA todo TO stranger; GRANT SELECT ON django_migrations TO stranger")

    code, document = check(healthy, DATABASE_URL=url(healthy, user=stranger))

    told = {one["text"]: one["advice"] for one in found(document, "fence")}
    assert code == 1
    assert "GRANT todo_api TO" in told["role todo_api may not be taken on by stranger"]
    assert [one["level"] for one in found(document, "role")] == ["note"]  # no CREATEROLE


def test_old_transaction_is_told(healthy: str, database: None) -> None:
    from todoproject.database import direct_connection as direct
    from todoproject.management.diagnosis import findings, health

    with connect(healthy) as holder:
        holder.execute("SELECT 1")
        process = holder.info.backend_pid
        wrapper = direct.wrapper(healthy)
        wrapper.ensure_connection()
        session = findings.Session(wrapper, is_pooled=False)
        # Five minutes are too long for a test: the clock of the query is set forward.
        impatient = _Impatient(session)
        told = list(health.long_transactions(impatient))
        wrapper.close()

    assert told[0][:2] == ("transaction", "warning")
    assert f"process {process} " in told[0][2]
    assert f"pg_terminate_backend({process})" in told[0][3]


class _Impatient:
    """A session for which five minutes pass at once."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def rows(self, query: str, **parameters: object) -> Any:
        return self._session.rows(query.replace("interval '5 minutes'", "interval '0'"), **parameters)


# --- No connection --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "words", "advice"),
    [
        ("postgresql://somebody:s3cret@127.0.0.1:1/todo", "refused", "Nothing listens there"),
        ("nowhere", "does not exist", "correct the name"),
    ],
)
def test_database_that_cannot_be_reached_is_told(postgres: None, address: str, words: str, advice: str) -> None:
    settings = {"DATABASE_URL": address if "://" in address else url(address), "DATABASE_CONNECT_TIMEOUT_SECONDS": "1"}

    code, output, errors = run("dbcheck", database="todo", **settings)

    assert (code, errors) == (2, "")
    assert words in output
    assert "→ " in output
    assert advice in output
    assert "s3cret" not in output


def test_unreachable_direct_database_does_not_hide_the_rest(healthy: str) -> None:
    direct = f"postgresql://somebody@127.0.0.1:1/{healthy}"

    code, document = check(healthy, DIRECT_DATABASE_URL=direct, DATABASE_CONNECT_TIMEOUT_SECONDS="1")

    assert code == 2
    assert [one["subject"] for one in found(document, "connection")] == ["DATABASE_URL", "DIRECT_DATABASE_URL"]
    assert [one["level"] for one in found(document, "migrations")] == ["ok"]


# --- A pooler -------------------------------------------------------------------------------------


@pytest.fixture
def pooled(healthy: str) -> Iterator[str]:
    """The URL of a PgBouncer in front of the tests' server."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed")
    folder = FOLDER / "pgbouncer"
    folder.mkdir()
    port = free_port()
    (folder / "users.txt").write_text(f'"{embedded.OWNER}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={embedded.socket_directory(FOLDER / 'postgres')} port=5432\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {folder}/users.txt\npool_mode = transaction\nlogfile = {folder}/log\n"
    )
    command = [PGBOUNCER, "-q", str(folder / "pgbouncer.ini")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **as_the_server(folder, FOLDER / "postgres")) as process:
        try:
            address = f"postgresql://{embedded.OWNER}@127.0.0.1:{port}/{healthy}"
            _wait(address)
            yield address
        finally:
            process.terminate()
    shutil.rmtree(folder)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_pooler_is_noticed_and_the_way_around_it_too(healthy: str, pooled: str) -> None:
    code, document = check(healthy, DATABASE_URL=pooled, DIRECT_DATABASE_URL=url(healthy))

    told = [(one["subject"], one["level"], one["text"]) for one in found(document, "pooler")]
    assert told == [
        ("DATABASE_URL", "ok", "through a pooler"),
        ("DIRECT_DATABASE_URL", "ok", "none: straight to the server"),
    ]
    assert [one["level"] for one in found(document, "same database")] == ["ok"]
    assert code == 0


def test_pooler_in_the_way_of_migrations_is_a_problem(healthy: str, pooled: str) -> None:
    code, document = check(healthy, DATABASE_URL=pooled)

    [told] = found(document, "pooler")
    assert (code, told["level"]) == (1, "problem")
    assert "DIRECT_DATABASE_URL" in told["advice"]


def test_two_urls_to_two_servers_are_a_problem(healthy: str, tmp_path: Path) -> None:
    embedded.start(FOLDER / "second", options={"fsync": "off"})
    socket = embedded.socket_directory(FOLDER / "second")
    with psycopg.connect(host=str(socket), user=embedded.OWNER, dbname="todo", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {healthy}")

    code, document = check(healthy, DIRECT_DATABASE_URL=f"postgresql://{embedded.OWNER}@/{healthy}?host={socket}")

    assert code == 1
    assert [one["level"] for one in found(document, "same database")] == ["problem"]
