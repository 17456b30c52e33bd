"""Edges of accounts and tokens that a small slip would move: caches, names in tables, spellings, traces."""

import hashlib
import os
from typing import Any

import httpx
import pytest
from pytest_django import Settings

from accounts import passwords
from tests.support.http import operations
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect


def stranger() -> str:
    return f"{os.urandom(8).hex()}@example.com"


def is_shown_once(schema: Any, seen: frozenset[str] = frozenset()) -> bool:
    """Tell whether an answer of this schema holds a secret: a token, a secret, a ticket."""
    document = operations.document()
    if isinstance(schema, list):
        return any(is_shown_once(one, seen) for one in schema)
    if not isinstance(schema, dict):
        return False
    if (name := schema.get("$ref", "").rsplit("/", 1)[-1]) and name not in seen:
        return is_shown_once(document["components"]["schemas"].get(name, {}), seen | {name})
    if {"token", "secret", "ticket"} & schema.get("properties", {}).keys():
        return True
    return any(is_shown_once(one, seen) for one in schema.values())


def secret_answers() -> set[str]:
    return {
        operation.id
        for operation in operations.operations()
        for status, answer in operation.responses.items()
        if status.startswith("2") and is_shown_once(answer)
    }


async def test_no_cache_keeps_an_answer_that_holds_a_secret(client: httpx.AsyncClient, alice: Person) -> None:
    login = {"email": alice.email, "password": PASSWORD}
    new, again = {"name": "script", "scopes": ["account"]}, {"Idempotency-Key": "again"}
    made = await alice.http.post("/v1/tokens", json=new)
    rotate = f"/v1/tokens/{made.json()['id']}/rotate"
    hook = await alice.http.post("/v1/webhooks", json={"url": "https://hooks.example.com/todo", "events": ["task.*"]})
    answers = {
        "create_token": [made, *[await alice.http.post("/v1/tokens", json=new, headers=again) for _ in range(2)]],
        "rotate_token": [await alice.http.post(rotate, headers={"Idempotency-Key": "rotate"}) for _ in range(2)],
        "login": [await client.post("/v1/auth/login", json=login)],
        "register": [await client.post("/v1/auth/register", json=login | {"email": stranger()})],
        "create_stream_ticket": [await alice.http.post("/v1/auth/stream-ticket")],
        "create_webhook": [hook],
        "rotate_webhook_secret": [await alice.http.post(f"/v1/webhooks/{hook.json()['id']}/rotate-secret")],
    }

    assert answers.keys() == secret_answers()
    for those in answers.values():
        for answer in those:
            secret = answer.json()
            assert (answer.status_code in {200, 201}, answer.headers["Cache-Control"]) == (True, "no-store")
            assert secret.get("ticket") or secret.get("secret") or secret["token"].startswith("todo_")
    repeated = [answers["create_token"][-1], answers["rotate_token"][-1]]
    assert [answer.headers["Idempotency-Replayed"] for answer in repeated] == ["true", "true"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_case_of_the_scheme_does_not_matter(client: httpx.AsyncClient, alice: Person, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {alice.token}"}

    assert (await client.get("/v1/me", headers=headers)).status_code == 200


async def test_table_of_attempts_does_not_tell_whose_they_are(client: httpx.AsyncClient, settings: Settings) -> None:
    settings.LOGIN_LIMIT, email = (5, 900), stranger()
    with connect() as connection:
        before = {key for (key,) in connection.execute("SELECT key FROM attempt_buckets")}
    await client.post("/v1/auth/login", json={"email": email, "password": "wrong"})

    with connect() as connection:
        kept = {key for (key,) in connection.execute("SELECT key FROM attempt_buckets")}
    assert kept - before
    for name in (f"login account {email}", f"account {email}", email, f"login both 127.0.0.1 {email}"):
        assert hashlib.sha256(name.encode()).digest() not in kept
    with connect() as connection:  # all tests come from one address
        connection.execute("DELETE FROM attempt_buckets")


@pytest.mark.parametrize("password", ["nobody's password", ""])
async def test_account_that_is_not_there_has_no_password(client: httpx.AsyncClient, password: str) -> None:
    answer = await client.post("/v1/auth/login", json={"email": stranger(), "password": password})

    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-credentials")


async def test_account_that_is_not_there_has_none_even_where_its_made_up_hash_fits(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_NOBODY", await passwords.hash_password(PASSWORD))

    answer = await client.post("/v1/auth/login", json={"email": stranger(), "password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-credentials")


async def test_login_leaves_its_time_in_the_export(client: httpx.AsyncClient, alice: Person) -> None:
    before = (await alice.http.get("/v1/me/export")).json()["account"]["last_login"]
    login = {"email": alice.email, "password": PASSWORD}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 201

    after = (await alice.http.get("/v1/me/export")).json()["account"]["last_login"]

    assert before is None
    assert after is not None


async def test_write_whose_answer_breaks_is_undone_with_its_key(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the answer cannot be made")

    monkeypatch.setattr("tasks.api.tasks.json_response", broken)
    headers = {"Idempotency-Key": "broken"}

    assert (await alice.http.post("/v1/tasks", json={"title": "No"}, headers=headers)).status_code == 500

    monkeypatch.undo()
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []
    assert (await alice.http.post("/v1/tasks", json={"title": "No"}, headers=headers)).status_code == 201
