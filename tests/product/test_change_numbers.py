"""The numbers of an owner's changes: each once, in order, with one update of the owner's row for a statement."""

import itertools
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.people import Person
from tests.support.postgres.databases import connect

Connection = psycopg.Connection[TupleRow]

_INSERT = """
INSERT INTO tasks (key, id, user_id, title)
SELECT gen_random_uuid(), gen_random_uuid(), %s, 'Task ' || n FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def database_session(database: None) -> Iterator[Connection]:
    with connect() as connection:
        yield connection
        connection.rollback()


def numbers(session: Connection, person: Person) -> tuple[int, list[int]]:
    """Return the owner's number and those of their tasks, in order."""
    owner = session.execute("SELECT change_no FROM users WHERE id = %s", [person.id]).fetchone()
    rows = session.execute("SELECT change_no FROM tasks WHERE user_id = %s ORDER BY 1", [person.id]).fetchall()
    assert owner is not None
    return owner[0], [number for (number,) in rows]


def owner_updates(session: Connection) -> int:
    """Return how many rows of users this transaction has updated so far."""
    row = session.execute("SELECT pg_stat_get_xact_tuples_updated('users'::regclass)").fetchone()
    assert row is not None
    return int(row[0])


async def test_a_statement_takes_as_many_numbers_as_it_writes_rows(alice: Person, database_session: Connection) -> None:
    session = database_session
    session.execute(_INSERT, [alice.id, 50])
    assert numbers(session, alice) == (50, list(range(1, 51)))

    session.execute("UPDATE tasks SET title = title || '!' WHERE user_id = %s AND change_no > 10", [alice.id])
    assert numbers(session, alice) == (90, [*range(1, 11), *range(51, 91)])

    session.execute("UPDATE tasks SET title = title WHERE user_id = %s", [alice.id])  # changes nothing
    session.execute("UPDATE tasks SET priority = 1 WHERE user_id = %s AND change_no = 51", [alice.id])
    assert numbers(session, alice) == (91, [*range(1, 11), *range(52, 92)])


async def test_with_two_updates_of_the_owner_at_most(alice: Person, database_session: Connection) -> None:
    session = database_session
    session.execute(_INSERT, [alice.id, 1])
    assert owner_updates(session) == 1
    session.execute(_INSERT, [alice.id, 500])
    assert owner_updates(session) == 2
    session.execute("UPDATE tasks SET title = 'New' WHERE user_id = %s", [alice.id])
    assert owner_updates(session) == 3


async def test_rows_of_several_owners_are_counted_apart(
    alice: Person, bob: Person, charlie: Person, database_session: Connection
) -> None:
    session = database_session
    people = [person.id for person in (alice, bob, charlie)]
    session.execute(
        "INSERT INTO tasks (key, id, user_id, title) SELECT gen_random_uuid(), gen_random_uuid(), owner, 'x'"
        " FROM generate_series(1, 4) AS n, unnest(%s::uuid[]) AS owner ORDER BY n",
        [people],
    )
    session.execute("UPDATE tasks SET title = 'y' WHERE user_id = ANY (%s)", [people])

    for person in (alice, bob, charlie):
        assert numbers(session, person) == (8, [5, 6, 7, 8])


async def test_what_is_undone_gives_its_numbers_back_and_no_number_comes_twice(
    alice: Person, database_session: Connection
) -> None:
    session = database_session
    session.execute(_INSERT, [alice.id, 3])
    with pytest.raises(psycopg.errors.CheckViolation):
        _write_and_fail(session, alice)
    assert numbers(session, alice) == (3, [1, 2, 3])

    with session.transaction():
        session.execute(_INSERT, [alice.id, 2])
    session.execute(_INSERT, [alice.id, 1])
    assert numbers(session, alice) == (6, [1, 2, 3, 4, 5, 6])


def _write_and_fail(session: Connection, person: Person) -> None:
    fail = "UPDATE tasks SET priority = CASE change_no WHEN 7 THEN 9 ELSE 1 END WHERE user_id = %s"
    with session.transaction():
        session.execute(_INSERT, [person.id, 5])
        session.execute(fail, [person.id])


async def test_several_writes_in_one_statement(alice: Person, database_session: Connection) -> None:
    session = database_session
    session.execute(_INSERT, [alice.id, 4])
    session.execute(
        "WITH more AS (INSERT INTO tasks (key, id, user_id, title)"
        "              SELECT gen_random_uuid(), gen_random_uuid(), %(owner)s, 'New' FROM generate_series(1, 3)),"
        "     less AS (UPDATE tasks SET deleted_at = now() WHERE user_id = %(owner)s AND change_no <= 2)"
        " UPDATE tasks SET title = 'Changed' WHERE user_id = %(owner)s AND change_no > 2",
        {"owner": alice.id},
    )
    owner, rows = numbers(session, alice)
    assert (owner, len(set(rows)), min(rows)) == (11, 7, 5)


async def test_conflicts_on_insertion_leave_no_number_twice(alice: Person, database_session: Connection) -> None:
    session = database_session
    session.execute(_INSERT, [alice.id, 3])
    session.execute(
        "INSERT INTO tasks (key, id, user_id, title)"
        " SELECT gen_random_uuid(), CASE WHEN n > 3 THEN gen_random_uuid() ELSE (SELECT id FROM tasks WHERE user_id ="
        " %(owner)s AND change_no = n) END, %(owner)s, 'Again' FROM generate_series(1, 6) AS n"
        " ON CONFLICT (id, user_id) DO UPDATE SET title = EXCLUDED.title",
        {"owner": alice.id},
    )
    owner, rows = numbers(session, alice)
    assert len(set(rows)) == 6
    assert owner >= max(rows)


async def test_a_setting_that_another_session_left_is_not_counted_on(alice: Person) -> None:
    """It ends with its transaction, so that a pooler's next client does not meet it."""
    with connect(autocommit=True) as session:
        session.execute(_INSERT, [alice.id, 3])
        assert session.execute("SELECT current_setting('app.counted', true)").fetchone() in (("",), (None,))
        session.execute(_INSERT, [alice.id, 1])
        assert numbers(session, alice) == (4, [1, 2, 3, 4])


async def test_task_of_nobody_is_refused(database_session: Connection) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
        database_session.execute(_INSERT, [str(uuid.uuid4()), 1])

    assert caught.value.diag.constraint_name == "tasks_owner_exists"


async def test_twice_the_rows_take_about_twice_the_time(
    alice: Person, bob: Person, database_session: Connection
) -> None:
    session = database_session
    best = dict.fromkeys((1000, 4000), 10.0)
    for rows, _ in itertools.product(best, range(3)):
        with session.transaction(force_rollback=True):
            started = time.perf_counter()
            session.execute(_INSERT, [alice.id, rows])
            best[rows] = min(best[rows], time.perf_counter() - started)

    assert best[4000] < 4 * 2 * best[1000]  # quadratic would be sixteen times


# --- Time goes forward ----------------------------------------------------------------------------


async def test_a_clock_that_is_set_back_misleads_nobody(alice: Person) -> None:
    """As if the server's clock had been two hours ahead: what changes next is later still, and is found."""
    task = await alice.task("Before")
    with connect(autocommit=True) as connection:
        connection.execute("UPDATE users SET changed_at = changed_at + interval '2 hours' WHERE id = %s", [alice.id])
        ahead = connection.execute("SELECT changed_at FROM users WHERE id = %s", [alice.id]).fetchone()
    assert ahead is not None

    first = await alice.task("First")
    second = (await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Second"})).json()

    times = [ahead[0].strftime("%Y-%m-%dT%H:%M:%S.%fZ"), first["updated_at"], second["updated_at"]]
    assert times == sorted(set(times))
    found = await alice.http.get("/v1/tasks", params={"updated_after": first["updated_at"]})
    assert [item["title"] for item in found.json()["items"]] == ["Second"]


async def test_a_person_saved_whole_brings_no_old_time_back(alice: Person) -> None:
    await alice.task()
    with connect(autocommit=True) as connection:
        ask: Any = "SELECT change_no, changed_at FROM users WHERE id = %s"
        before = connection.execute(ask, [alice.id]).fetchone()
        for old in ("NULL", "now() - interval '1 day'"):
            connection.execute(
                f"UPDATE users SET change_no = 0, changed_at = {old}, timezone = 'UTC' WHERE id = %s", [alice.id]
            )
            assert connection.execute(ask, [alice.id]).fetchone() == before


async def test_a_bucket_never_lacks_more_than_its_window(database: None) -> None:
    """As if the clock had been two hours ahead while attempts were counted."""
    key = uuid.uuid4().bytes * 2
    with connect(autocommit=True) as connection:
        connection.execute("INSERT INTO attempt_buckets VALUES (%s, now() + interval '2 hours')", [key])
        refused, wait = connection.execute(
            "SELECT refused, wait FROM take_attempt(%s, ARRAY[5], ARRAY[60])", [[key]]
        ).fetchone() or (None, 0.0)

    assert refused == 1
    assert 0 < wait <= 12  # a fifth of the window: until the first of five is given back


async def test_the_time_of_creation_is_kept_from_the_owner_of_the_table_too(alice: Person) -> None:
    task = await alice.task()
    with connect(autocommit=True) as connection:
        change = "UPDATE tasks SET created_at = now() - interval '1 year', title = 'New' WHERE id = %s"
        connection.execute(change, [task["id"]])

    kept = (await alice.http.get(f"/v1/tasks/{task['id']}")).json()
    assert (kept["title"], kept["created_at"]) == ("New", task["created_at"])
