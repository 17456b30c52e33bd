"""Races, made certain: the row that all of them need is held from another connection until they wait for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import httpx
import pytest

from accounts import tokens
from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue

NEW = "a new and better password"
OWNER = "SELECT FROM users WHERE id = %s FOR UPDATE"


async def at_once(person: Person, *requests: Coroutine[Any, Any, httpx.Response]) -> list[tuple[int, str | None]]:
    """Start requests that write an account while its row is held, and let go when all of them wait."""
    with connect() as connection:
        connection.execute(OWNER, [person.id])
        tasks = [asyncio.create_task(request) for request in requests]
        await lock_queue(len(tasks))
        connection.rollback()
    answers = await asyncio.gather(*tasks)
    outcomes = [(answer.status_code, answer.json().get("code") if answer.content else None) for answer in answers]
    return sorted(outcomes, key=str)


async def current(client: httpx.AsyncClient, by: dict[str, str]) -> str:
    return str((await client.get("/v1/tokens/current", headers=by)).json()["id"])


async def test_of_two_rotations_at_once_one_makes_a_successor(client: httpx.AsyncClient, alice: Person) -> None:
    old = await current(client, await alice.token_for("tasks:read"))

    outcomes = await at_once(alice, *(alice.http.post(f"/v1/tokens/{old}/rotate") for _ in range(2)))

    assert outcomes == [(201, None), (409, "token-rotated")]
    listed = (await alice.http.get("/v1/tokens")).json()["items"]
    assert sorted(token["name"] for token in listed) == ["login", "script", "script"]


async def test_of_two_changes_of_the_password_at_once_one_wins(client: httpx.AsyncClient, alice: Person) -> None:
    passwords = [f"{NEW} {number}" for number in range(2)]
    bodies = [{"current_password": PASSWORD, "new_password": password} for password in passwords]

    outcomes = await at_once(alice, *(alice.http.post("/v1/me/password", json=body) for body in bodies))

    assert outcomes == [(204, None), (403, "wrong-password")]
    logins = [{"email": alice.email, "password": password} for password in [PASSWORD, *passwords]]
    statuses = [(await client.post("/v1/auth/login", json=login)).status_code for login in logins]
    assert (statuses[0], sorted(statuses[1:])) == (401, [201, 401])


async def test_sessions_that_begin_during_a_reset_do_not_survive_it(client: httpx.AsyncClient, alice: Person) -> None:
    """One begins just before it, unseen when it was asked for; one was proved with the old password and comes after."""
    await client.post("/v1/auth/password-reset", json={"email": alice.email})
    reset = {"token": await mails.code(alice.email), "password": NEW}
    token = tokens.generate()
    begin = (
        "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes)"
        " VALUES (gen_random_uuid(), %s, 'session', 'login', %s, '{account}')"
    )
    with connect() as connection:
        connection.execute(OWNER, [alice.id])
        resetting = asyncio.create_task(client.post("/v1/auth/password-reset/confirm", json=reset))
        await lock_queue(1)
        login = {"email": alice.email, "password": PASSWORD}
        logging_in = asyncio.create_task(client.post("/v1/auth/login", json=login))
        await lock_queue(2)
        connection.execute(begin, [alice.id, tokens.digest(token)])
        connection.commit()

    assert ((await resetting).status_code, (await logging_in).status_code) == (204, 401)
    by = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/v1/me", headers=by)).status_code == 401


@pytest.mark.parametrize(
    ("is_maker", "locks_owner"),
    [(True, True), (False, True), (True, False)],
    ids=["the maker", "another one", "by whom no owner is locked"],
)
async def test_token_whose_maker_is_revoked_meanwhile_is_not_made(
    client: httpx.AsyncClient, alice: Person, is_maker: bool, locks_owner: bool
) -> None:
    """SQL by hand, and the release before, end a token without its owner's lock."""
    maker, other = await alice.token_for("account"), await alice.token_for("account")
    ended = await current(client, maker if is_maker else other)
    body = {"name": "made meanwhile", "scopes": ["account"]}

    with connect() as connection:
        if locks_owner:
            connection.execute(OWNER, [alice.id])
        connection.execute("UPDATE access_tokens SET revoked_at = now() WHERE id = %s", [ended])
        made = asyncio.create_task(client.post("/v1/tokens", json=body, headers=maker))
        await lock_queue(1)
        connection.commit()

    assert (await made).status_code == (401 if is_maker else 201)
    names = [token["name"] for token in (await alice.http.get("/v1/tokens")).json()["items"]]
    assert ("made meanwhile" in names) is not is_maker


async def test_token_that_is_revoked_while_it_is_rotated_has_no_successor(
    client: httpx.AsyncClient, alice: Person
) -> None:
    """As above, by whom no owner is locked."""
    old = await current(client, await alice.token_for("tasks:read"))

    with connect() as connection:
        connection.execute("UPDATE access_tokens SET revoked_at = now() WHERE id = %s", [old])
        rotated = asyncio.create_task(alice.http.post(f"/v1/tokens/{old}/rotate"))
        await lock_queue(1)
        connection.commit()

    assert ((await rotated).status_code, (await rotated).json()["code"]) == (404, "not-found")
    listed = (await alice.http.get("/v1/tokens")).json()["items"]
    assert [token["name"] for token in listed] == ["login"]


async def test_last_room_for_a_token_is_given_once(alice: Person) -> None:
    fill = (
        "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes)"
        " SELECT gen_random_uuid(), %s, 'personal', 'one of many', sha256((%s || n)::bytea), '{account}'"
        " FROM generate_series(1, 99) AS n"
    )
    with connect() as connection:
        connection.execute(fill, [alice.id, alice.id])
    body = {"name": "last", "scopes": ["account"]}

    outcomes = await at_once(alice, *(alice.http.post("/v1/tokens", json=body) for _ in range(3)))

    assert outcomes == [(201, None), (409, "too-many-tokens"), (409, "too-many-tokens")]


async def test_equal_keys_of_two_people_do_not_wait_for_each_other(alice: Person, bob: Person) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    with connect() as connection:
        connection.execute(OWNER, [alice.id])
        waiting = asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "Hers"}, headers=headers))
        await lock_queue(1)

        assert (await bob.http.post("/v1/tasks", json={"title": "His"}, headers=headers)).status_code == 201
        assert (await alice.http.post("/v1/tasks", json={"title": "Hers"}, headers=headers)).status_code == 409
        connection.rollback()

    assert (await waiting).status_code == 201


WAITING = {
    "create": ("POST", "/v1/tasks", {"title": "Too late"}),
    "batch": ("POST", "/v1/tasks/batch", {"operations": [{"op": "create", "data": {"title": "Too late"}}]}),
    "token": ("POST", "/v1/tokens", {"name": "too late", "scopes": ["account"]}),
    "password": ("POST", "/v1/me/password", {"current_password": PASSWORD, "new_password": NEW}),
    "logout": ("POST", "/v1/auth/logout", None),
    "patch": ("PATCH", "/v1/me", {"timezone": "Europe/Berlin"}),
    "erase": ("DELETE", "/v1/me", {"password": PASSWORD}),
}


@pytest.mark.parametrize("is_keyed", [False, True])
@pytest.mark.parametrize("name", WAITING)
async def test_request_whose_account_is_erased_while_it_waits_is_401(alice: Person, name: str, is_keyed: bool) -> None:
    method, path, body = WAITING[name]
    headers = {"Idempotency-Key": uuid4().hex} if is_keyed else {}
    with connect() as connection:
        connection.execute("SELECT erase_user(%s)", [alice.id])
        waiting = asyncio.create_task(alice.http.request(method, path, json=body, headers=headers))
        await lock_queue(1)
        connection.commit()

    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
