"""People change their own e-mail: with their password, and where verification is required with a code from a mail."""

import uuid

import httpx
import pytest
from django.core import mail
from pytest_django import Settings

from tests.support import mails
from tests.support.people import PASSWORD, Person

EMAIL, VERIFY, LOGIN = "/v1/me/email", "/v1/auth/verify-email", "/v1/auth/login"


@pytest.fixture
def new() -> str:
    return f"{uuid.uuid4().hex}@example.com"


async def ask(person: Person, new: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    return await person.http.post(EMAIL, json={"password": password, "new_email": new}, headers=headers)


async def log_in(client: httpx.AsyncClient, email: str) -> int:
    return (await client.post(LOGIN, json={"email": email, "password": PASSWORD})).status_code


async def shown(person: Person) -> tuple[str, bool]:
    me = (await person.http.get("/v1/me")).json()
    return me["email"], me["email_verified_at"] is not None


async def test_it_is_changed_at_once_and_the_old_address_is_told(
    client: httpx.AsyncClient, alice: Person, new: str
) -> None:
    script = await alice.token_for("tasks:read")

    changed = await ask(alice, new)

    assert (changed.status_code, changed.json()["email"]) == (200, new)
    assert await shown(alice) == (new, False)  # this session goes on, and nobody has proved the address
    assert (await client.get("/v1/tasks", headers=script)).status_code == 200
    assert [await log_in(client, email) for email in (new, alice.email)] == [201, 401]
    (letter,) = await mails.to(alice.email)
    assert "changed" in letter.subject
    assert new not in letter.body


async def test_where_proof_is_required_the_code_from_the_new_address_does_it(
    client: httpx.AsyncClient, alice: Person, new: str, settings: Settings
) -> None:
    settings.EMAIL_VERIFICATION = "required"

    asked = await ask(alice, new)

    assert (asked.status_code, list(asked.json())) == (202, ["detail"])
    assert (await shown(alice))[0] == alice.email
    (warning,) = await mails.to(alice.email)
    assert new not in warning.body
    assert (await client.post(VERIFY, json={"token": await mails.code(new)})).status_code == 204
    assert await shown(alice) == (new, True)  # asked for by themselves: their sessions go on
    assert len(await mails.to(alice.email)) == 2


async def test_a_taken_address_is_told_only_to_whoever_reads_it_where_proof_is_required(
    alice: Person, bob: Person, new: str, settings: Settings
) -> None:
    refused = await ask(alice, bob.email.upper())
    assert (refused.status_code, refused.json()["code"]) == (409, "email-taken")

    settings.EMAIL_VERIFICATION = "required"
    answers = [await ask(alice, email) for email in (bob.email.upper(), new)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(202, answers[0].content)] * 2
    (letter,) = await mails.to(bob.email)
    assert "already" in letter.subject
    assert (await shown(alice))[0] == alice.email


@pytest.mark.parametrize("verification", ["off", "required"])
async def test_a_wrong_password_changes_nothing(alice: Person, new: str, settings: Settings, verification: str) -> None:
    settings.EMAIL_VERIFICATION = verification
    mail.outbox.clear()

    refused = await ask(alice, new, "not my password")

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong-password")
    assert (await shown(alice))[0] == alice.email
    assert await mails.to(new) == await mails.to(alice.email) == []


@pytest.mark.parametrize("verification", ["off", "required"])
async def test_another_spelling_needs_no_proof(alice: Person, settings: Settings, verification: str) -> None:
    settings.EMAIL_VERIFICATION = verification

    changed = await ask(alice, alice.email.upper())

    assert (changed.status_code, changed.json()["email"]) == (200, alice.email.upper())
    assert await mails.to(alice.email) == []


async def test_the_last_that_was_asked_for_counts_and_a_new_password_ends_it(
    client: httpx.AsyncClient, alice: Person, new: str, settings: Settings
) -> None:
    settings.EMAIL_VERIFICATION = "required"
    codes = []
    for email in (f"1{new}", f"2{new}"):
        await ask(alice, email)
        codes.append(await mails.code(email))

    assert (await client.post(VERIFY, json={"token": codes[0]})).status_code == 400
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    assert (await alice.http.post("/v1/me/password", json=change)).status_code == 204
    assert (await client.post(VERIFY, json={"token": codes[1]})).status_code == 400


async def test_under_a_key_it_happens_once(alice: Person, new: str) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = [await ask(alice, new, **key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert len(await mails.to(alice.email)) == 1


@pytest.mark.parametrize("email", ["nobody", "a@localhost", "\u212a@example.com", "", None])
async def test_what_is_no_address_is_refused(alice: Person, email: str | None) -> None:
    refused = await alice.http.post(EMAIL, json={"password": PASSWORD, "new_email": email})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/new_email")


async def test_mails_to_strangers_are_limited_by_address(alice: Person, new: str, settings: Settings) -> None:
    settings.EMAIL_VERIFICATION, settings.REGISTER_LIMIT = "required", (1, 1)  # a second: nothing is left behind

    answers = [(await ask(alice, new)).status_code for _ in range(2)]

    assert answers == [202, 429]
