"""Idempotency-Key: a write that is sent twice, or fifty times at once, happens once."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import httpx
import pytest

from accounts import idempotency
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue


def key(value: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": value or uuid.uuid4().hex}


async def titles(person: Person) -> list[str]:
    return [task["title"] for task in (await person.http.get("/v1/tasks?limit=200")).json()["items"]]


async def test_repeat_gets_the_first_answer_and_makes_no_second_row(alice: Person) -> None:
    headers = key()

    first = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
    second = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert (second.headers["ETag"], second.headers["Location"]) == (first.headers["ETag"], first.headers["Location"])
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await titles(alice) == ["Once"]


async def test_fifty_at_once_make_one_row(alice: Person) -> None:
    """The owner's row is held: whoever has the key waits for it, and all others are told so meanwhile."""
    headers = key()

    def create() -> "asyncio.Task[httpx.Response]":
        return asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers))

    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        requests = [create() for _ in range(50)]
        answered = asyncio.as_completed(requests, timeout=20)
        for _ in range(49):
            await next(answered)
        holder.rollback()
    answers = [await request for request in requests]

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"in-flight"}
    assert (await create()).headers["Idempotency-Replayed"] == "true"
    assert await titles(alice) == ["Once"]


async def test_key_whose_request_is_under_way_is_in_flight_and_then_repeated(alice: Person) -> None:
    headers = key()
    with connect() as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        first = asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers))
        await lock_queue(1)
        second = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
        holder.rollback()

    assert (second.status_code, second.json()["code"]) == (409, "in-flight")
    assert (await first).status_code == 201
    third = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
    assert (third.status_code, third.json(), third.headers["Idempotency-Replayed"]) == (
        201,
        (await first).json(),
        "true",
    )
    assert await titles(alice) == ["Once"]


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/tasks", {"title": "Other"}), ("/v1/tokens", {"name": "x", "scopes": ["tasks:read"]})]
)
async def test_key_of_another_request_is_refused(alice: Person, path: str, body: dict[str, Any]) -> None:
    headers = key()
    await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)

    refused = await alice.http.post(path, json=body, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    assert await titles(alice) == ["Once"]


async def test_key_counts_for_the_query_string_that_it_was_used_with(alice: Person) -> None:
    headers, body = key(), {"operations": [{"op": "create", "data": {"title": "Once"}}]}
    await alice.http.post("/v1/tasks/batch?atomic=true", json=body, headers=headers)

    refused = await alice.http.post("/v1/tasks/batch?atomic=false", json=body, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    assert await titles(alice) == ["Once"]


async def test_keys_of_two_people_do_not_meet(alice: Person, bob: Person) -> None:
    headers = key()

    for person in (alice, bob):
        answer = await person.http.post("/v1/tasks", json={"title": "Mine"}, headers=headers)
        assert "Idempotency-Replayed" not in answer.headers

    assert await titles(alice) == await titles(bob) == ["Mine"]


async def test_patch_counts_once(alice: Person) -> None:
    task, headers = await alice.task(), key()

    for _ in range(3):
        answer = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Changed"}, headers=headers)

    assert answer.json()["version"] == 2


async def test_refusal_by_the_database_leaves_the_transaction_whole(alice: Person) -> None:
    task, headers = await alice.task(due_on="2026-12-01"), key()

    for _ in range(2):
        answer = await alice.http.patch(
            f"/v1/tasks/{task['id']}", json={"due_at": "2026-12-01T08:00:00Z"}, headers=headers
        )
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (422, False)

    mended = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Mended"}, headers=headers)
    assert mended.status_code == 200


async def test_not_found_is_remembered(alice: Person) -> None:
    headers = key()

    for expected in (None, "true"):
        answer = await alice.http.post(f"/v1/tasks/{alice.id}/complete", headers=headers)
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (404, expected)


async def test_defect_is_not_remembered(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = key()

    async def broken(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("tasks.queries.create", broken)
        assert (await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)).status_code == 500

    assert (await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)).status_code == 201
    assert await titles(alice) == ["Once"]


async def test_secret_of_a_new_token_is_replayed_but_not_kept_in_clear(alice: Person) -> None:
    headers, body = key(), {"name": "script", "scopes": ["tasks:read"]}

    first = await alice.http.post("/v1/tokens", json=body, headers=headers)
    second = await alice.http.post("/v1/tokens", json=body, headers=headers)

    assert second.json()["token"] == first.json()["token"]
    with connect() as connection:
        kept = connection.execute("SELECT * FROM idempotency_keys WHERE user_id = %s", [alice.id]).fetchall()
    assert len(kept) == 1
    assert first.json()["token"] not in repr(kept)
    assert headers["Idempotency-Key"] not in repr(kept)


async def test_key_counts_for_a_day(alice: Person) -> None:
    headers = key()
    await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
    with connect() as connection:
        connection.execute(
            "UPDATE idempotency_keys SET created_at = now() - %s WHERE user_id = %s", [idempotency.LIFETIME, alice.id]
        )

    again = await alice.http.post("/v1/tasks", json={"title": "Again"}, headers=headers)

    assert "Idempotency-Replayed" not in again.headers
    assert await titles(alice) == ["Again", "Once"]
    assert (await alice.http.post("/v1/tasks", json={"title": "Again"}, headers=headers)).headers[
        "Idempotency-Replayed"
    ] == "true"


async def test_revoked_token_gets_no_replay(alice: Person) -> None:
    headers = key()
    await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
    await alice.http.post("/v1/auth/logout")

    assert (await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)).status_code == 401


async def test_another_token_of_the_same_user_gets_the_replay(client: httpx.AsyncClient, alice: Person) -> None:
    headers = key()
    await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
    login = await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})

    alice.http.headers["Authorization"] = f"Bearer {login.json()['token']}"

    repeated = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)
    assert repeated.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("value", ["", " ", "x" * 256, "tab\there", "\x7f", "ü"])
async def test_malformed_key_is_refused(alice: Person, value: str) -> None:
    answer = await alice.http.post(
        "/v1/tasks", json={"title": "x"}, headers={b"Idempotency-Key": value.encode("latin-1")}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    assert await titles(alice) == []


async def test_answer_under_another_secret_key_is_lost_but_the_write_is_not_repeated(
    alice: Person, settings: Any
) -> None:
    headers = key()
    await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)

    settings.SECRET_KEY = "another secret of at least thirty-two characters"
    answer = await alice.http.post("/v1/tasks", json={"title": "Once"}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await titles(alice) == ["Once"]
