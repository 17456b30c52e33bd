"""Every write locks its owner's row before anything else, so that no two of them can wait for each other."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from accounts import tokens
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue
from todoproject.database import errors
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement

NEW = "a new horse battery staple"
Write = Callable[[Person, dict[str, Any], dict[str, Any]], Awaitable[httpx.Response]]


def _batch(person: Person, *operations: dict[str, Any], atomic: str) -> Awaitable[httpx.Response]:
    return person.http.post(f"/v1/tasks/batch?atomic={atomic}", json={"operations": list(operations)})


# Everything that writes what is somebody's: with their task, and with a token of theirs that is not in use.
WRITES: dict[str, Write] = {
    "create": lambda alice, task, token: alice.http.post("/v1/tasks", json={"title": "New"}),
    "create as": lambda alice, task, token: alice.http.put(
        f"/v1/tasks/{uuid.uuid4()}", json={"title": "New"}, headers={"If-None-Match": "*"}
    ),
    "create what is there": lambda alice, task, token: alice.http.put(
        f"/v1/tasks/{task['id']}", json={"title": "New"}, headers={"If-None-Match": "*"}
    ),
    "replace": lambda alice, task, token: alice.http.put(
        f"/v1/tasks/{task['id']}", json={"title": "New"}, headers={"If-Match": '"1"'}
    ),
    "patch": lambda alice, task, token: alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "New"}),
    "patch if": lambda alice, task, token: alice.http.patch(
        f"/v1/tasks/{task['id']}", json={"title": "New"}, headers={"If-Match": '"1"'}
    ),
    "complete": lambda alice, task, token: alice.http.post(f"/v1/tasks/{task['id']}/complete"),
    "reopen": lambda alice, task, token: alice.http.post(f"/v1/tasks/{task['id']}/reopen"),
    "delete": lambda alice, task, token: alice.http.delete(f"/v1/tasks/{task['id']}"),
    "restore": lambda alice, task, token: alice.http.post(f"/v1/tasks/{task['id']}/restore"),
    "batch": lambda alice, task, token: _batch(alice, {"op": "complete", "id": task["id"]}, atomic="true"),
    "batch that begins with nothing": lambda alice, task, token: _batch(
        alice, {"op": "update", "id": task["id"], "data": {}}, {"op": "delete", "id": task["id"]}, atomic="false"
    ),
    "keyed": lambda alice, task, token: alice.http.patch(
        f"/v1/tasks/{task['id']}", json={"title": "New"}, headers={"Idempotency-Key": uuid.uuid4().hex}
    ),
    "change me": lambda alice, task, token: alice.http.patch("/v1/me", json={"timezone": "Europe/Berlin"}),
    "make a token": lambda alice, task, token: alice.http.post(
        "/v1/tokens", json={"name": "script", "scopes": ["account"]}
    ),
    "rotate a token": lambda alice, task, token: alice.http.post(f"/v1/tokens/{token['id']}/rotate"),
    "revoke a token": lambda alice, task, token: alice.http.delete(f"/v1/tokens/{token['id']}"),
    "log out": lambda alice, task, token: alice.http.post("/v1/auth/logout"),
    "log out everywhere": lambda alice, task, token: alice.http.post("/v1/auth/logout-everywhere"),
    "change the e-mail": lambda alice, task, token: alice.http.post(
        "/v1/me/email", json={"password": PASSWORD, "new_email": f"new-{alice.email}"}
    ),
    "change the password": lambda alice, task, token: alice.http.post(
        "/v1/me/password", json={"current_password": PASSWORD, "new_password": NEW, "revoke_tokens": True}
    ),
    "erase": lambda alice, task, token: alice.http.request("DELETE", "/v1/me", json={"password": PASSWORD}),
}
each_write = pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))


async def belongings(alice: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a task and a token of Alice's."""
    token = await alice.http.post("/v1/tokens", json={"name": "spare", "scopes": ["tasks:read"]})
    return await alice.task(), token.json()


@each_write
async def test_who_waits_for_the_owner_holds_nothing_yet(alice: Person, write: Write) -> None:
    things = await belongings(alice)
    with connect() as holder, connect(autocommit=True) as looker:
        # What has not been used for long is noted as used, which locks it, too.
        looker.execute("UPDATE access_tokens SET last_used_at = NULL WHERE user_id = %s", [alice.id])
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        request = asyncio.ensure_future(write(alice, *things))
        await lock_queue(1)

        for table, count in (("tasks", 1), ("access_tokens", 2)):
            free = looker.execute(f"SELECT FROM {table} WHERE user_id = %s FOR UPDATE SKIP LOCKED", [alice.id])
            assert len(free.fetchall()) == count, f"{table}: held while it waits for the owner"
        holder.rollback()

    is_done = (await request).status_code in (200, 201, 204, 207)
    assert is_done is (write is not WRITES["create what is there"])


@each_write
async def test_account_that_is_erased_under_a_waiting_write_is_a_401(alice: Person, write: Write) -> None:
    things = await belongings(alice)
    with connect() as eraser:
        eraser.execute("SELECT erase_user(%s)", [alice.id])
        request = asyncio.ensure_future(write(alice, *things))
        await lock_queue(1)
        eraser.commit()

    assert (await request).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE access_tokens SET revoked_at = now() WHERE user_id = %s",
        "DELETE FROM access_tokens WHERE user_id = %s",
    ],
)
@pytest.mark.parametrize("write", [WRITES["patch"], WRITES["make a token"]], ids=["patch", "make a token"])
async def test_token_that_ends_under_a_waiting_write_is_a_401(alice: Person, write: Write, change: str) -> None:
    things = await belongings(alice)
    with connect() as revoker:
        revoker.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])
        request = asyncio.ensure_future(write(alice, *things))
        await lock_queue(1)
        revoker.execute(change, [alice.id])
        revoker.commit()

    assert (await request).status_code == 401
    with connect() as connection:
        live = connection.execute(
            "SELECT FROM access_tokens WHERE user_id = %s AND revoked_at IS NULL", [alice.id]
        ).fetchall()
    assert live == []


async def test_account_that_is_deactivated_under_a_waiting_write_is_a_401(alice: Person) -> None:
    task = await alice.task()
    with connect() as staff:
        staff.execute("UPDATE users SET is_active = false WHERE id = %s", [alice.id])
        request = asyncio.create_task(alice.http.delete(f"/v1/tasks/{task['id']}"))
        await lock_queue(1)
        staff.commit()

    assert (await request).status_code == 401


async def test_a_wait_for_the_owner_ends_after_two_seconds_and_others_go_on(alice: Person, bob: Person) -> None:
    loop = asyncio.get_running_loop()
    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        began = loop.time()
        request = asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "Late"}))
        await lock_queue(1)

        assert (await alice.http.get("/v1/tasks")).json()["items"] == []  # reading needs no lock
        await bob.task()
        assert (await request).status_code == 503
        assert 1.5 < loop.time() - began < 10
        holder.rollback()

    assert (await alice.task())["version"] == 1


async def test_only_the_wait_for_the_owner_is_limited(alice: Person) -> None:
    """What has waited keeps the timeout that its session had; whose turn comes at once never touches it."""
    look = Statement.fenced("SELECT current_setting('lock_timeout')", scope="tasks:write", writes=True)
    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        waiting = asyncio.create_task(pool.execute(look, {}, Credentials(tokens.digest(alice.token))))
        await lock_queue(1)
        holder.rollback()

    assert (await waiting).text(0, 0) == "0"
    assert (await pool.execute(look, {}, Credentials(tokens.digest(alice.token)))).text(0, 0) == "0"


async def test_without_the_scope_nobody_is_locked(alice: Person) -> None:
    weak = await alice.token_for("tasks:read")
    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        answer = await alice.http.post("/v1/tasks", json={"title": "x"}, headers=weak)

    assert answer.status_code == 403


async def test_all_scopes_that_are_asked_for_are_needed(alice: Person) -> None:
    weak = (await alice.token_for("tasks:read", "account"))["Authorization"].removeprefix("Bearer ")
    with connect() as connection:
        ask = "SELECT open_request(%s, %s::text[], false)"
        for scopes in ([], ["tasks:read"], ["account", "tasks:read"]):
            assert connection.execute(ask, [tokens.digest(weak), scopes]).fetchone() == (uuid.UUID(alice.id),)
        for scopes in (["tasks:write"], ["tasks:read", "tasks:write"]):
            with pytest.raises(Exception, match="scope missing") as caught:
                connection.execute(ask, [tokens.digest(weak), scopes])
            connection.rollback()
            missing = errors.translate(caught.value)  # type: ignore[arg-type]  # psycopg's
            assert isinstance(missing, errors.ScopeMissing)
            assert (missing.required, sorted(missing.held)) == (" ".join(scopes), ["account", "tasks:read"])


async def test_writes_of_the_last_release_lock_first_as_well(alice: Person) -> None:
    task = await alice.task()
    with connect() as old, connect(autocommit=True) as looker:
        old.execute("SELECT open_request(%s, 'tasks:write')", [tokens.digest(alice.token)])
        held = looker.execute("SELECT FROM users WHERE id = %s FOR UPDATE SKIP LOCKED", [alice.id]).fetchall()
        old.execute("UPDATE tasks SET title = 'Old' WHERE id = %s", [task["id"]])

    assert held == []


# --- Reading where nothing can be written ---------------------------------------------------------


async def test_a_token_unused_for_long_reads_in_a_read_only_database(alice: Person) -> None:
    with connect() as connection:
        connection.execute("UPDATE access_tokens SET last_used_at = NULL WHERE user_id = %s", [alice.id])

    with connect(options="-c default_transaction_read_only=on") as connection:
        for ask in ("open_request(%s, '{tasks:read}', false)", "open_request(%s, 'tasks:read')"):
            found = connection.execute(f"SELECT {ask}", [tokens.digest(alice.token)]).fetchone()
            assert found == (uuid.UUID(alice.id),)
        with pytest.raises(Exception, match="read-only transaction"):
            connection.execute("SELECT open_request(%s, '{tasks:write}', true)", [tokens.digest(alice.token)])


# --- Who else writes ------------------------------------------------------------------------------


async def test_purging_leaves_an_owner_who_writes_and_finishes_with_the_others(
    orm: None, alice: Person, bob: Person
) -> None:
    for person in (alice, bob):
        for number in range(3):
            await person.http.delete(f"/v1/tasks/{(await person.task(f'Task {number}'))['id']}")
    with connect(autocommit=True) as connection:
        # No longer ago than that: the update itself is a change, so the order of numbers stays.
        connection.execute("UPDATE tasks SET deleted_at = now() - interval '400 days' WHERE deleted_at IS NOT NULL")

    with connect() as writer:
        writer.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])
        await asyncio.to_thread(_purge)
        left = {person.id: _count(person) for person in (alice, bob)}
        writer.rollback()
    await asyncio.to_thread(_purge)

    assert left == {alice.id: 3, bob.id: 0}
    assert _count(alice) == 0


async def test_purging_leaves_a_row_that_is_held_and_ends(orm: None, alice: Person) -> None:
    task = await alice.task()
    await alice.http.delete(f"/v1/tasks/{task['id']}")
    with connect(autocommit=True) as connection:
        connection.execute("UPDATE tasks SET deleted_at = now() - interval '400 days' WHERE id = %s", [task["id"]])

    with connect() as holder:
        holder.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", [task["id"]])
        await asyncio.wait_for(asyncio.to_thread(_purge), 20)
        holder.rollback()

    assert _count(alice) == 1


def _count(person: Person) -> int:
    with connect() as connection:
        return len(connection.execute("SELECT FROM tasks WHERE user_id = %s", [person.id]).fetchall())


def _purge() -> None:
    from django.db import connection

    call_command("purge", verbosity=0)
    connection.close()
