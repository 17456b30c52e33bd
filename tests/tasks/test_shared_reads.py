"""Streams of one token read once for all of them, and nobody is told by the right of another."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest
import pytest_asyncio
from pytest_django import Settings

from accounts import tokens
from tasks.live import reads
from tasks.live.streams import streams
from tasks.queries import live
from tasks.queries.cursors import Position
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.streams import REVOKE, Listener, bearer, begun, listening
from todoproject.database.client.statement import Credentials
from todoproject.http import activity
from todoproject.serving import lifespan

OF_ACCOUNT, WRITES = 10, 60


class Counted:
    """`live.page`, told whose token it is asked with; it can be held before it answers."""

    def __init__(self) -> None:
        self._page = live.page
        self.digests: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.has_read = asyncio.Event()

    async def page(self, credentials: Credentials, position: Position) -> live.Page:
        self.digests.append(credentials.digest)
        found = await self._page(credentials, position)
        self.has_read.set()
        await self.may_answer.wait()
        return found


@pytest_asyncio.fixture(autouse=True)
async def counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Counted:
    settings.STREAM_LIFETIME = 3600
    settings.LIVE_POLL_SECONDS = 30
    monkeypatch.setattr(activity, "listeners", [partial(lifespan.wake_streams, asyncio.get_running_loop())])
    counted = Counted()
    monkeypatch.setattr(live, "page", counted.page)
    return counted


async def opened(stack: AsyncExitStack, app: httpx.ASGITransport, header: dict[str, str], count: int) -> list[Listener]:
    listeners = [
        await stack.enter_async_context(listening(app, Authorization=header["Authorization"])) for _ in range(count)
    ]
    for listener in listeners:
        await begun(listener)
    await asyncio.sleep(0.1)  # the look with which each of them begins
    return listeners


async def titles(listener: Listener, count: int) -> list[str]:
    told = [await listener.event() for _ in range(count)]
    return [event["data"]["task"]["title"] for event in told if event]


async def test_ten_streams_of_a_token_are_one_read(app: httpx.ASGITransport, alice: Person, counted: Counted) -> None:
    async with AsyncExitStack() as stack:
        listeners = await opened(stack, app, bearer(alice), OF_ACCOUNT)
        counted.digests.clear()
        await alice.task("Told")
        assert [await titles(listener, 1) for listener in listeners] == [["Told"]] * OF_ACCOUNT
        assert counted.digests == [tokens.digest(alice.token)]


async def test_a_read_is_not_shared_with_who_was_woken_after_it_began(alice: Person, counted: Counted) -> None:
    """It may not have seen what they were woken for."""
    credentials = Credentials(tokens.digest(alice.token))
    position = await live.now(credentials)
    shared = reads.of(credentials)
    counted.may_answer.clear()
    before = asyncio.create_task(shared.page(position))
    await counted.has_read.wait()
    await alice.task("Written meanwhile")
    shared.renew()
    after = [asyncio.create_task(shared.page(position)) for _ in range(2)]
    await asyncio.sleep(0)
    counted.may_answer.set()
    assert (await before).events == []
    for page in await asyncio.gather(*after):
        assert [b"Written meanwhile" in event.data for event in page.events] == [True]
    assert len(counted.digests) == 2


async def test_who_leaves_takes_no_read_from_the_others(alice: Person, counted: Counted) -> None:
    credentials = Credentials(tokens.digest(alice.token))
    shared = reads.of(credentials)
    counted.may_answer.clear()
    position = await live.now(credentials)
    leaving, staying = (asyncio.create_task(shared.page(position)) for _ in range(2))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.sleep(0)
    counted.may_answer.set()
    assert (await staying).events == []
    assert leaving.cancelled()


async def test_a_revoked_token_ends_its_own_streams_alone(
    app: httpx.ASGITransport, alice: Person, counted: Counted
) -> None:
    """At the next event, before any look at the tokens: each read passes the fence with the token of its streams."""
    async with AsyncExitStack() as stack:
        revoked = await opened(stack, app, await alice.token_for("tasks:read"), 3)
        others = await opened(stack, app, bearer(alice), 3)
        with connect(autocommit=True) as direct:
            direct.execute(REVOKE, [alice.id])
        await alice.task("After")
        assert [await listener.block() for listener in revoked] == [None] * 3
        assert [await titles(listener, 1) for listener in others] == [["After"]] * 3
        assert streams.count == 3


async def test_a_token_without_the_right_to_read_has_no_part_in_another_ones_reads(
    app: httpx.ASGITransport, alice: Person
) -> None:
    narrow = await alice.token_for("account")
    async with AsyncExitStack() as stack:
        await opened(stack, app, bearer(alice), 1)
        async with listening(app, Authorization=narrow["Authorization"]) as refused:
            await refused.pieces.get()
            assert refused.status == 403


async def test_of_two_owners_under_load_each_stream_is_told_its_own(
    app: httpx.ASGITransport, alice: Person, bob: Person
) -> None:
    async with AsyncExitStack() as stack:
        told = {
            person.email: await opened(stack, app, bearer(person), OF_ACCOUNT) for person in (alice, bob)
        }  # in one process, side by side

        async def write(person: Person) -> None:
            for number in range(WRITES):
                await person.task(f"{person.email} {number}")

        await asyncio.gather(write(alice), write(bob))
        for email, listeners in told.items():
            for listener in listeners:
                assert await titles(listener, WRITES) == [f"{email} {number}" for number in range(WRITES)]
        assert all(listener.pieces.empty() for listeners in told.values() for listener in listeners)


async def test_a_look_answers_nothing_where_nothing_has_happened(alice: Person, bob: Person) -> None:
    digests = [tokens.digest(person.token) for person in (alice, bob)]
    first = await live.news(dict.fromkeys(digests, -1))
    assert first == dict.fromkeys(digests, 0)
    await bob.task()
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE access_tokens SET expires_at = now() WHERE user_id = %s", [alice.id])
    assert await live.news({digests[1]: 1}) == {}
    assert await live.news(dict.fromkeys(digests, 0)) == {digests[0]: None, digests[1]: 1}


async def test_streams_end_with_their_time(app: httpx.ASGITransport, alice: Person, settings: Settings) -> None:
    settings.STREAM_LIFETIME = 0.3
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        assert await listener.block() is None
    assert streams.count == 0
