"""Logs: one JSON object a line, the request's context in each, and no secret in any."""

import json
import logging
import time
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts import tokens
from accounts.queries.account import Confirmed
from tests.support.http.operations import Operation, operations
from tests.support.people import PASSWORD, Person
from tests.support.processes.servers import Server
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement
from todoproject.mail.outbox import Mail
from todoproject.observability import logs


async def test_access_line_names_request_user_route_and_times(alice: Person, lines: Any) -> None:
    task = await alice.task()

    await alice.http.get(f"/v1/tasks/{task['id']}", headers={"X-Request-ID": "req-7"})

    line = lines.read()[-1]
    assert (
        line
        | {
            "level": "INFO",
            "logger": "todoproject.access",
            "event": "request",
            "request_id": "req-7",
            "user_id": alice.id,
            "method": "GET",
            "route": "/v1/tasks/{task_id}",
            "status": 200,
        }
        == line
    )
    assert 0 < line["database_ms"] <= line["duration_ms"]


async def test_every_wait_for_the_database_counts_to_the_request_once(alice: Person) -> None:
    """A transaction asks in five ways; what one of them forgot would seem our own time."""
    look, who = Statement.fenced("SELECT pg_sleep(0.01)::text", scope=None), Credentials(tokens.digest(alice.token))
    current = logs.RequestContext("req-7")
    before = logs.context.set(current)
    try:
        async with pool.transaction() as transaction:
            for way in (
                lambda: pool.execute(look, credentials=who),
                lambda: transaction.execute(look, credentials=who),
                lambda: transaction.execute_each([(look, {})], who, keep_going=False),
                lambda: transaction.command("SAVEPOINT mine"),
                transaction.end_trial,
            ):
                counted, began = current.database_seconds, time.perf_counter()
                await way()
                assert 0 < current.database_seconds - counted <= time.perf_counter() - began, way
    finally:
        logs.context.reset(before)


OF_A_TASK = [one for one in operations() if one.method != "GET" and "task_id" in one.parameters("path")]


@pytest.mark.parametrize("operation", OF_A_TASK, ids=lambda operation: operation.id)
async def test_every_write_of_a_task_names_it(alice: Person, lines: Any, operation: Operation) -> None:
    recurs = {"due_on": "2027-01-04", "recurrence": {"rule": "FREQ=DAILY"}} if operation.id == "skip_task" else {}
    task = await alice.task(**recurs)
    path = operation.path.replace("{task_id}", task["id"])

    answer = await alice.http.request(operation.method, path, json=operation.body, headers={"If-Match": "*"})

    assert answer.is_success, answer.text
    made, line = lines.read()
    assert [(line["route"], line["task_id"]) for line in (made, line)] == [
        ("/v1/tasks", task["id"]),
        (operation.path, task["id"]),
    ]


async def test_no_secret_is_ever_logged(alice: Person, client: httpx.AsyncClient, lines: Any) -> None:
    secret = "the-secret-title"
    await alice.task(secret, description=secret)
    await alice.http.post("/v1/tasks", json={"title": 5, secret: 1})
    await alice.http.get("/v1/tasks", params={"cursor": secret})
    await alice.http.get("/v1/nothing/" + secret)
    await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})
    await client.post("/v1/auth/login", json={"email": alice.email, "password": secret})

    logged = json.dumps(lines.read())

    assert "request" in logged
    for text in (secret, alice.token, PASSWORD, alice.email):
        assert text not in logged


@pytest.mark.parametrize(
    "holder",
    [Credentials(b"hidden"), Confirmed("hidden", "hidden"), Mail("kind", "hidden", "hidden", "hidden")],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_a_secret_does_not_show_it(holder: object) -> None:
    """The message of an error may quote it whole, and that is logged."""
    assert "hidden" not in repr(holder)


async def test_crash_is_logged_once_with_its_request(
    alice: Person, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("why")

    monkeypatch.setattr("tasks.queries.get", broken)

    answer = await alice.http.get(f"/v1/tasks/{alice.id}")

    errors = [line for line in lines.read() if line["level"] == "ERROR"]
    assert [line["request_id"] for line in errors] == [answer.headers["X-Request-ID"]]
    assert "RuntimeError: why" in errors[0]["exception"]


def test_server_tells_its_start_and_end_as_json(server: Server) -> None:
    with Server() as other:
        httpx.get(f"{other.url}/v1/tasks")
        other.stop()
        events = [json.loads(line) for line in other.log.splitlines() if line.startswith("{")]

    assert [(line["event"], line.get("status")) for line in events if line.get("route") != "/health/live"] == [
        ("started", None),
        ("request", 401),
        ("stopped", None),
    ]


def test_console_format_is_one_readable_line() -> None:
    record = logging.makeLogRecord({"msg": "request", "levelname": "WARNING", "status": 503})

    assert "WARNING request" in logs.ConsoleFormatter().format(record)
    assert "status=503" in logs.ConsoleFormatter().format(record)


@pytest.mark.parametrize("asked", ["is_staff__exact=1", "_to_field=id2"])
def test_what_staff_look_for_is_in_no_line_of_djangos_own(staff: Client, lines: Any, asked: str) -> None:
    answer = staff.get(f"/admin/tasks/task/?q=divorce+papers&{asked}")

    assert answer.status_code == 400
    assert [line for line in lines.read() if line["logger"].startswith("django.security")]
    assert "divorce" not in json.dumps(lines.read())
