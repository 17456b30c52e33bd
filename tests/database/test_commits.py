"""An answer says done only if PostgreSQL has said so: what fails at the end of a transaction is the request's error."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from accounts import tokens
from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement

ONCE = "IF nextval('todo.at_commit_tries') > 1 THEN RETURN NULL; END IF;"


@contextmanager
def at_commit(state: str, table: str = "tasks", *, unless: str = "") -> Iterator[None]:
    """Let what is written to a table fail when it is committed, as a deferred foreign key or a conflict does."""
    function = (
        "CREATE SEQUENCE todo.at_commit_tries; GRANT USAGE ON todo.at_commit_tries TO PUBLIC;"
        "CREATE FUNCTION todo.at_commit() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {unless} RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$;"
        f"CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON todo.{table}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION todo.at_commit()"
    )
    with connect(autocommit=True) as database:
        database.execute(function.encode())
        try:
            yield
        finally:
            database.execute(b"DROP FUNCTION todo.at_commit() CASCADE; DROP SEQUENCE todo.at_commit_tries")


@asynccontextmanager
async def role_default(name: str, value: str) -> AsyncIterator[None]:
    """Give the role that the API logs in as a default of its own."""
    with connect(autocommit=True) as database:
        database.execute(f"ALTER ROLE CURRENT_USER SET {name} = '{value}'".encode())
        try:
            await pool.close()
            await pool.open()
            yield
        finally:
            database.execute(f"ALTER ROLE CURRENT_USER RESET {name}".encode())
            await pool.close()
            await pool.open()


async def titles(person: Person) -> list[str]:
    return [task["title"] for task in (await person.http.get("/v1/tasks?sort=created_at")).json()["items"]]


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


async def write(person: Person, shape: str) -> httpx.Response:
    """Create a task in one of the ways that a unit of work can have."""
    if shape.startswith("batch"):
        body = {"operations": [{"op": "create", "data": {"title": "Milk"}}]}
        atomic = str("each" not in shape).lower()
        headers = key() if "keyed" in shape else {}
        return await person.http.post(f"/v1/tasks/batch?atomic={atomic}", json=body, headers=headers)
    return await person.http.post("/v1/tasks", json={"title": "Milk"}, headers=key() if shape == "keyed" else {})


SHAPES = ("alone", "keyed", "batch", "batch each", "batch keyed", "batch keyed each")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("state", "status"),
    [("40001", 503), ("55P03", 503), ("57014", 503), ("23503", 422), ("XX000", 500), ("P0001", 500)],
)
async def test_write_that_fails_at_its_commit_is_not_done_and_not_called_done(
    alice: Person, shape: str, state: str, status: int
) -> None:
    with at_commit(state):
        answer = await write(alice, shape)

    assert answer.status_code == status
    assert await titles(alice) == []
    assert (await write(alice, shape)).is_success
    assert await titles(alice) == ["Milk"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_work_that_the_server_has_undone_is_done_again_whole(alice: Person, shape: str, state: str) -> None:
    with at_commit(state, unless=ONCE):
        answer = await write(alice, shape)

    assert answer.is_success, answer.text
    assert "Idempotency-Replayed" not in answer.headers
    assert await titles(alice) == ["Milk"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/v1/tokens", {"name": "x", "scopes": ["account"]}), ("POST", "/v1/auth/logout", None)],
)
async def test_token_that_was_not_written_is_not_answered(
    alice: Person, method: str, path: str, body: dict[str, object] | None
) -> None:
    with at_commit("55P03", "access_tokens"):
        answer = await alice.http.request(method, path, json=body)

    assert answer.status_code == 503
    assert (await alice.http.get("/v1/me")).status_code == 200
    assert len((await alice.http.get("/v1/tokens")).json()["items"]) == 1


async def test_read_that_fails_at_its_sync_is_not_answered(alice: Person) -> None:
    """It writes when the token was last used."""
    with connect(autocommit=True) as database:
        database.execute("UPDATE access_tokens SET last_used_at = NULL WHERE user_id = %s", [alice.id])
    with at_commit("XX000", "access_tokens"):
        answer = await alice.http.get("/v1/tasks")

    assert answer.status_code == 500


async def test_whatever_the_role_s_level_of_isolation_what_is_acknowledged_is_there(alice: Person, bob: Person) -> None:
    async with role_default("default_transaction_isolation", "serializable"):
        answers = await asyncio.gather(
            *(person.http.post("/v1/tasks", json={"title": "x"}) for person in (alice, bob) for _ in range(60))
        )
        done = Counter(answer.status_code for answer in answers)
        there = sum([len((await p.http.get("/v1/tasks?limit=200")).json()["items"]) for p in (alice, bob)])

    # On a busy machine the last of sixty may wait for their owner for longer than two seconds, and are told so.
    assert done.keys() <= {201, 503}
    assert there == done[201] > 60


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
async def test_every_write_is_read_committed_whatever_the_role_s_level(alice: Person, level: str) -> None:
    """Its snapshot must be newer than the owner's lock, which it has waited for."""
    look = Statement.fenced("SELECT current_setting('transaction_isolation')", scope="tasks:write", writes=True)
    by = Credentials(tokens.digest(alice.token))
    async with role_default("default_transaction_isolation", level):
        found = [(await pool.execute(look, {}, by)).text(0, 0)]
        async with pool.transaction(by) as transaction:
            found.append((await transaction.execute(look, {}, by)).text(0, 0))

    assert found == ["read committed"] * 2


async def test_lock_that_does_not_come_in_time_is_no_success(alice: Person) -> None:
    async with role_default("lock_timeout", "300ms"):
        with connect(autocommit=False) as other:
            other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
            answers = [
                await alice.http.post("/v1/tokens", json={"name": "x", "scopes": ["account"]}),
                await alice.http.post("/v1/tasks", json={"title": "x"}),
            ]
            other.rollback()
        listed = (await alice.http.get("/v1/tokens")).json()["items"]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert len(listed) == 1
    assert await titles(alice) == []


async def test_database_that_takes_no_writes_goes_on_reading_and_says_why_it_does_not_write(alice: Person) -> None:
    task = await alice.task()
    with connect(autocommit=True) as database:
        database.execute("UPDATE access_tokens SET last_used_at = NULL WHERE user_id = %s", [alice.id])
    async with role_default("default_transaction_read_only", "on"):
        reads = [
            await alice.http.get(path) for path in ("/v1/tasks", f"/v1/tasks/{task['id']}", "/v1/me", "/v1/tokens")
        ]
        writes = [await write(alice, shape) for shape in SHAPES]
        writes.append(await alice.http.post("/v1/imports", content="Buy milk"))
        ready = await alice.http.get("/health/ready")

    assert [answer.status_code for answer in (*reads, ready)] == [200] * 5
    assert {answer.status_code for answer in writes} == {503}
    assert all("takes no writes" in answer.text for answer in writes)


async def test_refused_write_leaves_its_connection_clean(alice: Person) -> None:
    who = Statement.unfenced("SELECT pg_backend_pid()")
    await pool.close()
    await pool.open()
    await alice.task()
    sessions = {(await pool.execute(who)).text(0, 0) for _ in range(10)}
    for _ in range(10):
        assert (await alice.http.patch(f"/v1/tasks/{uuid.uuid4()}", json={"title": "x"})).status_code == 404
        assert (await alice.http.put(f"/v1/tasks/{uuid.uuid4()}", json={"title": "x"})).status_code == 428
    for _ in range(5):
        with at_commit("23503"):
            assert (await write(alice, "alone")).status_code == 422
        assert (await pool.execute(who)).text(0, 0) in sessions

    with connect(autocommit=True) as database:
        await asyncio.sleep(0.1)
        states = database.execute(
            "SELECT DISTINCT state FROM pg_stat_activity WHERE pid = ANY (%s)", [[int(pid) for pid in sessions]]
        ).fetchall()
    assert states == [("idle",)]
