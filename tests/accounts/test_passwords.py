"""Passwords: changing one, hashing many at once, and telling nobody by the clock which address is known."""

import asyncio
import statistics
import threading
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from django.contrib.auth.hashers import check_password
from pytest_django import Settings

from accounts import passwords
from accounts.models import Scope
from tests.support import mails
from tests.support.http.operations import operations
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue
from todoproject.mail.outbox import outbox

NEW = "a new and better password"


async def change(person: Person, current: str = PASSWORD, new: str = NEW, **more: object) -> httpx.Response:
    return await person.http.post("/v1/me/password", json={"current_password": current, "new_password": new, **more})


async def login(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": email, "password": password})


def bearer(response: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {response.json()['token']}"}


# --- Changing it ----------------------------------------------------------------------------------


async def test_change_lets_the_new_password_in_and_the_old_one_no_more(
    client: httpx.AsyncClient, alice: Person
) -> None:
    assert (await change(alice)).status_code == 204

    assert (await login(client, alice.email)).status_code == 401
    assert (await login(client, alice.email, NEW)).status_code == 201


async def test_change_leaves_other_people_alone(bob: Person, alice: Person) -> None:
    await change(alice, revoke_tokens=True)

    assert (await bob.http.get("/v1/me")).status_code == 200


async def test_change_is_told_by_mail(alice: Person) -> None:
    await change(alice)

    assert [letter.subject for letter in await mails.to(alice.email)] == ["Your password was changed"]


async def test_wrong_current_password_changes_nothing(client: httpx.AsyncClient, alice: Person) -> None:
    other = bearer(await login(client, alice.email))

    refused = await change(alice, current="a wrong password")

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong-password")
    assert (await client.get("/v1/me", headers=other)).status_code == 200
    assert (await login(client, alice.email)).status_code == 201
    assert await mails.to(alice.email) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"current_password": PASSWORD, "new_password": "short"}, "#/new_password"),
        ({"current_password": PASSWORD, "new_password": "password123"}, "#/new_password"),
        ({"current_password": PASSWORD, "new_password": "x" * 513}, "#/new_password"),
        ({"current_password": PASSWORD, "new_password": "nul\0" * 8}, "#/new_password"),
        ({"current_password": PASSWORD}, "#/new_password"),
        ({"current_password": 1, "new_password": NEW}, "#/current_password"),
        ({"current_password": PASSWORD, "new_password": NEW, "revoke_tokens": 1}, "#/revoke_tokens"),
        ({"current_password": PASSWORD, "new_password": NEW, "password": NEW}, "#/password"),
    ],
)
async def test_bad_change_is_refused(alice: Person, body: dict[str, object], pointer: str) -> None:
    refused = await alice.http.post("/v1/me/password", json=body)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_change_needs_the_account_scope(client: httpx.AsyncClient, alice: Person) -> None:
    weak = await alice.token_for("tasks:read", "tasks:write")

    refused = await client.post(
        "/v1/me/password", json={"current_password": PASSWORD, "new_password": NEW}, headers=weak
    )

    assert (refused.status_code, refused.json()["required"]) == (403, ["account"])


async def test_session_that_is_rotated_during_the_change_does_not_get_away(
    client: httpx.AsyncClient, alice: Person
) -> None:
    """A thief who keeps rotating a stolen session must not slip through the change that is to shut them out."""
    stolen = await login(client, alice.email)
    thief, alive = {"value": bearer(stolen)}, {"value": True}

    async def keep_rotating() -> None:
        while alive["value"]:
            current = await client.get("/v1/tokens/current", headers=thief["value"])
            if current.status_code == 401:
                return
            rotated = await client.post(f"/v1/tokens/{current.json()['id']}/rotate", headers=thief["value"])
            if rotated.status_code == 201:
                thief["value"] = bearer(rotated)

    task = asyncio.create_task(keep_rotating())
    await asyncio.sleep(0.05)
    assert (await change(alice)).status_code == 204
    await asyncio.sleep(0.05)
    alive["value"] = False
    await task

    assert (await client.get("/v1/me", headers=thief["value"])).status_code == 401
    with connect() as connection:
        query = "SELECT count(*) FROM access_tokens WHERE user_id = %s AND revoked_at IS NULL"
        assert connection.execute(query, [alice.id]).fetchone() == (1,)


async def test_token_that_is_just_being_rotated_ends_with_its_successor(alice: Person) -> None:
    def end_tokens() -> None:
        with connect() as ending:
            ending.execute("SELECT end_tokens(%s, null, false)", [alice.id])

    with connect() as rotating:
        rotating.execute("SELECT FROM access_tokens WHERE user_id = %s FOR UPDATE", [alice.id])
        rotating.execute(
            "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes)"
            " SELECT gen_random_uuid(), user_id, kind, name, sha256(digest), scopes FROM access_tokens"
            " WHERE user_id = %s",
            [alice.id],
        )
        ended = asyncio.create_task(asyncio.to_thread(end_tokens))
        await lock_queue(1)
        rotating.commit()
        await ended
        query = "SELECT count(*), count(revoked_at) FROM access_tokens WHERE user_id = %s"
        assert rotating.execute(query, [alice.id]).fetchone() == (2, 2)


async def test_login_that_checks_the_old_password_during_the_change_fails(
    client: httpx.AsyncClient, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify_password

    async def verify_then_be_overtaken(password: str, encoded: str | None) -> bool:
        correct = await verify(password, encoded)
        with connect() as connection:
            connection.execute("UPDATE users SET password = 'another' WHERE id = %s", [alice.id])
        return correct

    monkeypatch.setattr(passwords, "verify_password", verify_then_be_overtaken)

    assert (await login(client, alice.email)).status_code == 401


# --- Many at once ---------------------------------------------------------------------------------


async def latency(person: Person, seconds: float = 0.0, storm: "asyncio.Future[object] | None" = None) -> list[float]:
    """Time other requests, one after the other, for some seconds or for as long as the storm lasts."""
    samples, until = [], time.perf_counter() + seconds
    while (storm is not None and not storm.done()) or time.perf_counter() < until:
        started = time.perf_counter()
        assert (await person.http.get("/v1/me")).status_code == 200
        samples.append(time.perf_counter() - started)
    return samples


async def test_login_storm_does_not_hold_other_requests(
    client: httpx.AsyncClient, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 120)  # on a busy machine; it is not what is tried
    calm = statistics.median(await latency(bob, 0.3))
    storm = asyncio.gather(*(login(client, alice.email) for _ in range(40)))

    samples = await latency(bob, storm=storm)

    assert {answer.status_code for answer in await storm} == {201}
    print(f"calm {calm * 1000:.2f} ms, storm {statistics.median(samples) * 1000:.2f} ms, {len(samples)} requests")
    # On the event loop, or in a pool they share, others would wait for all forty: some half a second.
    assert statistics.median(samples) < max(10 * calm, 0.05)
    assert len(samples) > 10


async def test_logins_beyond_the_bound_are_told_to_come_back(
    client: httpx.AsyncClient, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 4)

    answers = await asyncio.gather(*(login(client, alice.email) for _ in range(20)))

    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {201, 503}
    assert {(answer.json()["code"], answer.headers["Retry-After"]) for answer in refused} == {("overloaded", "2")}
    assert (await login(client, alice.email)).status_code == 201


# --- What the clock tells -------------------------------------------------------------------------


Ask = Callable[[], Awaitable[object]]


async def ratio(known: Ask, unknown: Ask, pairs: int) -> float:
    """Return how many times as long the known takes: the median over many pairs, asked one right after the other."""
    ratios = []
    for number in range(pairs):
        seconds: dict[Ask, float] = {}
        for ask in (known, unknown) if number % 2 else (unknown, known):
            started = time.perf_counter()
            await ask()
            seconds[ask] = time.perf_counter() - started
            await outbox.drain()  # the mail goes out behind the answer, so it is not measured with the next one
        ratios.append(seconds[known] / seconds[unknown])
    return statistics.median(ratios)


async def assert_alike(known: Ask, unknown: Ask, pairs: int) -> None:
    """Hold two requests to the same time. What differs, differs every time; a busy machine may be forgiven twice."""
    measured = [await ratio(known, unknown, pairs)]
    while len(measured) < 3 and not 0.8 < measured[-1] < 1.25:
        measured.append(await ratio(known, unknown, pairs))
    print(f"known / unknown = {', '.join(f'{value:.3f}' for value in measured)}")
    assert 0.8 < measured[-1] < 1.25, measured


@pytest.mark.parametrize(
    ("path", "verification", "password", "pairs"),
    [
        ("login", "off", "a wrong password", 25),
        ("register", "required", PASSWORD, 25),
        ("password-reset", "off", None, 150),
    ],
)
async def test_clock_does_not_tell_which_address_is_known(
    client: httpx.AsyncClient,
    alice: Person,
    settings: Settings,
    path: str,
    verification: str,
    password: str | None,
    pairs: int,
) -> None:
    settings.EMAIL_VERIFICATION = verification
    statuses = set()

    def asking(email: Callable[[], str]) -> Ask:
        async def ask() -> None:
            body = {"email": email()} | ({"password": password} if password else {})
            statuses.add((await client.post(f"/v1/auth/{path}", json=body)).status_code)

        return ask

    unknown = asking(lambda: f"nobody-{uuid.uuid4().hex}@example.com")
    await assert_alike(asking(lambda: alice.email), unknown, pairs)

    assert len(statuses) == 1


async def test_the_hash_for_unknown_addresses_costs_what_any_other_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made up, so that no start waits for it: it must be one that the password is compared with all the same."""
    seen: list[str] = []

    def check(password: str, encoded: str) -> bool:
        seen.append(encoded)
        return check_password(password, encoded)

    monkeypatch.setattr(passwords, "check_password", check)
    real = await passwords.hash_password(PASSWORD)

    assert not await passwords.verify_password(PASSWORD, None)

    assert len(seen[0]) == len(real)
    costs = [extract_parameters(encoded.removeprefix("argon2")) for encoded in (seen[0], real)]
    assert costs[0] == costs[1]
    PasswordHasher().verify(real.removeprefix("argon2"), PASSWORD)
    with pytest.raises(VerifyMismatchError):  # and not InvalidHashError, which comes without any work
        PasswordHasher().verify(seen[0].removeprefix("argon2"), PASSWORD)


async def test_clock_does_not_tell_whether_a_code_is_live(client: httpx.AsyncClient, alice: Person) -> None:
    """One that opens nothing is refused like one that is made up, before a password is hashed."""

    async def made_up() -> None:
        body = {"token": uuid.uuid4().hex, "password": NEW}
        await client.post("/v1/auth/password-reset/confirm", json=body)

    async def live() -> None:
        body = {"token": code, "password": NEW}
        await client.post("/v1/auth/password-reset/confirm", json=body)

    await client.post("/v1/auth/password-reset", json={"email": alice.email})
    code = await mails.code(alice.email)
    with connect() as connection:
        connection.execute("UPDATE users SET is_active = false WHERE id = %s", [alice.id])

    await assert_alike(live, made_up, 25)


async def test_scopes_of_a_login_are_all_there_are(client: httpx.AsyncClient, alice: Person) -> None:
    current = await client.get("/v1/tokens/current", headers=bearer(await login(client, alice.email)))

    assert current.json()["scopes"] == Scope.values


async def test_a_crowd_of_logins_is_answered_in_turn(
    client: httpx.AsyncClient, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is tried is the queue, so nothing is hashed."""
    order: list[str] = []

    def check(password: str, encoded: str) -> bool:
        order.append(password)
        return False

    monkeypatch.setattr(passwords, "check_password", check)
    names = [str(number) for number in range(150)]

    answers = await asyncio.gather(*[login(client, alice.email, name) for name in names])

    assert [answer.status_code for answer in answers] == [401] * 150
    assert sorted(order) == sorted(names)


async def test_who_waits_too_long_for_a_hash_is_told_so_and_costs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 0.05)
    goes_on = threading.Event()
    tried: list[str] = []

    def check(password: str, encoded: str) -> bool:
        tried.append(password)
        return goes_on.wait(10)

    monkeypatch.setattr(passwords, "check_password", check)
    waiting = [asyncio.create_task(passwords.verify_password(name, "hash")) for name in ("a", "b", "late")]
    with pytest.raises(passwords.TooManyLogins):
        await waiting[2]
    goes_on.set()

    assert await asyncio.gather(*waiting[:2]) == [True, True]  # begun in time, so they are let finish
    assert sorted(tried) == ["a", "b"]


HASHING = {"register", "login", "verify_email", "confirm_password_reset", "change_password", "change_email", "erase_me"}


def test_each_operation_that_hashes_says_that_it_may_be_overloaded() -> None:
    said = {operation.id for operation in operations() if "overloaded" in str(operation.responses["503"])}

    assert said == HASHING
