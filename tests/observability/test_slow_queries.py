"""Slow queries: told with their shape, their route and their request, and never with anybody's data."""

import json
import math
import time
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client

from tests.support.people import PASSWORD, Person
from tests.support.processes.servers import ROOT
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement
from todoproject.database.errors import DatabaseUnavailable
from todoproject.observability import metrics, slow_queries

# The line that docs/monitoring.md shows.
_PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
SAMPLE = _PAGE.split("\n## Which queries are slow?\n")[1].split("```json\n")[1].split("\n")[0]


@pytest.fixture
def all_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.SLOW_QUERY_SECONDS", 0.0)


def slow(lines: Any) -> list[dict[str, Any]]:
    return [line for line in lines.read() if line["event"] == "slow query"]


async def test_slow_statement_is_one_line_with_route_request_and_user(alice: Person, lines: Any) -> None:
    task = await alice.task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.SLOW_QUERY_SECONDS", 0.0)
        await alice.http.get(f"/v1/tasks/{task['id']}", headers={"X-Request-ID": "req-8"})

    [line] = slow(lines)
    known = {"level": "WARNING", "logger": "todoproject.database", "request_id": "req-8", "user_id": alice.id}
    assert line | known | {"route": "/v1/tasks/{task_id}", "engine": "api", "rows": 1} == line
    assert 0 < line["duration_ms"] < 5000
    assert line["statement"].startswith('SELECT format(\'{"id":')
    assert line["statement"].endswith('AND "tasks"."id" = ($1) AND "tasks"."deleted_at" IS NULL)) AS rows')
    assert "\n" not in line["statement"]
    assert list(line) == list(json.loads(SAMPLE))
    assert len(line["statement"]) <= 1003


def test_slow_statements_are_counted_and_quick_ones_are_not() -> None:
    def counted() -> float:
        return sum(metrics.store.total().get(("slow", "api"), [0.0]))

    before = counted()
    slow_queries.note("api", "SELECT 1", time.perf_counter() - 60)
    assert counted() == before + 1
    slow_queries.note("api", "SELECT 1", time.perf_counter())
    assert counted() == before + 1


async def test_quick_statements_are_not_told(alice: Person, lines: Any) -> None:
    await pool.execute(Statement.unfenced("SELECT 1"), {})
    await pool.execute(Statement.unfenced("SELECT pg_sleep(%(seconds)s)"), {"seconds": 0.21})

    assert [(line["statement"], line["duration_ms"] >= 200) for line in slow(lines)] == [("SELECT pg_sleep($1)", True)]


async def test_off_tells_none(alice: Person, lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.SLOW_QUERY_SECONDS", math.inf)
    await pool.execute(Statement.unfenced("SELECT pg_sleep(0.25)"), {})

    assert slow(lines) == []


async def test_statement_that_never_came_back_is_told(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.DATABASE_STATEMENT_TIMEOUT", 0.3)
    with pytest.raises(DatabaseUnavailable):
        await pool.execute(Statement.unfenced("SELECT pg_sleep(5)"), {})

    [line] = slow(lines)
    assert line["duration_ms"] >= 300
    assert line["rows"] is None


@pytest.mark.usefixtures("all_are_slow")
async def test_no_value_is_ever_told(alice: Person, client: httpx.AsyncClient, lines: Any) -> None:
    secret = "the-secret-title"
    task = await alice.task(secret, description=secret)
    create = {"op": "create", "data": {"title": secret}}
    for is_atomic in ("true", "false"):
        await alice.http.post(f"/v1/tasks/batch?atomic={is_atomic}", json={"operations": [create, create]})
    key = {"Idempotency-Key": secret}
    await alice.http.post("/v1/tasks", json={"title": secret}, headers=key)
    await alice.http.get("/v1/tasks", params={"q": secret})
    await alice.http.patch("/v1/me", json={"timezone": "Europe/Berlin"})
    await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})
    await client.post("/v1/auth/login", json={"email": alice.email, "password": secret})

    told = [line["statement"] for line in slow(lines)]

    assert len(told) > 10
    assert any(statement.startswith("2 × ") for statement in told)
    for value in (secret, alice.email, alice.token, PASSWORD, alice.id, task["id"], "Europe/Berlin"):
        assert value not in json.dumps(told)


@pytest.mark.usefixtures("all_are_slow")
def test_slow_statements_of_the_admin_name_route_request_and_staff(staff: Client, lines: Any) -> None:
    staff.get("/admin/tasks/task/?q=the-secret-title", headers={"X-Request-ID": "req-9"})

    [*_, last] = told = slow(lines)
    [access] = [line for line in lines.read() if line["event"] == "request"]
    assert {(line["engine"], line["request_id"]) for line in told} == {("django", "req-9")}
    assert last["route"] == access["route"] == "/admin/tasks/task/"
    assert last["user_id"] == access["user_id"] == str(staff.session["_auth_user_id"])
    assert 0 < access["database_ms"] <= access["duration_ms"]
    assert "%s" in last["statement"]
    assert "the-secret-title" not in json.dumps(told)


@pytest.mark.usefixtures("all_are_slow")
def test_what_psycopg_has_composed_is_told_by_its_kind(orm: None, lines: Any) -> None:
    from psycopg import sql

    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {}").format(sql.Literal("the-secret-title")))

    assert [line["statement"] for line in slow(lines)][-1] == "Composed"


def test_pages_carry_the_request_id_and_strangers_no_user(client_of_pages: Client, lines: Any) -> None:
    answer = client_of_pages.get("/docs", headers={"X-Request-ID": "req-10"})

    [line] = [line for line in lines.read() if line["event"] == "request"]
    assert answer.headers["X-Request-ID"] == line["request_id"] == "req-10"
    assert line["route"] == "/docs"
    assert "user_id" not in line


@pytest.fixture
def client_of_pages(orm: None) -> Client:
    return Client()
