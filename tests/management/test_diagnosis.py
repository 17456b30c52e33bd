"""Each finding of `dbcheck` that a healthy server cannot show: sessions that say what is wrong."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database, run, succeed
from todoproject.management.backups import contents
from todoproject.management.diagnosis import health, link, server
from todoproject.management.diagnosis.findings import Session
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


def test_a_purge_goes_in_batches() -> None:
    from todoproject.management.commands import purge

    assert 100 <= purge.BATCH <= 10_000
