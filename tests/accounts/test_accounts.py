"""Accounts and tokens over HTTP: register, log in, log out, me, personal access tokens."""

import httpx
import pytest

from accounts import tokens
from accounts.schemas import Session, User
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect


async def test_registered_account_can_log_in_whatever_the_case_of_its_email(
    client: httpx.AsyncClient, alice: Person
) -> None:
    response = await client.post("/v1/auth/login", json={"email": alice.email.upper(), "password": PASSWORD})

    assert response.status_code == 201
    session = Session.model_validate(response.json(), strict=False)
    assert str(session.user.id) == alice.id
    me = await client.get("/v1/me", headers={"Authorization": f"Bearer {session.token}"})
    assert User.model_validate(me.json()).email == alice.email


async def test_email_can_be_registered_once(client: httpx.AsyncClient, alice: Person) -> None:
    response = await client.post("/v1/auth/register", json={"email": alice.email.upper(), "password": PASSWORD})

    assert (response.status_code, response.json()["code"]) == (409, "email-taken")


@pytest.mark.parametrize("who", ["alice", "nobody"])
async def test_wrong_password_and_unknown_email_get_the_same_answer(
    client: httpx.AsyncClient, alice: Person, who: str
) -> None:
    email = alice.email if who == "alice" else "nobody@example.com"

    response = await client.post("/v1/auth/login", json={"email": email, "password": "a wrong password"})

    assert (response.status_code, response.json()["code"]) == (401, "wrong-credentials")


async def test_deactivated_account_cannot_log_in(client: httpx.AsyncClient, alice: Person) -> None:
    with connect() as connection:
        connection.execute("UPDATE users SET is_active = false WHERE id = %s", [alice.id])

    response = await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})

    assert response.status_code == 401


@pytest.mark.parametrize("password", ["short", "password123", "x" * 513])
async def test_weak_password_is_refused(client: httpx.AsyncClient, password: str) -> None:
    response = await client.post("/v1/auth/register", json={"email": "weak@example.com", "password": password})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/password"


@pytest.mark.parametrize(
    "email", ["", "alice", "alice@", "@example.com", "a b@example.com", "a@b", "x" * 250 + "@b.de"]
)
async def test_what_is_no_email_is_refused(client: httpx.AsyncClient, email: str) -> None:
    response = await client.post("/v1/auth/register", json={"email": email, "password": PASSWORD})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/email"


async def test_password_is_kept_as_argon2_and_token_as_digest(alice: Person) -> None:
    with connect() as connection:
        password = connection.execute("SELECT password FROM users WHERE id = %s", [alice.id]).fetchone()
        kept = connection.execute("SELECT digest FROM access_tokens WHERE user_id = %s", [alice.id]).fetchall()

    assert password is not None
    assert password[0].startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept == [(tokens.digest(alice.token),)]


async def test_logout_ends_this_token_only(client: httpx.AsyncClient, alice: Person) -> None:
    other = (await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})).json()["token"]

    assert (await alice.http.post("/v1/auth/logout")).status_code == 204

    assert (await alice.http.get("/v1/me")).status_code == 401
    assert (await client.get("/v1/me", headers={"Authorization": f"Bearer {other}"})).status_code == 200


async def test_time_zone_can_be_changed_to_a_real_one(alice: Person) -> None:
    assert (await alice.http.patch("/v1/me", json={"timezone": "Europe/Berlin"})).json()["timezone"] == "Europe/Berlin"
    assert (await alice.http.patch("/v1/me", json={})).json()["timezone"] == "Europe/Berlin"

    refused = await alice.http.patch("/v1/me", json={"timezone": "Mars/Olympus"})

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "timezone")
