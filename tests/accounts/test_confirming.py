"""Confirming one's password is limited by account, and a code from a mail is looked up before anything is hashed."""

from collections.abc import Iterator

import httpx
import pytest
from pytest_django import Settings

from accounts import passwords
from tests.support import mails
from tests.support.people import Person
from tests.support.postgres.databases import connect

NEW = "a new and better password"


@pytest.fixture(autouse=True)
def _nobody_has_tried() -> Iterator[None]:
    """All tests come from one address, whose buckets these empty."""
    forget = "DELETE FROM attempt_buckets"
    with connect() as connection:
        connection.execute(forget)
    yield
    with connect() as connection:
        connection.execute(forget)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/me/password", {"current_password": "wrong", "new_password": NEW}),
        ("DELETE", "/v1/me", {"password": "wrong"}),
    ],
)
async def test_guesses_are_counted_by_account_and_not_by_token(
    client: httpx.AsyncClient,
    alice: Person,
    bob: Person,
    settings: Settings,
    method: str,
    path: str,
    body: dict[str, str],
) -> None:
    makers = [await alice.token_for("account") for _ in range(6)]
    settings.LOGIN_LIMIT = (5, 900)

    statuses = [(await client.request(method, path, json=body, headers=by)).status_code for by in makers]

    assert statuses == [403] * 5 + [429]
    assert (await bob.http.request(method, path, json=body)).status_code == 403


async def test_login_of_the_same_name_empties_nobodys_bucket(
    client: httpx.AsyncClient, alice: Person, settings: Settings
) -> None:
    settings.LOGIN_LIMIT = (5, 900)
    for _ in range(6):
        await client.post("/v1/auth/login", json={"email": alice.id, "password": "wrong"})

    body = {"current_password": "wrong", "new_password": NEW}
    assert (await alice.http.post("/v1/me/password", json=body)).status_code == 403


@pytest.mark.parametrize("path", ["password-reset/confirm", "verify-email"])
async def test_made_up_code_is_counted_and_hashes_nothing(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    settings.PASSWORD_RESET_LIMIT = (1, 900)
    hashed = []

    async def note(password: str) -> str:
        hashed.append(password)
        return "!"

    monkeypatch.setattr(passwords, "hash_password", note)
    body = {"token": "x" * 43, "password": NEW}

    statuses = [(await client.post(f"/v1/auth/{path}", json=body)).status_code for _ in range(21)]

    assert (statuses, hashed) == ([400] * 20 + [429], [])


async def test_code_is_hashed_for_once_it_is_live(client: httpx.AsyncClient, alice: Person) -> None:
    await client.post("/v1/auth/password-reset", json={"email": alice.email})
    body = {"token": await mails.code(alice.email), "password": NEW}

    assert (await client.post("/v1/auth/password-reset/confirm", json=body)).status_code == 204
    login = {"email": alice.email, "password": NEW}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 201
