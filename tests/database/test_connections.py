"""Connections that break, hang or cannot be made: what a request is told, how soon, and how the pool is well again.

The application runs in this process, and reaches its real PostgreSQL through a gate that can be barred.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import pytest_asyncio
from django.test import override_settings

from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.postgres.gates import Gate
from todoproject.database.client import connecting
from todoproject.database.client.pool import pool
from todoproject.database.errors import worth_another_try

pytestmark = pytest.mark.faults

QUICK = {"DATABASE_STATEMENT_TIMEOUT": 2, "DATABASE_POOL_TIMEOUT": 2, "DATABASE_CONNECT_TIMEOUT": 6}
SLACK = 4  # for a busy machine


@pytest_asyncio.fixture
async def gate(app: httpx.ASGITransport) -> AsyncIterator[Gate]:
    """The application's pool, opened anew through a gate, with timeouts that a test can wait for."""
    parameters = await connecting.parameters()
    await pool.close()
    async with Gate() as gate:
        through = {**parameters, "host": "127.0.0.1", "port": gate.port}
        with (
            override_settings(**QUICK),
            patch.object(connecting, "parameters", return_value=through),
        ):
            await pool.open()
            yield gate
            await pool.close()
    await pool.open()


async def many(person: Person, count: int = 8) -> list[httpx.Response]:
    return list(await asyncio.gather(*(person.http.get("/v1/tasks") for _ in range(count))))


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def timed(request: Any) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return await request, time.monotonic() - started


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come true soon."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never comes true")


async def titles(person: Person) -> list[str]:
    return [task["title"] for task in (await person.http.get("/v1/tasks?sort=created_at")).json()["items"]]


async def assert_well(person: Person) -> None:
    """Hold the application to answering everybody, after a moment for tries that began before it was mended."""
    for _ in range(10):
        if statuses(await many(person, 20)) == {200: 20}:
            return
    raise AssertionError("it is not well again")


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the API has logged as the true cause."""
    return [record.reason for record in caplog.records if record.name == "todoproject.api"]  # type: ignore[attr-defined]


async def assert_flat(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """Hold the number of connections to the pool's size, after what was given up is closed."""
    caplog.clear()  # pytest keeps the records, these their exceptions, and those the connections
    for _ in range(200):
        if gate.connections <= 8:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{gate.connections} connections")


# --- A database that is away ----------------------------------------------------------------------


async def test_first_dead_connection_takes_the_others_along(gate: Gate, alice: Person) -> None:
    assert statuses(await many(alice)) == {200: 8}
    await asyncio.sleep(0.2)  # the pool grows in the background
    made = len(gate.opened_at)
    assert made > 2

    gate.cut_all()
    await asyncio.sleep(0.05)
    answers = await many(alice, 16)

    assert statuses(answers) == {200: 16}
    assert len(gate.opened_at) - made <= 8  # the pool is full once more, and none of the new ones was dropped


async def test_waking_database_is_waited_for_and_answers_at_once(gate: Gate, alice: Person) -> None:
    """Longer than a request waits for a connection that others use, and with failures on the way."""
    await many(alice)
    gate.manner, gate.complaint = "refuse", ("XX000", "Couldn't connect to compute node")
    gate.cut_all()
    await asyncio.sleep(0.05)

    async def wake() -> float:
        await asyncio.sleep(3.5)
        gate.manner = "forward"
        return time.monotonic()

    woken, answers = await asyncio.gather(wake(), many(alice))

    assert statuses(answers) == {200: 8}
    assert time.monotonic() - woken < 2


async def test_database_that_was_away_for_long_is_found_again_at_once(gate: Gate, alice: Person) -> None:
    """Until long after psycopg_pool has given up; with requests coming all the while, so that its waits are long."""
    await many(alice)
    gate.manner, gate.complaint = "refuse", ("57P03", "the database system is shutting down")
    gate.cut_all()
    ended = time.monotonic() + 9
    seen: Counter[int] = Counter()
    while time.monotonic() < ended:
        seen += statuses(await many(alice, 2))
    gate.manner = "forward"

    answer, seconds = await timed(alice.http.get("/v1/tasks"))

    assert set(seen) == {503}
    assert (answer.status_code, seconds < 2) == (200, True), seconds


async def test_503_comes_in_time_and_the_log_has_the_true_cause(
    gate: Gate, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    gate.manner, gate.complaint = "refuse", ("53300", "sorry, too many clients already")
    gate.cut_all()
    await asyncio.sleep(0.05)

    with caplog.at_level(logging.WARNING, "todoproject.api"):
        answer, seconds = await timed(alice.http.get("/v1/tasks"))

    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert "too many clients" not in answer.text
    assert seconds < QUICK["DATABASE_CONNECT_TIMEOUT"] + SLACK
    assert any("too many clients already" in reason for reason in reasons(caplog))


async def test_log_tells_a_pool_that_is_full_from_a_database_that_is_away(
    gate: Gate, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(DATABASE_POOL_SIZE=1):
        await pool.close()
        await pool.open()
        await alice.task()
        with (
            connect(autocommit=False) as other,
            caplog.at_level(logging.WARNING, "todoproject.api"),
            override_settings(DATABASE_STATEMENT_TIMEOUT=10),
        ):
            other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
            writing = asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "Waits"}))
            await asyncio.sleep(0.1)
            with override_settings(DATABASE_POOL_TIMEOUT=0.5):
                answer = await alice.http.get("/v1/tasks")
            other.rollback()
            assert (await writing).status_code == 201

    assert answer.status_code == 503
    assert any("are in use" in reason for reason in reasons(caplog))


async def test_large_requests_take_turns_and_leave_connections_to_others(
    gate: Gate, alice: Person, bob: Person, client: httpx.AsyncClient
) -> None:
    operations = [{"op": "create", "data": {"title": f"{number}: {'x' * 50}"}} for number in range(100)]
    with override_settings(DATABASE_POOL_SIZE=4, DATABASE_STATEMENT_TIMEOUT=20, DATABASE_POOL_TIMEOUT=10):
        await pool.close()
        await pool.open()
        await alice.task()
        with connect(autocommit=False) as other:
            other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
            batches = [
                asyncio.create_task(alice.http.post("/v1/tasks/batch", json={"operations": operations}))
                for _ in range(8)
            ]
            await until(lambda: pool.standing()["pool_waiting"] == 6)
            answer, seconds = await timed(bob.http.get("/v1/tasks"))
            assert (answer.status_code, seconds < SLACK) == (200, True)
            # Without a token nobody waits, however much they send.
            nobody, seconds = await timed(client.post("/v1/auth/login", json={"email": "x" * 5000, "password": "x"}))
            assert (nobody.status_code, seconds < SLACK) == (422, True)
            assert not any(batch.done() for batch in batches)
            other.rollback()
        answers = await asyncio.gather(*batches)

    assert statuses(answers) == {200: 8}
    assert pool.standing()["pool_waiting"] == 0


async def test_waiting_for_a_turn_and_then_for_a_connection_takes_no_longer_than_one_of_them(
    gate: Gate, alice: Person, bob: Person, charlie: Person, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"operations": [{"op": "create", "data": {"title": "x" * 50}}] * 100}
    with override_settings(DATABASE_POOL_SIZE=1, DATABASE_STATEMENT_TIMEOUT=20, DATABASE_POOL_TIMEOUT=1):
        await pool.close()
        await pool.open()
        for person in (alice, bob, charlie):  # of each it is known now whose writes they are
            await person.task()
        with connect(autocommit=False) as other, caplog.at_level(logging.WARNING, "todoproject.api"):
            other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
            # It waits for its owner for two seconds, and has the one connection meanwhile.
            small = asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "Has the connection"}))
            await until(lambda: pool.standing()["pool_idle"] == 0)
            first = asyncio.create_task(timed(bob.http.post("/v1/tasks/batch", json=body)))
            await asyncio.sleep(0.25)
            second = asyncio.create_task(timed(charlie.http.post("/v1/tasks/batch", json=body)))
            (one, _), (two, seconds) = await first, await second
            other.rollback()
            assert (await small).status_code == 201

    assert (one.status_code, two.status_code) == (503, 503)
    assert seconds < 1.5  # 0.75 for its turn, and the rest for a connection
    assert sum("are in use" in reason for reason in reasons(caplog)) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("28P01", 'password authentication failed for user "todo"'),
        ("XX000", "The requested endpoint could not be found, or you don't have access to it."),
        ("XX000", "The endpoint has been disabled. Enable it using Neon API and retry."),
        ("XX000", "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits."),
    ],
)
async def test_what_only_a_person_can_mend_is_told_soon_and_not_tried_again_and_again(
    gate: Gate, alice: Person, code: str, message: str
) -> None:
    gate.manner, gate.complaint = "refuse", (code, message)
    gate.cut_all()
    await asyncio.sleep(0.05)
    await alice.http.get("/v1/tasks")
    tried = len(gate.opened_at)

    answer, seconds = await timed(alice.http.get("/v1/tasks"))

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert seconds < 1
    assert len(gate.opened_at) - tried <= 3
    gate.manner = "forward"
    await assert_well(alice)


# --- A database that says nothing -----------------------------------------------------------------


async def test_half_open_connections_cost_one_timeout_and_are_dropped_together(
    gate: Gate, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    await many(alice)
    gate.is_silent, gate.manner = True, "hold"

    answers, seconds = await timed(many(alice))

    assert statuses(answers) == {503: 8}
    assert seconds < QUICK["DATABASE_STATEMENT_TIMEOUT"] + SLACK
    gate.is_silent, gate.manner = False, "forward"
    answer, seconds = await timed(alice.http.get("/v1/tasks"))
    assert answer.status_code == 200
    assert seconds < QUICK["DATABASE_CONNECT_TIMEOUT"] + SLACK  # an attempt that began in the silence is waited for
    await assert_well(alice)
    await assert_flat(gate, caplog)


async def test_database_that_accepts_and_never_answers(
    gate: Gate, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    await many(alice)
    gate.manner = "hold"
    gate.cut_all()
    await asyncio.sleep(0.05)

    answers, seconds = await timed(many(alice, 20))

    assert statuses(answers) == {503: 20}
    assert seconds < QUICK["DATABASE_CONNECT_TIMEOUT"] + SLACK
    await assert_flat(gate, caplog)
    gate.manner = "forward"
    began = time.monotonic()
    while (await alice.http.get("/v1/tasks")).status_code != 200:
        assert time.monotonic() - began < QUICK["DATABASE_CONNECT_TIMEOUT"]
    await assert_well(alice)
    await assert_flat(gate, caplog)


# --- Writes whose connection breaks ---------------------------------------------------------------


async def test_write_whose_answer_is_lost_is_not_repeated_and_its_client_is_told(gate: Gate, alice: Person) -> None:
    await alice.task("first")
    gate.swallows = b"Unacknowledged"

    answer = await alice.http.post("/v1/tasks", json={"title": "Unacknowledged"})

    assert (answer.status_code, answer.json()["code"]) == (503, "outcome-unknown")
    assert await titles(alice) == ["first", "Unacknowledged"]


async def test_write_that_is_never_answered_is_told_as_unknown(gate: Gate, alice: Person) -> None:
    await alice.task("first")
    gate.is_silent, gate.manner = True, "hold"

    answer = await alice.http.post("/v1/tasks", json={"title": "Unacknowledged"})

    gate.is_silent, gate.manner = False, "forward"
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome-unknown")


async def test_write_whose_connection_is_dead_before_it_is_sent_is_simply_done(gate: Gate, alice: Person) -> None:
    await many(alice)
    gate.cut_all()
    await asyncio.sleep(0.05)

    await alice.task("once")

    assert await titles(alice) == ["once"]


async def test_repeatable_write_and_read_are_repeated(gate: Gate, alice: Person) -> None:
    task = await alice.task("Milk")
    gate.swallows = b'"is_completed":true'

    completed = await alice.http.post(f"/v1/tasks/{task['id']}/complete")
    gate.swallows = b'"is_completed":true'
    read = await alice.http.get(f"/v1/tasks/{task['id']}")

    assert (completed.status_code, read.status_code) == (200, 200)
    assert read.json()["version"] == 2


@pytest.mark.parametrize("lost", [b"COMMIT", b"Once"])
async def test_idempotency_key_makes_a_lost_write_safe_to_repeat(gate: Gate, alice: Person, lost: bytes) -> None:
    """Whether its COMMIT or an earlier answer is lost: it is done once, and the client gets the answer it wanted."""
    await alice.task("first")
    gate.swallows = lost

    answer = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers={"Idempotency-Key": uuid.uuid4().hex})

    assert gate.swallows is None
    assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (
        201,
        "true" if lost == b"COMMIT" else None,
    )
    assert await titles(alice) == ["first", "Once"]


async def test_batch_whose_commit_is_lost_is_told_as_unknown(gate: Gate, alice: Person) -> None:
    await alice.task("first")
    gate.swallows = b"COMMIT"

    answer = await alice.http.post(
        "/v1/tasks/batch", json={"operations": [{"op": "create", "data": {"title": title}} for title in "ab"]}
    )

    assert (answer.status_code, answer.json()["code"]) == (503, "outcome-unknown")
    assert await titles(alice) == ["first", "a", "b"]


# --- What is worth another try --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  sorry, too many clients already", True),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", True),
        ('FATAL:  too many connections for role "todo"', True),
        ("FATAL:  terminating connection due to administrator command", True),
        ("ERROR:  Couldn't connect to compute node", True),
        ("ERROR:  Control plane request failed", True),
        ("ERROR:  Too many connections attempts", True),
        ("FATAL:  server login has been failing, try again later (server_login_retry)", True),
        ("failed to resolve host 'ep-a': [Errno -3] Temporary failure in name resolution", True),
        ("connection timeout expired", True),
        ("SSL error: unexpected eof while reading", True),
        ('FATAL:  password authentication failed for user "todo"', False),
        ('FATAL:  database "todo" does not exist', False),
        ("ERROR:  The requested endpoint could not be found, or you don't have access to it", False),
        ("ERROR:  The endpoint has been disabled. Enable it using Neon API and retry.", False),
        ("ERROR:  Your account or project has exceeded the compute time quota", False),
        ("SSL error: certificate verify failed", False),
        ('server certificate for "a" does not match host name "b"', False),
        ("failed to resolve host 'ep-a': [Errno -2] Name or service not known", False),
    ],
)
def test_failure_to_connect_is_known_by_its_text(reason: str, passes: bool) -> None:
    assert worth_another_try(f"connection failed: {reason}") is passes
