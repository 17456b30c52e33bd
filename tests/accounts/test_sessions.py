"""The sessions of an account: seen, ended one by one, or all at once, the admin's too."""

import asyncio
import uuid

import httpx
import pytest
from django.test import Client

from accounts.models import User
from tests.support.people import PASSWORD, Person
from tests.support.staff import in_thread, logged_in

SESSIONS, EVERYWHERE = "/v1/sessions", "/v1/auth/logout-everywhere"


async def log_in(client: httpx.AsyncClient, person: Person) -> dict[str, str]:
    response = await client.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert response.status_code == 201
    return {"Authorization": f"Bearer {response.json()['token']}"}


async def status(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get("/v1/me", headers=headers)).status_code


async def test_sessions_are_the_logins_and_tell_which_is_this(client: httpx.AsyncClient, alice: Person) -> None:
    other = await log_in(client, alice)
    script = await alice.token_for("account")

    lists = [(await client.get(SESSIONS, headers=by)).json()["items"] for by in (other, script)]
    own = (await alice.http.get(SESSIONS)).json()["items"]

    assert [session["is_current"] for session in own] == [False, True]  # the newest first
    assert [[session["is_current"] for session in sessions] for sessions in lists] == [[True, False], [False, False]]
    assert len({session["id"] for session in own}) == 2
    assert {"kind", "token", "digest"}.isdisjoint(own[0])
    kinds = [token["kind"] for token in (await alice.http.get("/v1/tokens")).json()["items"]]
    assert sorted(kinds) == ["personal", "session", "session"]


async def test_a_session_is_ended_at_once(client: httpx.AsyncClient, alice: Person) -> None:
    other = await log_in(client, alice)
    newest = (await alice.http.get(SESSIONS)).json()["items"][0]

    assert (await alice.http.delete(f"{SESSIONS}/{newest['id']}")).status_code == 204

    assert await status(client, other) == 401
    assert (await alice.http.delete(f"{SESSIONS}/{newest['id']}")).status_code == 404
    assert [session["is_current"] for session in (await alice.http.get(SESSIONS)).json()["items"]] == [True]


async def test_a_personal_token_is_no_session(client: httpx.AsyncClient, alice: Person) -> None:
    script = await alice.token_for("account")
    current = (await client.get("/v1/tokens/current", headers=script)).json()["id"]

    refused = await alice.http.delete(f"{SESSIONS}/{current}")

    assert (refused.status_code, refused.json()["code"]) == (404, "not-found")
    assert await status(client, script) == 200


async def test_log_out_everywhere_ends_the_sessions_of_the_admin(alice: Person) -> None:
    def sign_in() -> Client:
        User.objects.filter(pk=alice.id).update(is_staff=True)
        return logged_in(User.objects.get(pk=alice.id))

    def opens(browser: Client) -> int:
        return browser.get("/admin/password_change/").status_code

    browser = await asyncio.to_thread(in_thread, sign_in)
    assert await asyncio.to_thread(in_thread, opens, browser) == 200

    assert (await alice.http.post(EVERYWHERE)).status_code == 204

    assert await asyncio.to_thread(in_thread, opens, browser) == 302


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 422),
        (b'{"revoke_tokens": "yes"}', 422),
        (b'{"everything": true}', 422),
        (b"null", 422),
        (b'{"revoke_tokens": null}', 422),
        (b"{", 400),
    ],
)
async def test_what_cannot_be_read_ends_nothing(alice: Person, body: bytes, status: int) -> None:
    refused = await alice.http.post(EVERYWHERE, content=body, headers={"Content-Type": "application/json"})

    assert refused.status_code == status, refused.text
    assert (await alice.http.get("/v1/me")).status_code == 200


async def test_a_repeat_under_a_key_needs_the_token_it_has_ended(alice: Person) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    answers = [(await alice.http.post(EVERYWHERE, headers=headers)).status_code for _ in range(2)]

    assert answers == [204, 401]


async def test_scopes(alice: Person) -> None:
    reader = await alice.token_for("tasks:read", "tasks:write")
    answers = [
        await alice.http.get(SESSIONS, headers=reader),
        await alice.http.delete(f"{SESSIONS}/{uuid.uuid4()}", headers=reader),
        await alice.http.post(EVERYWHERE, headers=reader),
    ]

    assert [(answer.status_code, answer.json()["required"]) for answer in answers] == [(403, ["account"])] * 3
