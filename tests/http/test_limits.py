"""Limits: what is counted, that nobody escapes or is shut out by another, and what clients are told."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from accounts import tokens
from tests.http.test_errors import assert_problem
from tests.product.test_start import refuse
from tests.support.http.apis import api_client
from tests.support.http.rate_limits import parameters
from tests.support.people import Person
from todoproject.database.client.pool import pool
from todoproject.environment import parsers
from todoproject.environment.variables import Environment
from todoproject.http.client_address import limited_as
from todoproject.http.rate_limits import Buckets, Limiter, Policy
from todoproject.http.request import bearer_token

# --- Buckets --------------------------------------------------------------------------------------


def allowed(buckets: Buckets, key: object, now: float, tries: int = 1) -> int:
    """Return how many of some tries at one moment are allowed."""
    return sum(buckets.allows(buckets.take(key, now)) for _ in range(tries))


@pytest.mark.parametrize(("quota", "window"), [(1, 60), (7, 60), (10, 900), (600, 60), (3, 1), (1000, 7)])
def test_bucket_holds_its_quota_and_refills_evenly(quota: int, window: int) -> None:
    buckets = Buckets(Policy("p", quota, window))
    now = 1_000_000.3

    assert allowed(buckets, "a", now, quota + 5) == quota
    assert allowed(buckets, "a", now + window / quota * 0.98) == 0
    assert allowed(buckets, "a", now + window / quota, 5) == 1
    assert allowed(buckets, "b", now, 1) == 1
    assert allowed(buckets, "a", now + 3 * window, quota + 5) == quota


def test_headers_count_down_and_up_again() -> None:
    buckets = Buckets(Policy("p", 10, 60))

    standings = [buckets.header(buckets.take("a", 100.0)) for _ in range(11)]

    assert standings[:3] == ['"p";r=9;t=6', '"p";r=8;t=12', '"p";r=7;t=18']
    assert standings[9:] == ['"p";r=0;t=60', '"p";r=0;t=66']
    assert buckets.header(buckets.take("a", 130.0)) == '"p";r=4;t=36'


def test_refused_requests_do_not_prolong_the_wait() -> None:
    buckets = Buckets(Policy("p", 2, 60))
    allowed(buckets, "a", 0.0, 2)

    for second in range(30):
        assert allowed(buckets, "a", float(second)) == 0

    assert allowed(buckets, "a", 30.0) == 1


def test_nothing_is_forgotten_before_it_is_full_again() -> None:
    """Keys are dropped by the window: whatever the phase, an exhausted one must come through it."""
    for phase in range(0, 60, 7):
        buckets = Buckets(Policy("p", 10, 60))
        allowed(buckets, "other", 0.0)
        allowed(buckets, "a", float(phase), 10)
        for second in range(phase, phase + 60, 6):
            allowed(buckets, "other", float(second))
            assert allowed(buckets, "a", second + 5.9, 5) == (1 if second > phase else 0)


def test_memory_is_bounded_and_a_busy_key_stays_through_a_flood() -> None:
    buckets = Buckets(Policy("p", 10, 60), most_keys=1000)
    allowed(buckets, "busy", 0.0, 10)

    for number in range(20_000):
        buckets.take(f"stranger {number}", 0.0)
        if number % 500 == 0:
            assert allowed(buckets, "busy", 0.0) == 0

    assert len(buckets) <= 2000


def test_made_up_tokens_count_against_their_address_and_take_no_memory() -> None:
    limiter = Limiter(Policy("default", 100, 60), Policy("account", 200, 60), Policy("anonymous", 10, 60))

    charges = [limiter.charge("192.0.2.1", str(number), 0.0) for number in range(100_000)]

    assert Counter(charge.is_refused for charge in charges) == {False: 10, True: 99_990}
    assert (len(limiter._tokens), len(limiter._owners), len(limiter._addresses)) == (0, 0, 1)


def test_accepted_token_has_its_own_bucket_however_it_is_written() -> None:
    limiter = Limiter(Policy("default", 3, 60), Policy("account", 6, 60), Policy("anonymous", 1, 60))
    limiter.accept(limiter.charge("192.0.2.1", "good", 0.0), "alice", 0.0)

    spellings = ["Bearer good", "bearer   good", "BEARER good", "Bearer good"]
    charges = [limiter.charge("192.0.2.1", bearer_token(spelling), 0.0) for spelling in spellings]

    assert [charge.is_refused for charge in charges] == [False, False, True, True]
    assert charges[0].headers() == ('"default";q=3;w=60', '"default";r=1;t=40')
    # The address has got back what the token had to borrow for its first request.
    assert not limiter.charge("192.0.2.1", None, 0.0).is_refused


def known(limiter: Limiter, account: str, *tokens: str) -> None:
    for token in tokens:
        limiter.accept(limiter.charge("192.0.2.9", token, 0.0), account, 0.0)


def test_many_tokens_of_an_account_are_one_limit() -> None:
    limiter = Limiter(Policy("default", 4, 60), Policy("account", 6, 60), Policy("anonymous", 100, 60))
    known(limiter, "alice", "a", "b")
    known(limiter, "bob", "c")

    charges = [limiter.charge("192.0.2.1", token, 0.0) for token in "aaaabbbc"]

    # Alice has used two before. A token that is over its own limit takes nothing from the account.
    assert [charge.is_refused for charge in charges] == [False] * 3 + [True, False, True, True, False]
    assert charges[3].headers() == ('"default";q=4;w=60', '"default";r=0;t=75')
    assert charges[4].headers() == ('"account";q=6;w=60', '"account";r=0;t=60')
    assert charges[5].refusal().headers["Retry-After"] == "10"
    assert charges[7].headers() == ('"default";q=4;w=60', '"default";r=2;t=30')
    # What the account refused was not taken from the token either.
    assert not limiter.charge("192.0.2.1", "b", 10.0).is_refused


def test_tokens_never_seen_here_give_an_account_nothing_more() -> None:
    limiter = Limiter(Policy("default", 10, 60), Policy("account", 10, 60), Policy("anonymous", 3, 60))
    known(limiter, "alice", *(f"token {number}" for number in range(10)))

    refused = []
    for number in range(5):
        charge = limiter.charge("192.0.2.1", f"fresh {number}", 0.0)
        refused.append(charge.is_refused)
        if not charge.is_refused:
            limiter.accept(charge, "alice", 0.0)

    # Each was answered before anybody knew whose it was, but at the cost of the address.
    assert refused == [False] * 3 + [True] * 2


def test_token_that_has_ended_uses_up_nothing_of_its_account() -> None:
    limiter = Limiter(Policy("default", 10, 60), Policy("account", 10, 60), Policy("anonymous", 3, 60))
    known(limiter, "alice", "hers", "stolen")

    limiter.refuse(limiter.charge("192.0.2.66", "stolen", 0.0))
    stolen = [limiter.charge("192.0.2.66", "stolen", 0.0).is_refused for _ in range(20)]

    assert stolen == [False] * 3 + [True] * 17
    assert [limiter.charge("192.0.2.1", "hers", 0.0).is_refused for _ in range(8)] == [False] * 7 + [True]


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("todoproject.http.rate_limits._MOST_OWNERS", 3)
    limiter = Limiter(Policy("default", 10, 60), Policy("account", 10, 60), Policy("anonymous", 100, 60))
    known(limiter, "alice", *(f"token {number}" for number in range(9)))

    assert len(limiter._owners) == 3


@pytest.mark.parametrize("odd", ["\xa0", "\x85", "\x1c", "\t", "\x00", ",", "=x", ' "', "\x0b", "\xad"])
async def test_token_with_anything_around_it_is_no_token(alice: Person, odd: str) -> None:
    """Else one token would have as many buckets as there are bytes that some reader of the header strips."""
    for text in (f"Bearer {alice.token}{odd}", f"Bearer {odd}{alice.token}", f"Bearer{odd}{alice.token}"):
        answer = await alice.http.get("/v1/me", headers={"Authorization": text.encode("latin-1")})
        assert answer.status_code == 401, text
        assert bearer_token(text) is None, text


@pytest.mark.parametrize("text", ["600", "600/", "/60", "0/60", "60/0", "-1/60", "1.5/60", "1000001/1", "٦/60", "none"])
def test_setting_is_requests_per_seconds_or_off(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RATE_LIMIT", text)

    env = Environment()
    env("RATE_LIMIT", parsers.limit, example="6000/60", default=None)
    with pytest.raises(ImproperlyConfigured, match=r"^RATE_LIMIT .*Example: RATE_LIMIT=6000/60"):
        env.stop_on_mistakes()
    assert (parsers.limit("600/60"), parsers.limit("off")) == ((600, 60), None)


# --- The general limit over HTTP ------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The limits' clock, which stands still until a test moves it."""
    clock = SimpleNamespace(now=1000.0, perf_counter=time.perf_counter, monotonic=lambda: clock.now)
    monkeypatch.setattr("todoproject.http.middleware.time", clock)
    return clock


async def test_token_is_refused_after_its_quota_and_let_in_again(
    alice: Person, settings: Settings, clock: SimpleNamespace
) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (3, 60), (100, 60)
    async with api_client(Authorization=f"Bearer {alice.token}") as http:
        answers = [await http.get("/v1/me") for _ in range(3)]
        with patch.object(pool, "execute", side_effect=AssertionError("the database was asked")):
            refused = await http.get("/v1/me")
        clock.now += 19.9
        still = await http.get("/v1/me")
        clock.now += 0.1
        again = await http.get("/v1/me")

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [parameters(answer.headers["RateLimit"])["default"]["r"] for answer in answers] == [2, 1, 0]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=3;w=60'}
    problem = assert_problem(refused, 429)
    assert (problem["code"], problem["instance"]) == ("too-many-requests", "/v1/me")
    assert refused.headers["Retry-After"] == "20"
    assert parameters(refused.headers["RateLimit"]) == {"default": {"r": 0, "t": 20}}
    assert parameters(refused.headers["RateLimit-Policy"]) == {"default": {"q": 3, "w": 60}}
    assert refused.headers["Cache-Control"] == "private, no-cache"
    assert (still.status_code, still.headers["Retry-After"], again.status_code) == (429, "1", 200)


async def test_one_token_does_not_use_up_anothers(alice: Person, bob: Person, settings: Settings) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (2, 60), (100, 60)
    async with api_client() as http:
        for _ in range(3):
            last = await http.get("/v1/me", headers={"Authorization": f"Bearer {alice.token}"})
        others = await http.get("/v1/me", headers={"Authorization": f"Bearer {bob.token}"})

    assert (last.status_code, others.status_code) == (429, 200)


async def test_strangers_count_by_address_whatever_they_send(settings: Settings, app: httpx.ASGITransport) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (100, 60), (6, 60)
    async with api_client() as http:
        sent = [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": b"\xff\x00"}, {"Authorization": "Basic x"}]
        sent += [{"Authorization": f"Bearer {tokens.generate()}"} for _ in range(4)]
        statuses = [(await http.get("/v1/me", headers=headers)).status_code for headers in sent]  # type: ignore[arg-type]  # bytes too

    assert statuses == [401] * 6 + [429] * 2


async def test_exhausted_address_does_not_shut_out_a_token_in_use(alice: Person, settings: Settings) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (100, 60), (3, 60)
    token = {"Authorization": f"Bearer {alice.token}"}
    async with api_client() as http:
        await http.get("/v1/me", headers=token)
        strangers = [(await http.get("/v1/me")).status_code for _ in range(4)]
        known = await http.get("/v1/me", headers=token)

    assert (strangers, known.status_code) == ([401, 401, 401, 429], 200)


async def test_many_tokens_behind_one_address_are_not_taken_for_strangers(alice: Person, settings: Settings) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (100, 60), (1, 60)
    body = {"name": "script", "scopes": ["account"]}
    made = [(await alice.http.post("/v1/tokens", json=body)).json()["token"] for _ in range(5)]
    async with api_client() as http:
        statuses = [(await http.get("/v1/me", headers={"Authorization": f"Bearer {t}"})).status_code for t in made]

    assert statuses == [200] * 5


@pytest.mark.parametrize(("account", "told"), [(None, 4), ((3, 600), 3)])
async def test_requests_of_all_tokens_of_an_account_are_limited_in_sum(
    alice: Person, bob: Person, settings: Settings, account: tuple[int, int] | None, told: int
) -> None:
    """By default twice what one token may; and no statement more is executed for it."""
    settings.RATE_LIMIT, settings.RATE_LIMIT_ACCOUNT, settings.RATE_LIMIT_ANONYMOUS = (2, 600), account, (100, 60)
    body = {"name": "script", "scopes": ["account"]}
    made = [(await alice.http.post("/v1/tokens", json=body)).json()["token"] for _ in range(4)]
    async with api_client() as http:
        for token in made:
            await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        with patch.object(pool, "execute", side_effect=AssertionError("the database was asked")):
            refused = [await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"}) for token in made]
        others = await http.get("/v1/me", headers={"Authorization": f"Bearer {bob.token}"})

    assert {answer.status_code for answer in refused} == {429}
    assert parameters(refused[0].headers["RateLimit-Policy"]) == {"account": {"q": told, "w": 600}}
    assert others.status_code == 200


async def test_revoked_token_counts_against_its_sender(alice: Person, settings: Settings) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ACCOUNT, settings.RATE_LIMIT_ANONYMOUS = (50, 600), (50, 600), (5, 600)
    made = (await alice.http.post("/v1/tokens", json={"name": "lost", "scopes": ["account"]})).json()
    async with api_client() as http:
        mine, lost = ({"Authorization": f"Bearer {token}"} for token in (alice.token, made["token"]))
        assert (await http.get("/v1/me", headers=lost)).status_code == 200
        assert (await http.delete(f"/v1/tokens/{made['id']}", headers=mine)).status_code == 204
        strangers = [(await http.get("/v1/me", headers=lost)).status_code for _ in range(60)]
        known = await http.get("/v1/me", headers=mine)

    assert strangers == [401] * 6 + [429] * 54
    assert known.status_code == 200


async def test_preflights_and_liveness_are_free_and_health_counts_apart(
    settings: Settings, app: httpx.ASGITransport
) -> None:
    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (100, 60), (2, 60)
    async with api_client() as http:
        free = [(await http.get("/health/live")).status_code for _ in range(5)]
        free += [(await http.options("/v1/tasks")).status_code for _ in range(5)]
        api = [(await http.get("/v1/me")).status_code for _ in range(3)]
        health = [(await http.get("/health")).status_code for _ in range(3)]

    assert free == [200] * 5 + [204] * 5
    assert (api, health) == ([401, 401, 429], [200, 200, 429])


async def test_every_counted_answer_tells_its_limit(alice: Person, client: httpx.AsyncClient) -> None:
    answers = {
        "default": [await alice.http.get("/v1/me"), await alice.http.post("/v1/tasks", json={})],
        "anonymous": [await client.get(path) for path in ("/v1/me", "/v1/nothing", "/health", "/v1/openapi.json")],
    }

    for name, those in answers.items():
        for answer in those:
            assert set(parameters(answer.headers["RateLimit"])) == {name}
            assert set(parameters(answer.headers["RateLimit-Policy"])) == {name}


async def test_limits_can_be_switched_off(alice: Person, settings: Settings) -> None:
    settings.RATE_LIMIT = None
    async with api_client(Authorization=f"Bearer {alice.token}") as http:
        answer = await http.get("/v1/me")

    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers


@pytest.mark.parametrize(
    ("name", "value"), [("RATE_LIMIT", "fast"), ("RATE_LIMIT_ANONYMOUS", "off"), ("LOGIN_LIMIT", "10")]
)
def test_malformed_limit_ends_the_start(name: str, value: str) -> None:
    assert f"{name} " in refuse(**{name: value})


# --- Networks and pages ---------------------------------------------------------------------------


def test_networks_of_one_site_have_a_limit_together() -> None:
    limiter = Limiter(Policy("default", 100, 60), Policy("account", 200, 60), Policy("anonymous", 2, 60))

    def refused(address: str) -> bool:
        return limiter.charge(limited_as(address), None, 1000.0).is_refused

    assert [refused("2001:db8:1:1::1") for _ in range(3)] == [False, False, True]
    spread = [refused(f"2001:db8:1:{network:x}::1") for network in range(2, 50)]
    assert spread.count(False) == 2 * 8 - 3  # one was refused by its own network
    assert not refused("2001:db8:2:1::1")
    assert not refused("192.0.2.1")


async def test_pages_are_within_the_limit_and_apart_from_the_api(app: httpx.ASGITransport) -> None:
    from django.core.handlers.asgi import ASGIHandler

    from todoproject.pages.access_log import BoundedPages

    pages = BoundedPages(ASGIHandler())
    pages._limiter = Limiter(Policy("default", 100, 60), Policy("account", 200, 60), Policy("anonymous", 3, 60))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url="http://testserver") as client:
        statuses = [(await client.get("/docs/errors/")).status_code for _ in range(4)]
        static = await client.get("/static/nothing.css")
        refused = await client.get("/docs/errors/")

    assert statuses[3] == 429
    assert 429 not in statuses[:3]
    assert static.status_code == 404
    assert (refused.json()["code"], "retry-after" in refused.headers) == ("too-many-requests", True)


async def test_files_have_a_limit_too_four_times_as_wide(app: httpx.ASGITransport, settings: Settings) -> None:
    """One that is not there goes through all of Django, as a page does: nobody may ask for them without end."""
    from django.core.handlers.asgi import ASGIHandler

    from todoproject.pages.access_log import BoundedPages

    settings.RATE_LIMIT, settings.RATE_LIMIT_ANONYMOUS = (100, 60), (2, 60)
    pages = BoundedPages(ASGIHandler())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url="http://testserver") as client:
        statuses = [(await client.get(f"/static/{number}.css")).status_code for number in range(9)]
        page = await client.get("/docs/errors/")

    assert statuses == [404] * 8 + [429]
    assert page.status_code != 429


async def test_few_pages_are_made_at_a_time() -> None:
    from todoproject.pages import access_log as access

    under_way, most = 0, 0

    async def application(_: object, __: object, send: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.01)  # a long file: it keeps nobody out
        await send({"type": "http.response.body", "body": b""})

    pages = access.BoundedPages(application)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url="http://testserver") as client:
        answers = await asyncio.gather(*(client.get("/admin/login/") for _ in range(40)))

    assert {answer.status_code for answer in answers} == {200}
    assert most == access._PAGES_AT_A_TIME
