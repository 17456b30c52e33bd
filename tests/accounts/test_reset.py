"""A new password without the old one: a code by mail, which works once, for its address, and not for long."""

import asyncio
import uuid

import httpx
import pytest

from accounts import tokens
from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue

NEW = "a new and better password"


async def ask(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/v1/auth/password-reset", json={"email": email})


async def confirm(client: httpx.AsyncClient, code: str, password: str = NEW, **more: object) -> tuple[int, str | None]:
    body = {"token": code, "password": password, **more}
    response = await client.post("/v1/auth/password-reset/confirm", json=body)
    return response.status_code, response.json()["code"] if response.content else None


async def login(client: httpx.AsyncClient, email: str, password: str) -> int:
    return (await client.post("/v1/auth/login", json={"email": email, "password": password})).status_code


def prove(person: Person) -> None:
    """Note that they have proved to read their address."""
    with connect() as connection:
        connection.execute("UPDATE users SET email_verified_at = now() WHERE id = %s", [person.id])


async def test_code_from_the_mail_sets_a_new_password(client: httpx.AsyncClient, alice: Person) -> None:
    assert (await ask(client, alice.email.upper())).status_code == 202
    code = await mails.code(alice.email)

    assert await confirm(client, code) == (204, None)

    assert await login(client, alice.email, PASSWORD) == 401
    assert await login(client, alice.email, NEW) == 201
    assert (await mails.to(alice.email))[-1].subject == "Your password was changed"


async def test_reset_proves_the_address(client: httpx.AsyncClient, alice: Person) -> None:
    assert (await alice.http.get("/v1/me")).json()["email_verified_at"] is None
    await ask(client, alice.email)
    await confirm(client, await mails.code(alice.email))

    session = (await client.post("/v1/auth/login", json={"email": alice.email, "password": NEW})).json()

    assert session["user"]["email_verified_at"] is not None


async def test_code_works_once_and_ends_the_others(client: httpx.AsyncClient, alice: Person) -> None:
    await ask(client, alice.email)
    other = await mails.code(alice.email)
    await ask(client, alice.email)
    code = await mails.code(alice.email)

    assert await confirm(client, code) == (204, None)

    assert await confirm(client, code) == (400, "invalid-link")
    assert await confirm(client, other) == (400, "invalid-link")


@pytest.mark.parametrize("is_same_code", [True, False])
async def test_of_two_resets_at_once_one_wins_and_they_do_not_wait_for_each_other(
    client: httpx.AsyncClient, alice: Person, is_same_code: bool
) -> None:
    codes = []
    for _ in range(2):
        if not codes or not is_same_code:
            await ask(client, alice.email)
        codes.append(await mails.code(alice.email))
    passwords = [f"{NEW} {number}" for number in range(2)]
    await alice.http.post("/v1/auth/logout")  # or its end would make the second one wait

    with connect() as connection:
        connection.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        both = [asyncio.create_task(confirm(client, *pair)) for pair in zip(codes, passwords, strict=True)]
        await lock_queue(2)
        connection.rollback()

    outcomes = await asyncio.gather(*both)
    assert sorted(outcomes, key=str) == [(204, None), (400, "invalid-link")]
    statuses = [await login(client, alice.email, password) for password in passwords]
    assert [status == 201 for status in statuses] == [outcome == (204, None) for outcome in outcomes]


async def test_reset_that_waits_for_the_account_holds_no_code_yet(client: httpx.AsyncClient, alice: Person) -> None:
    """A change of the password has the account, and wants the codes: each would wait for the other."""
    await ask(client, alice.email)
    code = await mails.code(alice.email)

    with connect() as holder, connect() as looker:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        resetting = asyncio.create_task(confirm(client, code))
        await lock_queue(1)
        free = looker.execute("SELECT FROM email_links WHERE email = %s FOR UPDATE SKIP LOCKED", [alice.email])
        assert len(free.fetchall()) == 1
        looker.rollback()
        holder.rollback()

    assert await resetting == (204, None)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE email_links SET expires_at = now() WHERE email = %(email)s",
        "UPDATE users SET is_active = false WHERE email = %(email)s",
        "UPDATE users SET email = 'new-' || email WHERE email = %(email)s",
        "UPDATE email_links SET purpose = 'verify', password = 'x' WHERE email = %(email)s",
    ],
)
async def test_code_is_refused_once_things_have_changed(client: httpx.AsyncClient, alice: Person, change: str) -> None:
    await ask(client, alice.email)
    code = await mails.code(alice.email)
    with connect() as connection:
        before = connection.execute("SELECT password FROM users WHERE id = %s", [alice.id]).fetchone()
        connection.execute(change, {"email": alice.email})

    assert await confirm(client, code) == (400, "invalid-link")

    with connect() as connection:
        assert connection.execute("SELECT password FROM users WHERE id = %s", [alice.id]).fetchone() == before


async def test_changed_password_ends_codes_that_are_on_their_way(client: httpx.AsyncClient, alice: Person) -> None:
    await ask(client, alice.email)
    code = await mails.code(alice.email)
    change = {"current_password": PASSWORD, "new_password": NEW}
    assert (await alice.http.post("/v1/me/password", json=change)).status_code == 204

    assert await confirm(client, code, "the third password") == (400, "invalid-link")


async def test_code_is_for_its_own_address_only(client: httpx.AsyncClient, alice: Person, bob: Person) -> None:
    await ask(client, alice.email)

    await confirm(client, await mails.code(alice.email))

    assert await login(client, bob.email, PASSWORD) == 201
    assert (await bob.http.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("code", "status"), [("x", 400), ("a" * 43, 400), ("x\x00", 422), ("x" * 101, 422), ("", 422), (1, 422), ("é", 400)]
)
async def test_made_up_code_is_refused(client: httpx.AsyncClient, code: str, status: int) -> None:
    assert (await confirm(client, code))[0] == status


async def test_edited_code_is_refused_and_uses_nothing_up(client: httpx.AsyncClient, alice: Person) -> None:
    await ask(client, alice.email)
    code = await mails.code(alice.email)

    assert await confirm(client, code.swapcase()) == (400, "invalid-link")
    assert await confirm(client, code + " ") == (400, "invalid-link")
    assert await confirm(client, code, "password123") == (422, "invalid")

    assert await confirm(client, code) == (204, None)


async def test_unknown_and_inactive_addresses_get_the_same_answer_and_no_mail(
    client: httpx.AsyncClient, alice: Person, bob: Person
) -> None:
    with connect() as connection:
        connection.execute("UPDATE users SET is_active = false WHERE id = %s", [bob.id])
    nobody = f"{uuid.uuid4().hex}@example.com"
    answers = [await ask(client, email) for email in (alice.email, bob.email, nobody)]

    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert [len(await mails.to(email)) for email in (alice.email, bob.email, nobody)] == [1, 0, 0]


async def test_address_that_only_looks_the_same_in_lower_case_gets_no_code(client: httpx.AsyncClient) -> None:
    name = uuid.uuid4().hex
    stored, look_alike = f"k{name}@example.com", f"\u212a{name}@example.com"  # the Kelvin sign, a K in lower case
    register = {"email": stored, "password": PASSWORD}
    assert (await client.post("/v1/auth/register", json=register)).status_code == 201

    await ask(client, look_alike)

    assert await mails.to(look_alike) == []


async def test_only_a_digest_of_the_code_is_kept_and_it_is_never_logged(
    client: httpx.AsyncClient, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await ask(client, alice.email)
    code = await mails.code(alice.email)

    with connect() as connection:
        kept = connection.execute("SELECT l.*::text, digest FROM email_links l WHERE email = %s", [alice.email])
        text, digest = kept.fetchone() or ("", b"")
    assert digest == tokens.digest(code)
    assert code not in text
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "mail sent" in logged
    assert code not in logged
    assert alice.email not in logged


async def test_expired_links_are_forgotten(client: httpx.AsyncClient, alice: Person) -> None:
    await ask(client, alice.email)
    with connect() as connection:
        connection.execute("UPDATE email_links SET expires_at = now() WHERE email = %s", [alice.email])

    await ask(client, "somebody@example.com")

    with connect() as connection:
        count = connection.execute("SELECT count(*) FROM email_links WHERE email = %s", [alice.email])
        assert count.fetchone() == (0,)
