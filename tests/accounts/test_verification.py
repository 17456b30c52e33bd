"""EMAIL_VERIFICATION=required: an account comes into being when somebody proves that they read its address."""

import asyncio
import uuid

import httpx
import pytest
from pytest_django import Settings

from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue


@pytest.fixture(autouse=True)
def _required(alice: Person, settings: Settings) -> None:  # Alice was here before
    settings.EMAIL_VERIFICATION = "required"


async def register(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/auth/register", json={"email": email, "password": password})


async def verify(client: httpx.AsyncClient, code: str, password: str = PASSWORD) -> int:
    return (await client.post("/v1/auth/verify-email", json={"token": code, "password": password})).status_code


async def login(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": email, "password": password})


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


async def test_account_opens_with_the_code_and_not_before(client: httpx.AsyncClient, email: str) -> None:
    assert (await register(client, email)).status_code == 202
    refused = await login(client, email)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong-credentials")

    assert await verify(client, await mails.code(email)) == 204

    user = (await login(client, email)).json()["user"]
    assert (user["email"], user["email_verified_at"] is not None) == (email, True)


async def test_known_address_gets_the_same_answer_and_a_mail_that_says_so(
    client: httpx.AsyncClient, alice: Person, email: str
) -> None:
    new, known = await register(client, email), await register(client, alice.email.upper(), "another password")

    assert (new.status_code, new.text) == (known.status_code, known.text)
    assert new.headers.keys() == known.headers.keys()
    assert [letter.subject for letter in await mails.to(alice.email)] == ["You have an account already"]
    assert (await login(client, alice.email)).status_code == 201


async def test_account_has_the_password_of_whoever_proves_the_address(client: httpx.AsyncClient, email: str) -> None:
    """A stranger who registers somebody's address does not choose the password that its owner confirms."""
    await register(client, email, "a stranger's password")
    first = await mails.code(email)
    await register(client, email, "another stranger's password")
    second = await mails.code(email)

    assert await verify(client, first, "the owner's password") == 204

    assert (await login(client, email, "the owner's password")).status_code == 201
    for password in ("a stranger's password", "another stranger's password"):
        assert (await login(client, email, password)).status_code == 401
    assert await verify(client, second) == 400


async def test_code_alone_opens_the_account_and_a_code_for_a_password_is_mailed(
    client: httpx.AsyncClient, email: str
) -> None:
    """So a client that knows no password here leaves nobody outside, and lets nobody in."""
    await register(client, email, "a stranger's password")

    body = {"token": await mails.code(email)}
    assert (await client.post("/v1/auth/verify-email", json=body)).status_code == 204

    assert (await login(client, email, "a stranger's password")).status_code == 401
    assert [letter.subject for letter in await mails.to(email)][-1] == "Set a new password"
    confirmation = {"token": await mails.code(email), "password": "the owner's password"}
    assert (await client.post("/v1/auth/password-reset/confirm", json=confirmation)).status_code == 204
    assert (await login(client, email, "the owner's password")).status_code == 201


async def test_bad_password_uses_no_code_up(client: httpx.AsyncClient, email: str) -> None:
    await register(client, email)
    code = await mails.code(email)

    assert await verify(client, code, "password123") == 422
    assert await verify(client, code) == 204


@pytest.mark.parametrize("is_same_code", [True, False])
async def test_of_two_codes_at_once_one_opens_the_account(
    client: httpx.AsyncClient, email: str, is_same_code: bool
) -> None:
    await register(client, email)
    first = await mails.code(email)
    await register(client, email.upper())
    second = first if is_same_code else await mails.code(email.upper())

    with connect() as holder:
        holder.execute("SELECT FROM email_links WHERE lower(email) = lower(%s) FOR UPDATE", [email])
        both = [asyncio.create_task(verify(client, code)) for code in (first, second)]
        await lock_queue(2)
        holder.rollback()

    assert sorted(await asyncio.gather(*both)) == [204, 400]


async def test_expired_code_opens_nothing(client: httpx.AsyncClient, email: str) -> None:
    await register(client, email)
    with connect() as connection:
        connection.execute("UPDATE email_links SET expires_at = now() WHERE email = %s", [email])

    assert await verify(client, await mails.code(email)) == 400

    assert (await login(client, email)).status_code == 401


async def test_code_for_a_new_password_verifies_nothing_and_the_other_way_round(
    client: httpx.AsyncClient, alice: Person, email: str
) -> None:
    await client.post("/v1/auth/password-reset", json={"email": alice.email})
    await register(client, email)

    assert await verify(client, await mails.code(alice.email)) == 400
    confirmation = {"token": await mails.code(email), "password": "a new and better password"}
    assert (await client.post("/v1/auth/password-reset/confirm", json=confirmation)).status_code == 400


async def test_changed_address_is_unproved_again(client: httpx.AsyncClient, email: str) -> None:
    await register(client, email)
    await verify(client, await mails.code(email))

    with connect() as connection:
        connection.execute("UPDATE users SET email = upper(email) WHERE email = %s", [email])
        kept = connection.execute("SELECT email_verified_at FROM users WHERE email = %s", [email.upper()]).fetchone()
        connection.execute("UPDATE users SET email = 'new-' || email WHERE email = %s", [email.upper()])
        gone = connection.execute("SELECT email_verified_at FROM users WHERE email = %s", [f"new-{email.upper()}"])

        assert kept is not None
        assert kept[0] is not None
        assert gone.fetchone() == (None,)


async def test_link_leads_to_the_front_end_and_hides_the_code_from_servers(
    client: httpx.AsyncClient, email: str, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://todo.example.com/app"

    await register(client, email)

    (letter,) = await mails.to(email)
    assert "https://todo.example.com/app/verify-email#token=" in letter.body
