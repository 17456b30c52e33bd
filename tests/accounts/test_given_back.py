"""Attempts that succeed give back what they took; those that fail never do."""

from collections.abc import Iterator

import httpx
import pytest
from django.test import override_settings
from pytest_django import Settings

from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from tests.support.staff import Client, make_user

LOGIN = "/v1/auth/login"


@pytest.fixture(autouse=True)
def _no_attempts_left_behind(database: None) -> Iterator[None]:
    yield
    with connect(autocommit=True) as connection:  # all tests come from one address
        connection.execute("DELETE FROM attempt_buckets")


async def log_in(client: httpx.AsyncClient, person: Person, password: str = PASSWORD) -> int:
    return (await client.post(LOGIN, json={"email": person.email, "password": password})).status_code


async def test_ten_right_passwords_are_ten_logins(client: httpx.AsyncClient, alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)

    assert [await log_in(client, alice) for _ in range(10)] == [201] * 10


async def test_a_right_one_gives_back_no_wrong_one(
    client: httpx.AsyncClient, alice: Person, settings: Settings
) -> None:
    """Else whoever has an account at the same address would guess for ever."""
    settings.LOGIN_LIMIT = (3, 900)

    tried = ["wrong", PASSWORD, "wrong", PASSWORD, PASSWORD, "wrong", PASSWORD]
    assert [await log_in(client, alice, each) for each in tried] == [401, 201, 401, 201, 201, 401, 429]


async def test_anothers_success_gives_nothing_back_to_me(
    client: httpx.AsyncClient, alice: Person, bob: Person, settings: Settings
) -> None:
    settings.LOGIN_LIMIT = (1, 900)  # twenty for the address
    assert await log_in(client, alice, "wrong") == 401

    assert [await log_in(client, bob) for _ in range(3)] == [201] * 3

    assert await log_in(client, alice) == 429


async def test_an_account_that_is_closed_gives_nothing_back(
    client: httpx.AsyncClient, alice: Person, settings: Settings
) -> None:
    settings.LOGIN_LIMIT = (2, 900)
    with connect(autocommit=True) as connection:
        connection.execute("UPDATE users SET is_active = false WHERE id = %s", [alice.id])

    assert [await log_in(client, alice) for _ in range(3)] == [401, 401, 429]


async def test_confirming_a_password_gives_back_too(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (2, 900)
    one, other = PASSWORD, "another long password"
    answers = []
    for _ in range(4):
        change = {"current_password": one, "new_password": other}
        answers.append((await alice.http.post("/v1/me/password", json=change)).status_code)
        one, other = other, one

    assert answers == [204] * 4
    wrong = {"current_password": "wrong", "new_password": other}
    statuses = [(await alice.http.post("/v1/me/password", json=wrong)).status_code for _ in range(3)]
    assert statuses == [403, 403, 429]


@override_settings(LOGIN_LIMIT=(2, 900))
def test_staff_are_given_back_too(orm: None) -> None:
    user = make_user(is_staff=True)
    user.set_password(PASSWORD)
    user.save()

    def sign_in(password: str) -> int:
        form = {"username": user.email, "password": password}
        return Client().post("/admin/login/?next=/admin/", form).status_code

    assert [sign_in(PASSWORD) for _ in range(4)] == [302] * 4
    assert [sign_in("wrong"), sign_in("wrong"), sign_in(PASSWORD)] == [200, 200, 200]
