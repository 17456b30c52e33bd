"""What an Idempotency-Key must not change: what counts, who may read, what ends, and what leaves the house when."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from pytest_django import Settings

from accounts import idempotency, passwords
from tests.support import held, mails
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from todoproject.database.client.pool import pool
from todoproject.mail.outbox import Mail, outbox

NEW = "a new and better password"


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


@pytest.fixture(autouse=True)
def _nobody_has_tried() -> Iterator[None]:
    forget = "DELETE FROM attempt_buckets"
    with connect() as connection:
        connection.execute(forget)
    yield
    with connect() as connection:
        connection.execute(forget)


async def test_failed_sign_in_is_recorded_with_a_key_too(alice: Person) -> None:
    body = {"email": alice.email, "password": "wrong"}
    assert (await alice.http.post("/v1/auth/login", json=body, headers=key())).status_code == 401

    with connect() as connection:
        count = "SELECT count(*) FROM audit_events WHERE object_id = %s AND action = 'sign-in failed'"
        assert connection.execute(count, [alice.id]).fetchone() == (1,)


async def test_operations_without_an_account_ignore_the_key(alice: Person) -> None:
    body, headers = {"email": alice.email, "password": PASSWORD}, key()

    first, second = [await alice.http.post("/v1/auth/login", json=body, headers=headers) for _ in range(2)]

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["token"] != second.json()["token"]
    assert "Idempotency-Replayed" not in second.headers


async def test_password_changes_once_under_a_key_and_is_told_once(client: httpx.AsyncClient, alice: Person) -> None:
    body, headers = {"current_password": PASSWORD, "new_password": NEW}, key()

    answers = [await alice.http.post("/v1/me/password", json=body, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert [letter.subject for letter in await mails.to(alice.email)] == ["Your password was changed"]
    login = {"email": alice.email, "password": NEW}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 201


async def test_mail_of_a_change_that_is_not_committed_stays(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise RuntimeError("no answer can be stored")

    monkeypatch.setattr(idempotency, "_seal", broken)
    body = {"current_password": PASSWORD, "new_password": NEW}

    assert (await alice.http.post("/v1/me/password", json=body, headers=key())).status_code == 500

    assert await mails.to(alice.email) == []
    monkeypatch.undo()
    assert (await alice.http.post("/v1/me/password", json=body)).status_code == 204


# --- Who may have an answer again -------------------------------------------------------------------


BATCH = {"operations": [{"op": "create", "data": {"title": "Mine"}}]}


@pytest.mark.parametrize(("path", "body"), [("/v1/tasks", {"title": "Mine"}), ("/v1/tasks/batch", BATCH)])
async def test_repeat_needs_the_scope_of_the_operation(
    client: httpx.AsyncClient, alice: Person, path: str, body: dict[str, object]
) -> None:
    headers, reader, writer = key(), await alice.token_for("tasks:read"), await alice.token_for("tasks:write")
    first = await alice.http.post(path, json=body, headers=headers)

    refused = await client.post(path, json=body, headers=headers | reader)
    again = await client.post(path, json=body, headers=headers | writer)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    assert (refused.json()["required"], refused.json()["held"]) == (["tasks:write"], ["tasks:read"])
    assert (again.status_code, again.text) == (first.status_code, first.text)


async def test_secret_is_given_only_to_the_token_that_asked(client: httpx.AsyncClient, alice: Person) -> None:
    headers, other = key(), await alice.token_for("account")
    body = {"name": "script", "scopes": ["account"]}
    first = await alice.http.post("/v1/tokens", json=body, headers=headers)

    refused = await client.post("/v1/tokens", json=body, headers=headers | other)
    weak = await client.post("/v1/tokens", json=body, headers=headers | await alice.token_for("tasks:read"))
    again = await alice.http.post("/v1/tokens", json=body, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "answer-withheld")
    assert (weak.status_code, weak.json()["code"]) == (409, "answer-withheld")
    assert first.json()["token"] not in refused.text + weak.text
    assert (again.json(), again.headers["Cache-Control"]) == (first.json(), "no-store")


async def test_if_match_is_part_of_the_request(alice: Person) -> None:
    task, headers = await alice.task(), key()
    path, body = f"/v1/tasks/{task['id']}", {"title": "Other"}
    assert (await alice.http.patch(path, json=body, headers=headers | {"If-Match": '"1"'})).status_code == 200

    for more in ({"If-Match": '"2"'}, {}):
        refused = await alice.http.patch(path, json=body, headers=headers | more)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")


# --- A storm ----------------------------------------------------------------------------------------


async def test_keyed_password_changes_hold_no_connection_while_they_hash(
    alice: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many at once as there are connections, each waiting for its hash: others' reads are answered."""
    gate = asyncio.Event()

    async def slow(password: str, encoded: str | None) -> bool:
        await gate.wait()
        return False

    monkeypatch.setattr(passwords, "verify_password", slow)
    settings.LOGIN_LIMIT = None
    body = {"current_password": "wrong", "new_password": NEW}
    storm = [
        asyncio.create_task(alice.http.post("/v1/me/password", json=body, headers=key()))
        for _ in range(settings.DATABASE_POOL_SIZE + 2)
    ]
    await asyncio.sleep(0.5)

    async with asyncio.timeout(5):
        assert (await alice.http.get("/v1/me")).status_code == 200

    gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*storm)} == {403}


async def test_guard_sees_who_hashes_or_mails_with_a_connection_in_hand(alice: Person) -> None:
    with held.guarded() as seen:
        async with pool.transaction():
            with pytest.raises(AssertionError):
                await passwords.hash_password(NEW)
            with pytest.raises(AssertionError):
                outbox.post(Mail("none", alice.email, "None", "None"))

    assert len(seen) == 2
