"""What each role may do, and what the database keeps true, is what tests/rights.txt says; functions cannot be bent."""

import os
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import TupleRow

from accounts import tokens
from tests.support import rights
from tests.support.people import Person
from tests.support.postgres.databases import connect

Connection = psycopg.Connection[TupleRow]


@pytest.fixture
def session(database: None) -> Iterator[Connection]:
    """A session of the owner's, of which nothing stays."""
    with connect() as connection:
        yield connection
        connection.rollback()


def test_rights_policies_triggers_constraints_and_indexes_are_as_written_down(session: Connection) -> None:
    found = rights.lines(session)
    if "WRITE_RIGHTS" in os.environ:
        rights.COPY.write_text("\n".join(found), "utf-8")
    assert found == rights.COPY.read_text("utf-8").split("\n")


@pytest.mark.parametrize(
    "change",
    [
        "GRANT UPDATE (email) ON users TO todo_account",
        "GRANT INSERT ON tasks TO todo_api",
        "GRANT UPDATE (sort_title) ON tasks TO todo_api",
        "GRANT ALL ON idempotency_keys TO todo_account",
        "GRANT EXECUTE ON FUNCTION own_revision() TO PUBLIC",
        "GRANT EXECUTE ON FUNCTION record_sign_out(uuid, text, inet) TO PUBLIC",
        "CREATE FUNCTION probe() RETURNS integer LANGUAGE sql RETURN 1",
        "ALTER FUNCTION own_password() RESET search_path",
        "ALTER FUNCTION fold(text) SECURITY DEFINER",
        "ALTER POLICY idempotency_keys_own ON idempotency_keys USING (true)",
        "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tasks DISABLE TRIGGER tasks_update_books",
        "ALTER TABLE audit_events ENABLE TRIGGER audit_events_young",
        "ALTER TABLE tasks DROP CONSTRAINT tasks_one_due",
        "DROP INDEX tasks_trash",
        "ALTER TABLE users RESET (fillfactor)",
    ],
)
def test_a_difference_is_noticed(session: Connection, change: str) -> None:
    """The change is undone again: nobody else sees it."""
    session.execute(change)  # type: ignore[call-overload]  # text of our own

    assert rights.lines(session) != rights.COPY.read_text("utf-8").split("\n")


# --- Functions that cannot be bent ----------------------------------------------------------------


def test_functions_that_run_as_their_owner_say_where_names_are_looked_up(session: Connection) -> None:
    """Those that have none, since each write runs them, name everything with its schema: see below."""
    open_ones = session.execute("""
        SELECT proname FROM pg_proc
         WHERE pronamespace = 'todo'::regnamespace AND prosecdef
           AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, todo, pg_temp'], false) ORDER BY 1
    """).fetchall()

    assert [name for (name,) in open_ones] == [
        "keep_task_books",
        "log_list_change",
        "log_task_change",
        "write_task_numbers",
    ]


def test_nobody_but_the_owner_makes_temporary_things(session: Connection) -> None:
    for role in ("todo_api", "todo_account"):
        with session.transaction(force_rollback=True):
            session.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"), session.transaction():
                session.execute("CREATE TEMPORARY TABLE tasks (title text)")


_TRAPS = ("text", "uuid", "bytea", "timestamptz", "jsonb", "inet", "name", "tsvector", "tsquery")
_TRAP = """
CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.spring(VALUE::pg_catalog.text));
CREATE DOMAIN pg_temp._{name} AS pg_catalog.{name}[];
"""
_SPRING = """
CREATE FUNCTION pg_temp.spring(value pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'bent, as %', current_user; END $$;
"""


@pytest.fixture
def trapped(session: Connection) -> Connection:
    """A session in which the API's role could leave types and tables of its own, as it could before."""
    session.execute(f"GRANT TEMPORARY ON DATABASE {session.info.dbname} TO todo_api")  # type: ignore[call-overload]
    session.execute("SET LOCAL ROLE todo_api")
    session.execute(_SPRING)
    for name in _TRAPS:
        session.execute(_TRAP.format(name=name))  # type: ignore[call-overload]  # text of our own
    for table in ("users", "access_tokens", "tasks", "email_links", "attempt_buckets", "audit_events", "changes"):
        columns = "id pg_catalog.uuid, user_id pg_catalog.uuid, change_no bigint, password pg_catalog.text"
        session.execute(f"CREATE TEMPORARY TABLE {table} ({columns})")  # type: ignore[call-overload]
    session.execute("RESET ROLE")
    return session


def call(session: Connection, query: str, *values: object) -> list[TupleRow]:
    """Run a query whose own names mean what they say, whatever the session holds."""
    return session.execute(query, values).fetchall() if values else session.execute(query).fetchall()  # type: ignore[call-overload]


def test_the_traps_work(trapped: Connection) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="bent"):
        trapped.execute("SELECT 'x'::text")


async def test_no_request_is_bent(alice: Person, trapped: Connection) -> None:
    digest = tokens.digest(alice.token)
    trapped.execute("UPDATE todo.access_tokens SET last_used_at = NULL WHERE user_id = %s", [alice.id])
    for ask in ("%s, '{tasks:read}', false", "%s, '{tasks:write}', true", "%s, 'tasks:read'", "%s, NULL"):
        assert call(trapped, f"SELECT todo.open_request({ask})", digest) == [(uuid.UUID(alice.id),)]
    assert call(
        trapped, "SELECT todo.wait_for_owner(%s, id) FROM todo.access_tokens WHERE user_id = %s", alice.id, alice.id
    )


async def test_no_write_is_bent(alice: Person, trapped: Connection) -> None:
    trapped.execute("SELECT set_config('app.user_id', %s, true), set_config('role', 'todo_api', true)", [alice.id])
    for _ in range(2):
        trapped.execute(
            "INSERT INTO todo.tasks (key, id, user_id, title, description, is_completed, priority)"
            " SELECT gen_random_uuid(), gen_random_uuid(), %s, 'Milk ' || n, '', false, 0"
            " FROM generate_series(1, 3) AS n",
            [alice.id],
        )
        trapped.execute("UPDATE todo.tasks SET title = 'Bread', is_completed = true")
    assert len(call(trapped, "SELECT before FROM todo.changes WHERE event = 'completed'")) == 6
    numbers = [4, 5, 6, 10, 11, 12]  # the second update leaves three as they are
    assert call(trapped, "SELECT change_no FROM todo.tasks ORDER BY 1") == [(number,) for number in numbers]
    assert len(call(trapped, "SELECT title FROM todo.search_tasks('bread')")) == 6
    assert call(
        trapped, "SELECT count(*) FROM todo.search_tasks(todo.searchable('\"no such\" -phrase 東京都 c++'))"
    ) == [(0,)]
    assert len(call(trapped, "SELECT todo.owner_today(), todo.own_revision()")) == 1
    assert len(call(trapped, "SELECT todo.day_begins(todo.owner_today()), todo.day_of(now())")) == 1


async def test_nothing_of_an_account_is_bent(alice: Person, bob: Person, trapped: Connection) -> None:
    trapped.execute("SELECT set_config('app.user_id', %s, true), set_config('role', 'todo_account', true)", [alice.id])
    [(known,)] = call(trapped, "SELECT todo.own_password()")
    assert len(call(trapped, "SELECT todo.record_sign_out(%s, 'request', '192.0.2.1')", uuid.uuid4())) == 1
    assert call(trapped, "SELECT todo.change_password(%s, 'new', true)", known) == [(alice.email,)]
    assert call(trapped, "SELECT todo.erase_account('new')") == [(True,)]
    trapped.execute("RESET ROLE")
    for query in (
        "SELECT todo.reset_password('\\x00', 'new', true)",
        "SELECT todo.take_attempt(ARRAY[sha256('x')], ARRAY[5], ARRAY[60])",
        "SELECT todo.purge_audit(now() - interval '400 days', 10)",
        "SELECT todo.staff_queries('bread')",
        "SELECT todo.staff_terms('bread -milk'), todo.query_terms(gen_random_uuid(), '\"a b\"')",
        "SELECT todo.says('é', '', '{c++}', '{a}', '{b}')",
    ):
        call(trapped, query)
    trapped.execute("SELECT todo.record_failed_sign_in(%s, 'api', %s, 'request', '192.0.2.1')", [uuid.uuid4(), bob.id])
    trapped.execute("SELECT todo.erase_user(%s)", [bob.id])
    assert call(trapped, "SELECT count(*) FROM todo.users WHERE id = ANY (%s)", [alice.id, bob.id]) == [(0,)]
