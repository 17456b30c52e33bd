"""Races that are made certain: the row is held by another connection until all wait for it, then let go."""

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any

import httpx
from django.conf import settings
from django.test import Client

from accounts import tokens
from tests.product.test_owner_first import NEW, belongings
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue
from tests.support.staff import root_client
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement

# --- Staff ----------------------------------------------------------------------------------------


def _act(client: Client, path: str, **data: Any) -> int:
    from django.db import connection

    try:
        return client.post(path, data).status_code
    finally:
        connection.close()


async def test_staff_who_wait_for_an_owner_hold_nothing_of_theirs(orm: None, alice: Person) -> None:
    """A change of one task, an action on a list, and what ends somebody's tokens."""
    task, _ = await belongings(alice)
    with connect(autocommit=True) as looker:
        ask = "SELECT key, version FROM tasks WHERE user_id = %s"
        ((key, version),) = looker.execute(ask, [alice.id]).fetchall()
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "/admin/tasks/task/",
            {"action": "complete", "_selected_action": [str(key)], "index": "0", f"_seen-{key}": str(version)},
        ),
        (f"/admin/accounts/user/{alice.id}/do/revoke-tokens/", {}),
        (f"/admin/accounts/user/{alice.id}/do/deactivate/", {}),
    ]
    client = await asyncio.to_thread(_staff)
    for path, data in calls:
        with connect() as holder, connect(autocommit=True) as looker:
            holder.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])
            request = asyncio.create_task(asyncio.to_thread(_act, client, path, **data))
            await lock_queue(1)
            for table, count in (("tasks", 1), ("access_tokens", 2)):
                free = looker.execute(f"SELECT FROM {table} WHERE user_id = %s FOR UPDATE SKIP LOCKED", [alice.id])
                assert len(free.fetchall()) == count, f"{path}: {table} held while it waits for the owner"
            holder.rollback()
        assert await request == 302
    assert task["version"] == 1


def _staff() -> Client:
    from django.db import connection

    client = root_client()
    connection.close()
    return client


# --- One owner's share of the connections ----------------------------------------------------------


def _write(person: Person, number: int, headers: dict[str, str]) -> Awaitable[httpx.Response]:
    """Write in each of the ways that take a connection of their own."""
    if number % 3 == 0:
        return person.http.post("/v1/tasks", json={"title": "Waits"}, headers=headers)
    if number % 3 == 1:
        keyed = headers | {"Idempotency-Key": uuid.uuid4().hex}
        return person.http.post("/v1/tasks", json={"title": "Waits with a key"}, headers=keyed)
    batch = {"operations": [{"op": "create", "data": {"title": "Waits in a batch"}}]}
    return person.http.post("/v1/tasks/batch", json=batch, headers=headers)


async def test_writes_of_one_owner_hold_at_most_half_of_the_connections(alice: Person, bob: Person) -> None:
    """Whatever they are and whatever tokens they come with; others find a connection at once."""
    half = settings.DATABASE_POOL_SIZE // 2
    tokens_of_alice = [{}, await alice.token_for("tasks:write")]
    for headers in tokens_of_alice:
        assert (await _write(alice, 0, headers)).status_code == 201
    assert (await _write(bob, 0, {})).status_code == 201
    with connect() as holder, connect(autocommit=True) as looker:
        holder.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])
        waiting = [
            asyncio.ensure_future(_write(alice, number, tokens_of_alice[number % 2])) for number in range(3 * half)
        ]
        await lock_queue(half)
        answers = await asyncio.gather(*(_write(bob, number, {}) for number in range(2 * half)))
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        still_waiting = looker.execute(query).fetchone()
        holder.rollback()

    assert still_waiting == (half,)
    assert {answer.status_code for answer in answers} == {200, 201}
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200, 201}


# --- What only a held row shows -------------------------------------------------------------------


async def test_of_two_changes_of_a_password_at_once_one_is_done(alice: Person) -> None:
    def change(number: int) -> Awaitable[httpx.Response]:
        new = {"current_password": PASSWORD, "new_password": f"{NEW} {number}"}
        return alice.http.post("/v1/me/password", json=new)

    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        requests = [asyncio.ensure_future(change(number)) for number in range(2)]
        await lock_queue(2)
        holder.rollback()

    assert sorted([answer.status_code for answer in await asyncio.gather(*requests)]) == [204, 403]


async def test_session_begun_while_a_reset_waits_is_ended_by_it(alice: Person) -> None:
    with connect() as login, connect() as reset:
        reset.execute(
            "INSERT INTO email_links (id, purpose, email, digest, password, expires_at)"
            " VALUES (gen_random_uuid(), 'reset', %s, sha256('x'), '', now() + interval '1 hour')",
            [alice.email],
        )
        reset.commit()
        login.execute("UPDATE users SET last_login = now() WHERE id = %s", [alice.id])  # as every login begins
        asked = asyncio.create_task(
            asyncio.to_thread(lambda: reset.execute("SELECT reset_password(sha256('x'), 'new', false)").fetchall())
        )
        await lock_queue(1)
        login.execute(
            "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes, expires_at)"
            " VALUES (gen_random_uuid(), %s, 'session', 'login', %s, '{account}', now() + interval '1 day')",
            [alice.id, uuid.uuid4().bytes * 2],
        )
        login.commit()
        assert len(await asked) == 1
        reset.commit()
        live = reset.execute("SELECT FROM access_tokens WHERE user_id = %s AND revoked_at IS NULL", [alice.id])
        assert live.fetchall() == []


async def test_equal_keys_of_two_people_are_not_in_each_others_way(alice: Person, bob: Person) -> None:
    key = uuid.uuid4().hex
    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        request = asyncio.create_task(
            alice.http.post("/v1/tasks", json={"title": "Alice's"}, headers={"Idempotency-Key": key})
        )
        await lock_queue(1)  # it has claimed the key, and waits for Alice
        answer = await bob.http.post("/v1/tasks", json={"title": "Bob's"}, headers={"Idempotency-Key": key})
        holder.rollback()

    assert (answer.status_code, answer.json()["title"]) == (201, "Bob's")
    assert (await request).json()["title"] == "Alice's"
    await _sees_no_key_of(bob, alice)


async def _sees_no_key_of(person: Person, other: Person) -> None:
    query = "SELECT count(*) FROM idempotency_keys WHERE user_id = %(other)s"
    look = Statement.fenced(query, scope=None, role="todo_account")
    rows = await pool.execute(look, {"other": other.id}, Credentials(tokens.digest(person.token)))
    assert rows.text(0, 0) == "0"
