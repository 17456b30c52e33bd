"""Each finding of `dbcheck` that a healthy server cannot show: sessions that say what is wrong."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.management.test_dbcheck import ILLNESSES
from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database, run, succeed
from todoproject.management.backups import contents
from todoproject.management.backups.errors import BackupError
from todoproject.management.diagnosis import health, link, server
from todoproject.management.diagnosis.findings import Check, Session
from todoproject.management.diagnosis.link import Link

pytestmark = pytest.mark.faults


class Says:
    """A session whose queries answer what a test wants them to."""

    def __init__(self, *rows: tuple[Any, ...], pooled: bool = False, host: str = "db.example.com") -> None:
        self._rows = list(rows)
        self.is_pooled = pooled
        self.connection = SimpleNamespace(settings_dict={"HOST": host})
        self.raw = SimpleNamespace(pgconn=SimpleNamespace(ssl_in_use=False), info=SimpleNamespace(hostaddr=host))

    def rows(self, query: str, **_: object) -> list[tuple[Any, ...]]:
        return self._rows


def session(*rows: tuple[Any, ...], **options: Any) -> Session:
    return cast(Session, Says(*rows, **options))


def of(name: str, *, direct: bool) -> Link:
    return Link(name, cast(Any, SimpleNamespace(settings_dict={"HOST": "db.example.com"})), is_direct=direct)


@pytest.mark.parametrize(("age", "levels"), [(499_000_000, []), (501_000_000, ["problem"]), (600_000_000, ["problem"])])
def test_wraparound_is_told_in_time(age: int, levels: list[str]) -> None:
    assert [found[1] for found in health.wraparound(session((age,)))] == levels


@pytest.mark.parametrize(
    ("host", "level"), [("192.0.2.1", "problem"), ("10.0.0.5", "problem"), ("127.0.0.1", "note"), ("::1", "note")]
)
def test_plain_way_to_another_machine_is_a_problem_in_production(host: str, level: str, settings: Any) -> None:
    settings.PRODUCTION = True
    assert link._tls(session(host=host))[1] == level


@pytest.mark.parametrize(
    ("pooled", "direct", "level"), [(True, True, "problem"), (True, False, "ok"), (False, True, "ok")]
)
def test_pooler_before_the_direct_url_is_a_problem(pooled: bool, direct: bool, level: str) -> None:
    name = "DIRECT_DATABASE_URL" if direct else "DATABASE_URL"
    assert link._pooler(of(name, direct=direct), session(pooled=pooled))[1] == level


@pytest.mark.parametrize(("seconds", "level"), [(0.0, "ok"), (5.0, "warning"), (-5.0, "warning"), (0.5, "ok")])
def test_clock_that_is_wrong_is_told(seconds: float, level: str) -> None:
    name, found, text, _ = link._clock(session((time.time() + seconds,)))

    assert (name, found) == ("clock", level)
    assert ("behind" if seconds < 0 else "ahead of") in text or seconds == 0


@pytest.mark.parametrize(("reserved", "level"), [(0, "ok"), (3, "ok"), (80, "problem")])
def test_reserved_connections_are_not_counted_as_ours(reserved: int, level: str, settings: Any) -> None:
    settings.WORKERS, settings.DATABASE_POOL_SIZE = 4, 8  # with the admin's, a command and a migration: 38

    assert [found[1] for found in server.connections(session((100, reserved, 5)))] == [level]
    assert [found[1] for found in server.connections(session((100, 62, 5)))] == ["ok"]
    assert [found[1] for found in server.connections(session((100, 63, 5)))] == ["problem"]


# --- The others, as one table -----------------------------------------------------------------------


class Answers(Says):
    """A session that answers each query by a word in it; what no word is in has no rows."""

    def __init__(self, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        super().__init__()
        self._by_word = rows

    def rows(self, query: str, **_: object) -> list[tuple[Any, ...]]:
        return next((rows for word, rows in self._by_word.items() if word in query), [])


AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def _reminders(oldest: datetime | None, late: int) -> dict[str, list[tuple[Any, ...]]]:
    return {"to_regclass": [(True,)], "count(*)": [(oldest, late)], "min(fires_at)": [(AT,)]}


# What is looked at, what the server answers, and what is told: the finding, how bad it is, a word of it.
TOLD: list[tuple[Check, dict[str, list[tuple[Any, ...]]], str, str, str]] = [
    (server.recovery, {"pg_is_in_recovery": [(True,)]}, "replica", "problem", "cannot be written"),
    (server.encoding, {"pg_encoding": [("LATIN1", "C", None, None)]}, "encoding", "problem", "LATIN1"),
    (server.encoding, {"pg_encoding": [("UTF8", "de", "1", "2")]}, "encoding", "warning", "version 1, the server now"),
    (server.encoding, {"pg_encoding": [("UTF8", "de", "2", "2")]}, "encoding", "ok", "UTF8, de"),
    (server.role, {"pg_roles": [("todo", True, True, True, True)]}, "role", "warning", "SUPERUSER"),
    (server.role, {"pg_roles": [("todo", False, True, False, False)]}, "role", "note", "BYPASSRLS"),
    (server.role, {"pg_roles": [("todo", False, False, True, False)]}, "role", "ok", "CREATEROLE"),
    (server.session_settings, {"search_path": [("todo", "Europe/Berlin")]}, "time zone", "warning", "Europe/Berlin"),
    (server.session_settings, {"search_path": [("public", "UTC")]}, "search_path", "problem", "public"),
    (server.timeouts, {"reset_val": [("statement_timeout", 59_999)]}, "timeouts", "warning", "59999 ms"),
    (server.timeouts, {"reset_val": [("statement_timeout", 60_000)]}, "timeouts", "ok", "60000 ms"),
    (server.timeouts, {"reset_val": [("statement_timeout", 0)]}, "timeouts", "ok", "none"),
    (server.connections, {"max_connections": [(1000, 0, 801)]}, "connections", "warning", "801 in use"),
    (server.connections, {"max_connections": [(1000, 0, 800)]}, "connections", "ok", "800 in use"),
    (server.habits, {"pg_settings": [("work_mem", "4095")]}, "work_mem", "warning", "4095 kB"),
    (server.habits, {"pg_settings": [("log_statement", "mod")]}, "server's log", "warning", "with its values"),
    (server.habits, {"pg_settings": [("log_min_duration_statement", "0")]}, "server's log", "warning", "every"),
    (server.durability, {"pg_settings": [("fsync", "off"), ("autovacuum", "on")]}, "fsync", "problem", "off"),
    (server.durability, {"pg_settings": [("synchronous_commit", "off")]}, "synchronous_commit", "problem", "off"),
    (server.durability, {"pg_settings": [("autovacuum", "off")]}, "autovacuum", "problem", "off"),
    (server.durability, {"pg_settings": [("autovacuum", "on")]}, "durability", "ok", "autovacuum on"),
    (health.long_transactions, {"xact_start <": [(7, "psql", "idle", "1:00")]}, "transaction", "warning", "process 7"),
    (health.long_transactions, {"wait_event_type": [(8, "7, 9")]}, "locks", "warning", "process 8 has waited"),
    (health.long_transactions, {}, "transactions", "ok", "none is old"),
    (health.leftovers, {"pg_database": [("todo_verify_1",)]}, "scratch database", "warning", "todo_verify_1"),
    (health.leftovers, {"pg_prepared_xacts": [("stuck",)]}, "prepared transaction", "warning", "stuck holds"),
    (health.leftovers, {"pg_replication_slots": [("s", "1 GB")]}, "replication slot", "warning", "keeps 1 GB"),
    (health.dead_rows, {"n_dead_tup": [("tasks", 20_000, 9)]}, "dead rows", "warning", "20000 beside 9"),
    (health.statistics, {"last_analyze": [("tasks",)]}, "statistics", "warning", "tasks was never analyzed"),
    (health.broken_objects, {"indisvalid": [("i",)]}, "indexes", "problem", "i is not valid"),
    (health.broken_objects, {"convalidated": [("c", "t")]}, "constraints", "warning", "c of t"),
    (health.wraparound, {"datfrozenxid": [(500_000_001,)]}, "transaction ids", "problem", "500 million"),
    (
        health.reminders,
        _reminders(AT, 2),
        "reminders",
        "warning",
        "2 should have fired, the oldest at 2026-01-02 03:04",
    ),
    (
        health.webhooks,
        {"to_regclass": [(True,)], "failing_since": [(3, 1, 2)]},
        "webhooks",
        "warning",
        "2 of 3 have not",
    ),
    (health.webhooks, {"to_regclass": [(True,)], "failing_since": [(3, 1, 0)]}, "webhooks", "note", "1 of 3 fail"),
    (health.webhooks, {"to_regclass": [(True,)], "failing_since": [(3, 0, 0)]}, "webhooks", "ok", "3 enabled"),
    (health.reminders, _reminders(None, 0), "reminders", "ok", "the next fires at 2026-01-02 03:04"),
]
# What a database, or a session of another kind, shows: above, and in test_dbcheck.py.
ELSEWHERE = {("migrations", "problem"), ("pooler", "problem"), ("same database", "problem")}
ELSEWHERE |= {(name, level) for name, level, *_ in ILLNESSES}


@pytest.mark.parametrize(("check", "rows", "name", "level", "text"), TOLD)
def test_each_finding_is_told_with_its_cure(
    check: Check, rows: dict[str, list[tuple[Any, ...]]], name: str, level: str, text: str, settings: Any
) -> None:
    settings.PRODUCTION, settings.WORKERS, settings.DATABASE_POOL_SIZE = True, 4, 8
    hits = [found for found in check(cast(Session, Answers(rows))) if found[0] == name]

    assert [(found[1], text in found[2], bool(found[3])) for found in hits] == [(level, True, level != "ok")], hits


@pytest.mark.parametrize(("milliseconds", "level"), [(19.9, "ok"), (20.1, "warning")])
def test_a_long_way_is_told(milliseconds: float, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(link.time, "perf_counter", lambda: next(clock) * milliseconds / 1000)
    slow = SimpleNamespace(raw=SimpleNamespace(execute=lambda _: None))

    assert link._latency(cast(Session, slow), 0.0, 0.0)[:2] == ("connection", level)


@pytest.mark.parametrize(("mode", "level"), [("verify-full", "ok"), ("verify-ca", "warning"), ("require", "warning")])
def test_tls_that_verifies_nobody_is_told(mode: str, level: str) -> None:
    encrypted = Says(pooled=True)
    encrypted.raw.pgconn.ssl_in_use = True
    encrypted.raw.info.get_parameters = lambda: {"sslmode": mode}

    assert link._tls(cast(Session, encrypted))[:2] == ("TLS", level)


@pytest.mark.parametrize(
    ("name", "host", "level"),
    [
        ("DATABASE_URL", "ep-cool-1.eu.aws.neon.tech", "warning"),
        ("DATABASE_URL", "db.example.com", "ok"),
        ("DIRECT_DATABASE_URL", "ep-cool-1.eu.aws.neon.tech", "ok"),
    ],
)
def test_neon_without_its_pooler_is_told(name: str, host: str, level: str) -> None:
    assert link._pooler(of(name, direct=name != "DATABASE_URL"), session(host=host))[:2] == ("pooler", level)


def test_an_old_server_and_a_missing_program_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise BackupError("there is no pg_dump: install it")

    monkeypatch.setattr(server.readiness, "outdated", lambda _: "PostgreSQL 14 is too old")
    monkeypatch.setattr(server.programs, "find", missing)
    old = Says(("14.1",))
    old.raw.info.server_version = 140_001

    found = list(server.versions(cast(Session, old)))

    assert found[0][:3] == ("PostgreSQL", "problem", "PostgreSQL 14 is too old")
    assert found[-1] == ("backup program", "warning", "there is no pg_dump", "Install it.")


def test_no_finding_is_without_a_session_that_provokes_it() -> None:
    folder = Path(link.__file__).parent
    sources = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    levels = {"ok", "note", "warning", "problem"}
    pairs = set(re.findall(r'"([\w\' ]+)",\s*"(note|warning|problem)"', sources))
    written = {(name, level) for name, level in pairs if name not in levels}
    above = {("pooler", "warning"), ("connection", "warning"), ("TLS", "warning"), ("backup program", "warning")}
    above |= {("clock", "warning"), ("PostgreSQL", "problem"), ("purge", "warning"), ("connection", "problem")}
    assert written - above - ELSEWHERE - {(name, level) for _, _, name, level, _ in TOLD} == set()


@pytest.fixture(scope="module")
def migrated(postgres: None) -> Iterator[str]:
    with new_database("diagnosed") as name:
        succeed("migrate", "-v0", database=name)
        yield name


@pytest.mark.parametrize("grant", ["DELETE ON todo.users", "SELECT (password) ON todo.users"])
def test_what_a_role_may_do_beyond_its_fence_is_compared(migrated: str, grant: str) -> None:
    with connect(migrated) as connection:
        before = contents.read(connection, "todo", lambda _: None)
        connection.execute(f"GRANT {grant} TO todo_account")
        after = contents.read(connection, "todo", lambda _: None)
        connection.rollback()

    assert [sentence for sentence in before.differences(after) if "has beyond it: grant of" in sentence]


def test_grant_of_a_column_that_is_lost_is_compared(migrated: str) -> None:
    with connect(migrated) as connection:
        before = contents.read(connection, "todo", lambda _: None)
        connection.execute("REVOKE UPDATE (title) ON todo.tasks FROM todo_api")
        after = contents.read(connection, "todo", lambda _: None)
        connection.rollback()

    assert before.differences(after) == ["lacks: grant of update on tasks.title to todo_api"]


def test_tables_that_the_account_role_may_read_whole_are_told(migrated: str) -> None:
    with connect(migrated, autocommit=True) as connection:
        connection.execute("CREATE TABLE todo.notes (user_id uuid); GRANT SELECT ON todo.notes TO todo_account")
    try:
        code, output, _ = run("dbcheck", database=migrated)
    finally:
        with connect(migrated, autocommit=True) as connection:
            connection.execute("DROP TABLE todo.notes")

    assert code == 1
    assert "table notes has no row-level security, but a column user_id" in output


def test_a_dry_run_purges_nothing_and_counts_the_audit(migrated: str) -> None:
    with connect(migrated, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO audit_events (id, at, door, action, object_type, object_id, request_id)"
            " VALUES (gen_random_uuid(), now() - interval '400 days', 'admin', 'x', '', '', '')"
        )

        assert "Would remove" in (told := succeed("purge", "--dry-run", database=migrated))
        assert " 1 audit events" in told
        assert connection.execute("SELECT count(*) FROM audit_events").fetchone() == (1,)

        assert " 1 audit events" in succeed("purge", database=migrated)
        assert connection.execute("SELECT count(*) FROM audit_events").fetchone() == (0,)
        assert "it was last done at" in run("dbcheck", database=migrated)[1]
        connection.execute("DELETE FROM background_jobs")
        assert "it was never done to its end" in run("dbcheck", database=migrated)[1]


def test_a_purge_goes_in_batches() -> None:
    from todoproject.management.commands import purge

    assert 100 <= purge.BATCH <= 10_000
