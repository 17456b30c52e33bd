"""Accounts and tokens over HTTP: register, log in, log out, me, personal access tokens."""

import httpx
import pytest

from accounts import tokens
from accounts.models import Scope
from accounts.schemas import NewToken, Session, TokenList, User
from tests.databases import connect
from tests.people import PASSWORD, Person


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


# --- Personal access tokens -----------------------------------------------------------------------


async def make_token(person: Person, *scopes: str, **fields: str) -> dict[str, str]:
    response = await person.http.post("/v1/tokens", json={"name": "script", "scopes": list(scopes), **fields})
    assert response.status_code == 201, response.text
    document: dict[str, str] = response.json()
    return document


async def test_token_does_what_its_scopes_say_and_no_more(client: httpx.AsyncClient, alice: Person) -> None:
    await alice.task()
    token = await make_token(alice, "tasks:read")
    headers = {"Authorization": f"Bearer {token['token']}"}

    assert (await client.get("/v1/tasks", headers=headers)).status_code == 200
    refused = await client.post("/v1/tasks", json={"title": "No"}, headers=headers)

    assert refused.status_code == 403
    assert refused.json() | {"required": ["tasks:write"], "held": ["tasks:read"]} == refused.json()
    assert (await client.get("/v1/me", headers=headers)).status_code == 403
    assert (await client.get("/v1/tokens/current", headers=headers)).json()["scopes"] == ["tasks:read"]
    assert (await client.post("/v1/auth/logout", headers=headers)).status_code == 204


async def test_token_cannot_make_a_stronger_one(client: httpx.AsyncClient, alice: Person) -> None:
    weak = await make_token(alice, "account", "tasks:read")
    headers = {"Authorization": f"Bearer {weak['token']}"}

    refused = await client.post("/v1/tokens", json={"name": "x", "scopes": ["tasks:write"]}, headers=headers)

    assert refused.status_code == 403
    assert refused.json()["required"] == ["tasks:write"]
    assert sorted(refused.json()["held"]) == ["account", "tasks:read"]


async def test_new_token_is_shown_once_and_then_listed_without_its_secret(alice: Person) -> None:
    token = await make_token(alice, *Scope.values, expires_at="2999-01-01T00:00:00Z")
    NewToken.model_validate(token, strict=False)

    listed = await alice.http.get("/v1/tokens")

    TokenList.model_validate(listed.json(), strict=False)
    assert [item["name"] for item in listed.json()["items"]] == ["script", "login"]
    assert token["token"] not in listed.text
    assert listed.json()["items"][0]["expires_at"] == "2999-01-01T00:00:00.000000Z"


async def test_revoked_token_is_refused_and_no_longer_listed(client: httpx.AsyncClient, alice: Person) -> None:
    token = await make_token(alice, "tasks:read")

    assert (await alice.http.delete(f"/v1/tokens/{token['id']}")).status_code == 204

    headers = {"Authorization": f"Bearer {token['token']}"}
    assert (await client.get("/v1/tasks", headers=headers)).status_code == 401
    assert [item["name"] for item in (await alice.http.get("/v1/tokens")).json()["items"]] == ["login"]
    assert (await alice.http.delete(f"/v1/tokens/{token['id']}")).status_code == 404


@pytest.mark.parametrize("scopes", [[], ["everything"], "tasks:read", [1], ["tasks:read"] * 4])
async def test_unknown_scopes_are_refused(alice: Person, scopes: object) -> None:
    response = await alice.http.post("/v1/tokens", json={"name": "x", "scopes": scopes})

    assert response.status_code == 422


async def test_last_use_is_written_at_most_once_a_minute(alice: Person) -> None:
    first = (await alice.http.get("/v1/tokens/current")).json()["last_used_at"]
    second = (await alice.http.get("/v1/tokens/current")).json()["last_used_at"]

    assert first is not None
    assert first == second


# --- What a token looks like ----------------------------------------------------------------------


def test_tokens_are_recognised_by_prefix_and_checksum() -> None:
    token = tokens.generate()

    credentials = tokens.parse(token)

    assert credentials is not None
    assert credentials.digest == tokens.digest(token)
    for position in range(len(token)):
        changed = token[:position] + ("a" if token[position] != "a" else "b") + token[position + 1 :]
        assert tokens.parse(changed) is None, position


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer todo_x", "Bearer " + "x" * 10_000, "Bearer todo_\xff"]
)
async def test_anything_that_is_no_token_is_401(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get("/v1/tasks", headers={b"Authorization": header.encode("latin-1")})

    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
