"""The fence around a user's data, and the one round trip that every request takes."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import httpx
import psycopg
import pytest
import pytest_asyncio
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from accounts import tokens
from tests.environment import FOLDER
from tests.support.people import Person, session_at
from tests.support.postgres.databases import connect
from tests.support.postgres.wire import Wire
from tests.support.processes.servers import Server
from todoproject.database import embedded, errors
from todoproject.database.client import connecting
from todoproject.database.client.command import Command
from todoproject.database.client.pool import Pool, pool
from todoproject.database.client.statement import Credentials, Rows, Statement


async def run_as(person: Person, query: str, through: Pool = pool, **parameters: Any) -> Rows:
    """Send raw SQL through the request unit with somebody's token."""
    statement = Statement.fenced(query, scope="tasks:write")
    return await through.execute(statement, parameters, Credentials(tokens.digest(person.token)))


# --- Raw SQL behind the fence ---------------------------------------------------------------------


async def test_select_without_a_condition_sees_only_ones_own(alice: Person, bob: Person) -> None:
    mine = await alice.task("mine")
    await bob.task("not hers")

    rows = await run_as(alice, "SELECT id FROM tasks")

    assert [rows.text(row, 0) for row in range(len(rows))] == [mine["id"]]


async def test_update_without_a_condition_touches_only_ones_own(alice: Person, bob: Person) -> None:
    await alice.task("mine")
    theirs = await bob.task("not hers")

    await run_as(alice, "UPDATE tasks SET title = 'changed'")

    assert (await bob.http.get(f"/v1/tasks/{theirs['id']}")).json() == theirs
    assert [task["title"] for task in (await alice.http.get("/v1/tasks")).json()["items"]] == ["changed"]


async def test_insert_for_somebody_else_is_refused(alice: Person, bob: Person) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        await run_as(
            alice,
            "INSERT INTO tasks (id, user_id, title, description, is_completed, priority)"
            " VALUES (gen_random_uuid(), %(user)s, 'planted', '', false, 0)",
            user=bob.id,
        )

    assert (await bob.http.get("/v1/tasks")).json()["items"] == []


async def test_task_cannot_be_given_away(alice: Person, bob: Person) -> None:
    task = await alice.task()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await run_as(alice, "UPDATE tasks SET user_id = %(user)s WHERE id = %(id)s", user=bob.id, id=task["id"])


async def test_task_cannot_be_given_away_by_the_owner_of_the_table_either(alice: Person, bob: Person) -> None:
    task = await alice.task()

    with connect() as connection, pytest.raises(psycopg.errors.IntegrityError) as caught:
        connection.execute("UPDATE tasks SET user_id = %s WHERE id = %s", [bob.id, task["id"]])

    assert caught.value.diag.constraint_name == "tasks_owner_fixed"


@pytest.mark.parametrize("column", ["version", "change_no", "created_at", "updated_at"])
async def test_books_cannot_be_written_by_the_api(alice: Person, column: str) -> None:
    await alice.task()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await run_as(alice, f"UPDATE tasks SET {column} = DEFAULT")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT email FROM users",
        "SELECT digest FROM access_tokens",
        "UPDATE users SET is_staff = true",
        "DELETE FROM tasks",
        "TRUNCATE tasks",
        "SELECT session_data FROM django_session",
        "SELECT open_request('\\x00', null)",
        "SELECT email FROM email_links",
        "SELECT own_password()",
        "SELECT change_password('a', 'b', true)",
        "SELECT change_email('a', 'b', 'c')",
        "SELECT logout_everywhere(true)",
        "SELECT give_back_attempt('{}', '{}', '{}')",
        "SELECT reset_password('a', 'b', true)",
        "SELECT erase_account('a')",
        "CREATE TABLE todo.trap (id int)",
    ],
)
async def test_role_of_the_api_may_do_nothing_else(alice: Person, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await run_as(alice, query)


async def test_account_role_reads_neither_passwords_nor_digests_nor_other_accounts(alice: Person, bob: Person) -> None:
    credentials = Credentials(tokens.digest(alice.token))

    async def run(query: str) -> Rows:
        return await pool.execute(
            Statement.fenced(query, scope="account", role="todo_account"), credentials=credentials
        )

    emails = await run("SELECT email FROM users")
    assert [emails.text(row, 0) for row in range(len(emails))] == [alice.email]
    owners = await run("SELECT DISTINCT user_id FROM access_tokens")
    assert [owners.text(row, 0) for row in range(len(owners))] == [alice.id]
    for query in (
        "SELECT password FROM users",
        "SELECT digest FROM access_tokens",
        "SELECT title FROM tasks",
        "SELECT email FROM email_links",
        "SELECT reset_password('a', 'b', true)",
        "SELECT end_tokens(gen_random_uuid(), null, true)",
        "SELECT erase_owned(gen_random_uuid())",
        "UPDATE users SET password = 'x'",
        "DELETE FROM users",
        "SELECT title FROM search_tasks('milk')",
        "SELECT owner_today()",
        "UPDATE users SET is_staff = true",
        "UPDATE access_tokens SET scopes = '{account}'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await run(query)


# --- One round trip -------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def wire(app: httpx.ASGITransport) -> AsyncIterator[Wire]:
    """The application's pool, opened anew through a proxy that counts."""
    parameters = await connecting.parameters()
    await pool.close()
    async with Wire(embedded.socket_directory(FOLDER / "postgres")) as wire:
        with patch.object(connecting, "parameters", return_value={**parameters, "host": str(wire.directory)}):
            await pool.open()
            yield wire
            await pool.close()
    await pool.open()


async def test_every_operation_is_one_round_trip(wire: Wire, alice: Person) -> None:
    task = await alice.task()
    path = f"/v1/tasks/{task['id']}"
    home = await alice.list()
    token = (await alice.http.get("/v1/tokens/current")).json()
    calls: dict[str, tuple[str, str, dict[str, Any] | None]] = {
        "get": ("GET", path, None),
        "list": ("GET", "/v1/tasks", None),
        "everything a list can do": (
            "GET",
            "/v1/tasks?q=milk&overdue=false&due_after=2026-01-01&sort=title&include=total&priority=none",
            None,
        ),
        "list by label": ("GET", "/v1/tasks?label=errand&label=home", None),
        "list of a list": ("GET", f"/v1/tasks?list_id={home['id']}", None),
        "list of the inbox": ("GET", "/v1/tasks?list_id=null&parent_id=null", None),
        "list of subtasks": ("GET", f"/v1/tasks?parent_id={task['id']}", None),
        "list by position": ("GET", "/v1/tasks?sort=position", None),
        "list by all of these": (
            "GET",
            f"/v1/tasks?label=errand&list_id={home['id']}&parent_id={task['id']}&sort=priority,-due,position",
            None,
        ),
        "lists": ("GET", "/v1/lists", None),
        "labels": ("GET", "/v1/labels", None),
        "statistics": ("GET", "/v1/me/statistics", None),
        "create": ("POST", "/v1/tasks", {"title": "Another"}),
        "create with everything": (
            "POST",
            "/v1/tasks",
            {"title": "More", "list_id": home["id"], "labels": ["errand"], "starts_on": "2026-12-01"},
        ),
        "update": ("PATCH", path, {"title": "Changed"}),
        "empty update": ("PATCH", path, {}),
        "complete": ("POST", f"{path}/complete", None),
        "reopen": ("POST", f"{path}/reopen", None),
        "delete": ("DELETE", path, None),
        "restore": ("POST", f"{path}/restore", None),
        "me": ("GET", "/v1/me", None),
        "tokens": ("GET", "/v1/tokens", None),
        "new token": ("POST", "/v1/tokens", {"name": "script", "scopes": ["account"]}),
        "rotate": ("POST", f"/v1/tokens/{token['id']}/rotate", None),
    }
    await asyncio.sleep(0.2)  # the pool fills itself in the background

    for name, (method, url, body) in calls.items():
        wire.reset()
        response = await alice.http.request(method, url, json=body)
        assert response.is_success, (name, response.text)
        # One Sync there, one ReadyForQuery back, and nothing else asked.
        assert (wire.sent["S"], wire.sent["Q"], wire.received["Z"]) == (1, 0, 1), name


async def test_a_precondition_costs_no_second_round_trip(wire: Wire, alice: Person) -> None:
    task = await alice.task()
    path, body = f"/v1/tasks/{task['id']}", {"title": "Changed"}
    calls: list[tuple[str, str, dict[str, Any] | None, str, str, int]] = [
        ("GET", path, None, "If-None-Match", '"1"', 304),
        ("PUT", f"/v1/tasks/{alice.id}", body, "If-None-Match", "*", 201),
        ("PUT", f"/v1/tasks/{alice.id}", body, "If-None-Match", "*", 412),
        ("PUT", path, body, "If-Match", '"1"', 200),
        ("PUT", path, body, "If-Match", '"1"', 412),
        ("PATCH", path, body, "If-Match", '"1"', 412),
        ("POST", f"{path}/complete", None, "If-Match", '"2"', 200),
        ("DELETE", path, None, "If-Match", '"2"', 412),
        ("DELETE", f"/v1/tasks/{alice.id[:-4]}0000", None, "If-Match", '"2"', 404),
    ]
    await asyncio.sleep(0.2)  # the pool fills itself in the background

    for method, url, document, header, value, status in calls:
        wire.reset()
        response = await alice.http.request(method, url, json=document, headers={header: value})
        assert response.status_code == status, response.text
        assert (wire.sent["S"], wire.sent["Q"], wire.received["Z"]) == (1, 0, 1), (method, url)


# --- Revocation -----------------------------------------------------------------------------------


def test_revoked_token_fails_on_the_very_next_request_of_another_process(server: Server) -> None:
    headers = server.account()
    with Server() as other, httpx.Client() as http:
        assert http.get(f"{other.url}/v1/tasks", headers=headers).status_code == 200

        assert http.post(f"{server.url}/v1/auth/logout", headers=headers).status_code == 204

        assert http.get(f"{other.url}/v1/tasks", headers=headers).status_code == 401


# --- No threads, no synchronous ORM ---------------------------------------------------------------


async def test_requests_start_no_thread_and_touch_no_synchronous_orm(alice: Person) -> None:
    async def everything() -> list[int]:
        task = await alice.task()
        path = f"/v1/tasks/{task['id']}"
        calls = [
            alice.http.get(path),
            alice.http.get("/v1/tasks"),
            alice.http.patch(path, json={"title": "Changed"}),
            alice.http.post(f"{path}/complete"),
            alice.http.get(f"/v1/tasks/{alice.id}"),  # 404
            alice.http.post("/v1/tasks", json={}),  # 422
            alice.http.post("/v1/tasks", content=b"{"),  # 415
            alice.http.get("/v1/nothing"),  # 404 of the resolver
            alice.http.post(path),  # 405
            alice.http.get("/v1/tasks", headers={"Authorization": "Bearer nonsense"}),  # 401
            alice.http.get("/v1/openapi.json"),
            alice.http.get("/health"),
            alice.http.delete(path),
        ]
        return [(await call).status_code for call in calls]

    await everything()  # what is compiled once is compiled now
    with (
        patch.object(threading.Thread, "start", side_effect=AssertionError("a thread was started")),
        patch.object(CursorWrapper, "execute", side_effect=AssertionError("the synchronous ORM was used")),
    ):
        statuses = await everything()

    assert statuses == [200, 200, 200, 200, 404, 422, 415, 404, 405, 401, 200, 200, 204]


# --- Clients that leave ---------------------------------------------------------------------------


def _send(server: Server, token: str, body: bytes, length: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(
        f"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
        + body
    )
    return client


def _titles(server: Server, token: str) -> list[str]:
    answer = httpx.get(f"{server.url}/v1/tasks", headers={"Authorization": f"Bearer {token}"})
    return [task["title"] for task in answer.json()["items"]]


def _register(server: Server) -> tuple[str, str]:
    session = session_at(server.url)
    return session["user"]["id"], session["token"]


def test_client_that_leaves_in_the_middle_of_its_body_writes_nothing(server: Server) -> None:
    _, token = _register(server)

    _send(server, token, b'{"title": "Half"', length=100).close()

    assert httpx.get(f"{server.url}/health").status_code == 200
    assert _titles(server, token) == []


def test_client_that_leaves_during_the_write_leaves_a_whole_write(server: Server) -> None:
    """The owner's row is locked, so that the write is under way when the client goes; then it is let through."""
    user_id, token = _register(server)
    body = json.dumps({"title": "Whole", "priority": "high"}).encode()

    with connect(embedded.DATABASE) as connection:
        connection.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [user_id])
        client = _send(server, token, body, length=len(body))
        _wait_for_lock_queue()
        client.close()
        connection.rollback()

    for _ in range(100):
        if _titles(server, token):
            break
    assert _titles(server, token) == ["Whole"]
    with connect(embedded.DATABASE) as connection:
        counted = connection.execute("SELECT change_no FROM users WHERE id = %s", [user_id]).fetchone()
        tasks = connection.execute("SELECT version, change_no FROM tasks WHERE user_id = %s", [user_id]).fetchall()
    assert (counted, tasks) == ((1,), [(1, 1)])


def _wait_for_lock_queue() -> None:
    with connect(embedded.DATABASE, autocommit=True) as connection:
        for _ in range(1000):
            waiting = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone()
            if waiting != (0,):
                return
    raise AssertionError("no write waits for the lock")


# --- One identity after the other -----------------------------------------------------------------


@pytest_asyncio.fixture
async def single(app: httpx.ASGITransport) -> AsyncIterator[Pool]:
    """A pool of one connection, so that everybody comes after somebody on it."""
    from django.test import override_settings

    single = Pool()
    with override_settings(DATABASE_POOL_SIZE=1):
        await single.open()
    yield single
    await single.close()


_WHO = Statement(
    None,
    Command.parse(
        "SELECT current_setting('app.user_id', true), current_setting('app.token_id', true), current_user,"
        " pg_backend_pid(), pg_current_xact_id_if_assigned()"
    ),
    repeatable=True,
    is_fenced=False,
)


async def _who(through: Pool) -> tuple[Any, ...]:
    rows = await through.execute(_WHO)
    return tuple(rows.value(0, column) for column in range(4))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT 1/0",
        "SELECT nothing",
        "syntax error",
        "SELECT pg_sleep(0); SELECT 1/0",
        "INSERT INTO tasks (id, user_id, title, description, is_completed, priority)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), '', '', false, 9)",
        "SELECT set_config('app.user_id', '00000000-0000-0000-0000-000000000000', true)",
    ],
)
async def test_nothing_of_an_identity_is_left_on_the_connection(single: Pool, alice: Person, query: str) -> None:
    login = sql.Identifier(embedded.OWNER).as_string(None).strip('"').encode()
    pid = (await _who(single))[3]

    with contextlib.suppress(psycopg.Error, errors.DatabaseError):
        await run_as(alice, query, through=single)

    user_id, token_id, role, same_pid = await _who(single)
    assert (user_id or b"", token_id or b"", role, same_pid) == (b"", b"", login, pid)


async def test_two_people_alternate_on_one_connection(single: Pool, alice: Person, bob: Person) -> None:
    await alice.task("Alice's")
    await bob.task("Bob's")

    for person, title in [(alice, b"Alice's"), (bob, b"Bob's")] * 20:
        rows = await run_as(person, "SELECT title FROM tasks", through=single)
        assert [rows.value(row, 0) for row in range(len(rows))] == [title]


async def test_transaction_left_open_by_a_statement_is_not_inherited(single: Pool, alice: Person) -> None:
    await run_as(alice, "BEGIN", through=single)

    user_id, _, role, _ = await _who(single)

    assert (user_id or b"", role) == (b"", embedded.OWNER.encode())


async def test_number_of_changes_never_goes_back(alice: Person) -> None:
    """A user who was read before a task was written, and is saved whole after it, brings an old number along."""
    await alice.task()

    with connect(autocommit=True) as connection:
        connection.execute("UPDATE users SET change_no = 0, timezone = 'Europe/Berlin' WHERE id = %s", [alice.id])
        kept = connection.execute("SELECT change_no, timezone FROM users WHERE id = %s", [alice.id]).fetchone()

    assert kept == (1, "Europe/Berlin")
