"""Attempts to log in, to register, to reset: counted over all servers, and nobody is locked out by another."""

import asyncio
import time
import uuid
from collections import Counter
from unittest.mock import patch

import httpx
import psycopg
import pytest
from pytest_django import Settings

from accounts import throttling
from tests.http.test_errors import assert_problem
from tests.support.http.apis import api_client
from tests.support.http.rate_limits import parameters
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue
from tests.support.processes.servers import Server
from todoproject.database import embedded
from todoproject.http.rate_limits import Policy

WRONG = "not " + PASSWORD


def email(name: str = "nobody") -> str:
    return f"{name}-{uuid.uuid4().hex}@example.com"


async def attempt(http: httpx.AsyncClient, who: str, password: str = WRONG, to: str = "login") -> httpx.Response:
    return await http.post(f"/v1/auth/{to}", json={"email": who, "password": password})


async def statuses(http: httpx.AsyncClient, who: str, times: int, password: str = WRONG) -> list[int]:
    return [(await attempt(http, who, password)).status_code for _ in range(times)]


def address() -> str:
    """Return an IPv6 address in a network of its own: one nobody has tried from."""
    return f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"


def let_time_pass(seconds: float) -> None:
    """Move all buckets back, which is what time does to them."""
    with connect() as connection:
        connection.execute("UPDATE attempt_buckets SET full_at = full_at - %s * interval '1 s'", [seconds])


async def test_failed_logins_count_and_time_heals(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)
    async with api_client(address()) as http:
        began = time.monotonic()
        failed = await statuses(http, alice.email, 3)
        refused = await attempt(http, alice.email, PASSWORD)
        took = time.monotonic() - began  # the bucket fills meanwhile, and hashing on a busy machine takes its time
        let_time_pass(310)
        after = await statuses(http, alice.email, 2)

    assert failed == [401, 401, 401]
    problem = assert_problem(refused, 429)
    assert problem["code"] == "too-many-requests"
    assert 299 - took <= int(refused.headers["Retry-After"]) <= 300
    assert parameters(refused.headers["RateLimit-Policy"])["login"] == {"q": 3, "w": 900}
    assert parameters(refused.headers["RateLimit"])["login"]["r"] == 0
    assert "anonymous" in parameters(refused.headers["RateLimit"])
    assert after == [401, 429]


async def test_known_and_unknown_emails_are_limited_alike(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)
    async with api_client(address()) as http:
        assert await statuses(http, alice.email, 5) == await statuses(http, email(), 5) == [401, 401, 401, 429, 429]


async def test_case_of_the_email_makes_no_other_account(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)
    spellings = [alice.email, alice.email.upper(), alice.email.title(), f"  {alice.email}"]
    async with api_client(address()) as http:
        assert [(await attempt(http, who)).status_code for who in spellings] == [401, 401, 401, 429]


async def test_failures_from_elsewhere_do_not_lock_the_owner_out(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)
    async with api_client(address()) as attacker, api_client(address()) as owner:
        assert (await statuses(attacker, alice.email, 20)).count(429) == 17
        assert (await attempt(owner, alice.email, PASSWORD)).status_code == 201


async def test_guessing_from_many_addresses_ends_too(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (2, 900)
    found: Counter[int] = Counter()
    for _ in range(8):
        async with api_client(address()) as http:
            found.update(await statuses(http, alice.email, 2))

    assert found == {401: 10, 429: 6}


async def test_spraying_over_many_accounts_ends_by_address(settings: Settings, app: httpx.ASGITransport) -> None:
    settings.LOGIN_LIMIT = (1, 900)
    base = address().removesuffix("1")
    found: Counter[int] = Counter()
    for number in range(25):  # any address of the network is the same client
        async with api_client(f"{base}{number + 1:x}") as http:
            found.update(await statuses(http, email(), 1))

    assert found == {401: 20, 429: 5}


async def test_many_at_once_let_exactly_the_limit_through(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)
    async with api_client(address()) as http:
        await attempt(http, alice.email)  # makes the buckets, which are held until all others wait for them
        with connect() as holder:
            holder.execute("SELECT FROM attempt_buckets FOR UPDATE")
            attempts = [asyncio.create_task(attempt(http, alice.email)) for _ in range(6)]
            await lock_queue(6)
            holder.rollback()
        answers = await asyncio.gather(*attempts)

    assert Counter(answer.status_code for answer in answers) == {401: 2, 429: 4}


async def test_refused_attempt_takes_from_no_bucket(alice: Person, settings: Settings) -> None:
    """Else one address could use up what all addresses together have for the account."""
    settings.LOGIN_LIMIT = (2, 900)
    async with api_client(address()) as attacker:
        await statuses(attacker, alice.email, 30)
    left: Counter[int] = Counter()
    for _ in range(4):
        async with api_client(address()) as http:
            left.update(await statuses(http, alice.email, 2))

    assert left == {401: 8}


async def test_registrations_count_when_they_fail_too(alice: Person, settings: Settings) -> None:
    settings.REGISTER_LIMIT = (2, 900)
    async with api_client(address()) as http:
        taken = [(await attempt(http, alice.email, PASSWORD, "register")).status_code for _ in range(3)]
        weak = [(await attempt(http, "w" + alice.email, "short", "register")).status_code for _ in range(3)]
        began = time.monotonic()
        fresh = Counter([(await attempt(http, email(), PASSWORD, "register")).status_code for _ in range(40)])
        came_back = (time.monotonic() - began) // 22.5 + 1  # 40 for an address in 900 s, on a busy machine, too

    assert (taken, weak) == ([409, 409, 429], [422, 422, 429])
    assert 36 <= fresh[201] <= 36 + came_back
    assert fresh[201] + fresh[429] == 40


async def test_attempts_survive_a_login_that_is_cut_off(alice: Person, settings: Settings) -> None:
    """The attempt is committed before the password is checked, whatever becomes of that."""
    settings.LOGIN_LIMIT = (2, 900)
    async with api_client(address()) as http:
        with patch("accounts.queries.login", side_effect=RuntimeError):
            broken = await statuses(http, alice.email, 2)
        assert (broken, await statuses(http, alice.email, 1, PASSWORD)) == ([500, 500], [429])


async def test_nothing_readable_is_kept_and_rows_go_when_they_are_full(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (5, 60)
    async with api_client(address()) as http:
        await statuses(http, alice.email, 1)
        with connect() as connection:
            rows = connection.execute("SELECT key, full_at FROM attempt_buckets").fetchall()
        let_time_pass(100_000)
        for _ in range(len(rows)):
            await attempt(http, "same@example.com")

    assert rows
    assert all(len(key) == 32 for key, _ in rows)
    with connect() as connection:
        count = connection.execute("SELECT count(*) FROM attempt_buckets").fetchone()
    assert count == (3,)


async def test_long_rest_does_not_save_up_attempts(alice: Person, settings: Settings) -> None:
    settings.LOGIN_LIMIT = (3, 900)
    async with api_client(address()) as http:
        await statuses(http, alice.email, 3)
        let_time_pass(50_000)
        with connect() as connection:  # older ones, which are cleaned away first
            connection.execute(
                "INSERT INTO attempt_buckets SELECT sha256(n::text::bytea), now() - interval '9 years'"
                " FROM generate_series(1, 100) n"
            )
        assert await statuses(http, alice.email, 5) == [401, 401, 401, 429, 429]


async def test_password_resets_are_limited_by_account_wherever_they_come_from(
    settings: Settings, app: httpx.ASGITransport
) -> None:
    settings.PASSWORD_RESET_LIMIT = (2, 3600)
    who = email()
    for _ in range(2):
        await throttling.take(throttling.PASSWORD_RESET, who, address())

    with pytest.raises(throttling.TooManyAttempts) as refused:
        await throttling.take(throttling.PASSWORD_RESET, who.upper(), address())

    assert refused.value.policy == Policy("password-reset", 2, 3600)
    assert 1790 < refused.value.wait <= 1800


async def test_attempts_can_be_switched_off(alice: Person, settings: Settings) -> None:
    async with api_client(address()) as http:
        settings.LOGIN_LIMIT = None
        off = await statuses(http, alice.email, 3)
        settings.LOGIN_LIMIT = (1, 900)
        on = await statuses(http, alice.email, 2)

    assert (off, on) == ([401, 401, 401], [401, 429])


@pytest.mark.parametrize("role", ["todo_api", "todo_account"])
@pytest.mark.parametrize(
    "query",
    ["SELECT FROM attempt_buckets", "DELETE FROM attempt_buckets", "SELECT take_attempt('{}'::bytea[], '{}', '{}')"],
)
def test_roles_of_the_api_neither_read_nor_take_attempts(database: None, role: str, query: str) -> None:
    with connect() as connection:
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query)


@pytest.mark.faults
def test_servers_share_the_login_limit_and_it_survives_a_restart(server: Server) -> None:
    who = email()

    def tries(server: Server, times: int) -> list[int]:
        login = {"email": who, "password": WRONG}
        return [httpx.post(f"{server.url}/v1/auth/login", json=login).status_code for _ in range(times)]

    with Server(LOGIN_LIMIT="4/900") as one, Server("--workers", "2", LOGIN_LIMIT="4/900") as other:
        assert (tries(one, 2), tries(other, 3), tries(one, 1)) == ([401, 401], [401, 401, 429], [429])
        one.kill()
        one.start()
        assert tries(one, 1) == [429]
    with connect(embedded.DATABASE, autocommit=True) as connection:
        connection.execute("DELETE FROM attempt_buckets")
