"""Requests through the doors count where our own do, whichever they are: for the token, the account and the address."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from accounts import tokens
from accounts.models import Scope
from tests.support.doors.answers import assert_sound
from tests.support.doors.operations import Operation, address, each, operations, send, things
from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject import asgi
from todoproject.http.rate_limits import Limiter, Policy

ALL = operations()
ROOM, PLENTY = 3, 1000
Limit = Callable[[str], None]


@pytest.fixture
def limit(app: object, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Give one of the limits room for three requests, of an application that has counted none yet."""

    def give(name: str) -> None:
        quotas = dict.fromkeys(("default", "account", "anonymous"), PLENTY) | {name: ROOM}
        policies = [Policy(each, quota, 60) for each, quota in quotas.items()]
        monkeypatch.setattr(asgi._api._respond, "_limiter", Limiter(*policies))

    return give


class Ways:
    """One operation, asked again and again by somebody, and our own beside it."""

    def __init__(self, operation: Operation, client: httpx.AsyncClient) -> None:
        self._operation, self._client = operation, client
        self._ids: dict[str, str] = {}

    async def prepare(self, person: Person) -> None:
        """Make what the operation names, before anything is limited."""
        (example, *_) = self._operation.examples
        self._ids = await things(person, self._operation.names(example)) | await address(person, self._operation)

    async def ask(self, bearer: dict[str, str], **ids: str) -> httpx.Response:
        (example, *_) = self._operation.examples
        headers = {} if self._operation.has_secret else bearer
        return await send(self._client, self._operation, example, self._ids | ids, **headers)

    async def ask_ours(self, bearer: dict[str, str]) -> httpx.Response:
        return await self._client.get("/v1/tokens/current", headers=bearer)

    def assert_refused(self, answer: httpx.Response, policy: str) -> None:
        """Hold an answer to what a limit says, in the words of its door."""
        assert answer.status_code == 429, answer.text
        assert answer.headers["RateLimit-Policy"] == f'"{policy}";q={ROOM};w=60'
        assert "Retry-After" in answer.headers
        secret = self._ids.get("secret", "")
        assert_sound(self._operation.door, answer.status_code, answer.headers, answer.content, secret)


def _let_in(answers: list[httpx.Response]) -> bool:
    return not {answer.status_code for answer in answers} & {401, 429, 500}


@each(ALL)
async def test_it_counts_for_its_token(
    operation: Operation, alice: Person, client: httpx.AsyncClient, limit: Limit
) -> None:
    ways, bearer = Ways(operation, client), await alice.token_for(*Scope.values)
    await ways.prepare(alice)
    limit("default")

    # An address is no bearer token: there our own operations cannot take anything from its limit.
    between = await (ways.ask(bearer) if operation.has_secret else ways.ask_ours(bearer))
    answers = [await ways.ask(bearer), between, await ways.ask(bearer)]

    assert _let_in(answers), [answer.text for answer in answers]
    ways.assert_refused(await ways.ask(bearer), "default")


@each(ALL)
async def test_it_counts_for_the_account_whatever_it_is_asked_with(
    operation: Operation, alice: Person, client: httpx.AsyncClient, limit: Limit
) -> None:
    ways, bearers = Ways(operation, client), [await alice.token_for(*Scope.values) for _ in range(3)]
    await ways.prepare(alice)
    limit("account")

    answers = [await ways.ask(bearers[0]), await ways.ask_ours(bearers[1]), await ways.ask(bearers[2])]

    assert _let_in(answers), [answer.text for answer in answers]
    ways.assert_refused(await ways.ask(bearers[0]), "account")
    assert (await ways.ask_ours(bearers[1])).status_code == 429


@each(ALL)
async def test_whoever_has_no_good_token_counts_for_the_address(
    operation: Operation, alice: Person, client: httpx.AsyncClient, limit: Limit
) -> None:
    ways = Ways(operation, client)
    await ways.prepare(alice)
    limit("anonymous")

    def guess() -> Any:
        return ways.ask({"Authorization": f"Bearer {tokens.generate()}"}, secret=tokens.generate())

    answers = [await guess(), await ways.ask_ours({}), await guess()]
    expected = 404 if operation.has_secret else 401
    assert [answer.status_code for answer in answers] == [expected, 401, expected]
    ways.assert_refused(await guess(), "anonymous")
    assert (await ways.ask_ours({})).status_code == 429


@each(ALL)
async def test_what_has_ended_takes_nothing_from_its_owner(
    operation: Operation, alice: Person, client: httpx.AsyncClient, limit: Limit
) -> None:
    ways, bearer = Ways(operation, client), await alice.token_for(*Scope.values)
    await ways.prepare(alice)
    limit("account")
    assert _let_in([await ways.ask(bearer)])
    with connect(autocommit=True) as direct:
        direct.execute(
            "UPDATE access_tokens SET revoked_at = now() WHERE user_id = %s AND kind <> 'session'", [alice.id]
        )

    answers = [await ways.ask(bearer) for _ in range(5)]

    # The first one learns that it has ended, at its owner's cost; from then on whoever sends it pays.
    assert {answer.status_code for answer in answers} == {404 if operation.has_secret else 401}
    assert (await alice.http.get("/v1/tokens/current")).status_code == 200
