"""Health: alive, well, ready; and what a database that goes away does to requests."""

import asyncio
import threading
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.database.client.pool import pool
from todoproject.monitoring import draining
from todoproject.version import VERSION


async def test_health_names_database_and_version(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok", "database": "connected", "version": VERSION}


async def test_database_health_names_it_and_its_latency(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health/db")).json()

    assert (health["connected"], health["database"]) == (True, "test_todo")
    assert 0 < health["latency_ms"] < 1000


async def test_ready_where_migrated_and_fenced(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/ready")).json() == {"status": "ok"}


async def test_unready_while_the_process_is_about_to_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced = threading.Event()
    monkeypatch.setattr(draining, "announced", announced)
    assert (await client.get("/health/ready")).status_code == 200
    announced.set()

    ready, live = await client.get("/health/ready"), await client.get("/health/live")

    assert (ready.status_code, ready.headers["Retry-After"], ready.json()["code"]) == (503, "5", "unavailable")
    assert "about to end" in ready.json()["detail"]
    assert live.status_code == 200


async def test_liveness_does_not_ask_the_database(client: httpx.AsyncClient) -> None:
    await pool.close()
    try:
        assert (await client.get("/health/live")).status_code == 200
        for path in ("/health", "/health/db", "/health/ready"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
            assert answer.headers["Retry-After"] == "1"
    finally:
        await pool.open()


@pytest.mark.parametrize(
    ("breaks", "mends", "words"),
    [
        (
            "DELETE FROM django_migrations WHERE app = 'tasks' AND name = '0002_fence'",
            "INSERT INTO django_migrations (app, name, applied) VALUES ('tasks', '0002_fence', now())",
            "unapplied migrations: tasks.0002_fence",
        ),
        (
            "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY",
            "table tasks has no row-level security",
        ),
        (
            "ALTER TABLE django_migrations RENAME TO hidden",
            "ALTER TABLE hidden RENAME TO django_migrations",
            "the schema is absent",
        ),
    ],
)
async def test_unready_says_why(client: httpx.AsyncClient, breaks: str, mends: str, words: str) -> None:
    with connect(autocommit=True) as connection:
        connection.execute(breaks)
        try:
            answer = await client.get("/health/ready")
        finally:
            connection.execute(mends)

    assert answer.status_code == 503
    assert words in answer.json()["detail"]


@pytest.fixture
def superuser() -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with connect("postgres", autocommit=True, user="postgres") as connection:
        yield connection


async def test_unready_where_the_role_would_bypass_the_fence(
    client: httpx.AsyncClient, superuser: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    superuser.execute("ALTER ROLE todo_api BYPASSRLS")
    try:
        answer = await client.get("/health/ready")
    finally:
        superuser.execute("ALTER ROLE todo_api NOBYPASSRLS")

    assert answer.status_code == 503
    assert "role todo_api bypasses row-level security" in answer.json()["detail"]


async def test_unready_where_the_role_cannot_be_taken_on(client: httpx.AsyncClient) -> None:
    """From PostgreSQL 16 on, whoever makes a role is a member of it, and may still not take it on."""
    with connect(autocommit=True) as owner:
        owner.execute("REVOKE SET OPTION FOR todo_api FROM CURRENT_USER")
        try:
            answer = await client.get("/health/ready")
        finally:
            owner.execute("GRANT todo_api TO CURRENT_USER WITH SET TRUE")

    assert answer.status_code == 503
    assert "role todo_api may not be taken on by todo_owner" in answer.json()["detail"]


async def test_dead_connections_cost_nobody_an_error(
    alice: Person, superuser: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """What a sleep of the server does: all idle connections are closed at once."""
    task = await alice.task()

    for _ in range(3):
        for expected in (200, 201):
            superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'test_todo'")
            await asyncio.sleep(0.1)  # they die one by one
            if expected == 200:
                answer = await alice.http.get(f"/v1/tasks/{task['id']}")
            else:
                answer = await alice.http.post("/v1/tasks", json={"title": "After the sleep"})
            assert answer.status_code == expected, answer.text


async def test_missing_table_is_503_and_not_a_crash(alice: Person) -> None:
    with connect(autocommit=True) as connection:
        connection.execute("ALTER TABLE tasks RENAME TO elsewhere")
        try:
            answer = await alice.http.get("/v1/tasks")
        finally:
            connection.execute("ALTER TABLE elsewhere RENAME TO tasks")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_session_that_is_older_than_the_schema_finds_its_tables(
    alice: Person, superuser: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """A pooler may hand out a session from before the first migration, whose search_path is another."""
    await alice.task()
    owner, database = sql.Identifier("todo_owner"), sql.Identifier("test_todo")
    reset = sql.SQL("ALTER ROLE {} IN DATABASE {} RESET search_path").format(owner, database)
    superuser.execute(reset)
    await pool.close()
    await pool.open()
    try:
        listed = await alice.http.get("/v1/tasks")
        ready = await alice.http.get("/health/ready")
    finally:
        superuser.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = todo").format(owner, database))
        await pool.close()
        await pool.open()

    assert (len(listed.json()["items"]), ready.status_code) == (1, 200)
