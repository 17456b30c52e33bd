"""A password that is the e-mail, or its part before the @, is the first one that anybody tries."""

import io
import uuid
from collections.abc import Callable

import httpx
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts import passwords
from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.staff import make_user

Form = Callable[[str], str]
FORMS = [str, str.upper, lambda email: email.partition("@")[0], lambda email: f" {email.partition('@')[0].title()} "]
each_form = pytest.mark.parametrize("form", FORMS, ids=["whole", "capitals", "local part", "titled"])


def refused(response: httpx.Response, member: str) -> bool:
    errors = response.json().get("errors", [])
    return response.status_code == 422 and [error["pointer"] for error in errors] == [f"#/{member}"]


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


@each_form
async def test_when_registering(client: httpx.AsyncClient, email: str, form: Form) -> None:
    answer = await client.post("/v1/auth/register", json={"email": email, "password": form(email)})

    assert refused(answer, "password"), answer.text
    assert "e-mail" in answer.json()["errors"][0]["detail"]


@each_form
async def test_when_changing_it(alice: Person, form: Form) -> None:
    change = {"current_password": PASSWORD, "new_password": form(alice.email)}

    assert refused(await alice.http.post("/v1/me/password", json=change), "new_password")


async def test_when_resetting_it_and_the_code_stays_good(client: httpx.AsyncClient, alice: Person) -> None:
    await client.post("/v1/auth/password-reset", json={"email": alice.email})
    new = {"token": await mails.code(alice.email), "password": alice.email}

    assert refused(await client.post("/v1/auth/password-reset/confirm", json=new), "password")
    new["password"] = "another long password"
    assert (await client.post("/v1/auth/password-reset/confirm", json=new)).status_code == 204


async def test_when_opening_an_account_and_the_code_stays_good(
    client: httpx.AsyncClient, email: str, settings: Settings
) -> None:
    settings.EMAIL_VERIFICATION = "required"
    await client.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    new = {"token": await mails.code(email), "password": email}

    assert refused(await client.post("/v1/auth/verify-email", json=new), "password")
    assert (await client.post("/v1/auth/verify-email", json={**new, "password": PASSWORD})).status_code == 204


async def test_when_the_address_becomes_the_password(alice: Person) -> None:
    change = {"password": PASSWORD, "new_email": "correct.horse@example.com"}
    assert (await alice.http.post("/v1/me/email", json=change)).status_code == 200
    new = {"current_password": PASSWORD, "new_password": "a.long.password"}
    assert (await alice.http.post("/v1/me/password", json=new)).status_code == 204

    change = {"password": "a.long.password", "new_email": "A.Long.Password@example.com"}
    assert refused(await alice.http.post("/v1/me/email", json=change), "new_email")


def test_when_staff_or_a_command_sets_it(orm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: user.email)

    with pytest.raises(CommandError):
        call_command("changepassword", user.email, stdout=io.StringIO(), stderr=io.StringIO())


def test_what_only_begins_like_it_is_fine() -> None:
    passwords.validate("alice.liddell and more", email="alice.liddell@example.com")
    passwords.NotTheEmailValidator().validate("anything")
    with pytest.raises(ValidationError):
        passwords.NotTheEmailValidator().validate("u@xn--mnchen-3ya.de", make("u@münchen.de"))


def make(email: str) -> object:
    return type("Somebody", (), {"email": email})()
