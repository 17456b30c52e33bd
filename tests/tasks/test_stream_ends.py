"""How live streams end: with their token, with their reader, and with the server, from which not all return at once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from pytest_django import Settings

from tasks.live import streams as streams_module
from tasks.live.streams import streams
from tests.http.test_deadlines import connected
from tests.monitoring.test_metrics import here, value
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from tests.support.streams import REVOKE, Listener, bearer, begun, listening
from todoproject.http import activity
from todoproject.serving.protocol import WRITE_SECONDS

End = Callable[[Person], Awaitable[None]]


@pytest.fixture(autouse=True)
def _as_served(settings: Settings) -> None:
    settings.STREAM_LIFETIME = 3600
    settings.LIVE_POLL_SECONDS = 30


def by_sql(query: str) -> End:
    """Return an end that comes from elsewhere, so that this process hears nothing of it."""

    async def end(person: Person) -> None:
        with connect(autocommit=True) as direct:
            assert direct.execute(query, [person.id]).rowcount == 1

    return end


async def rotate(person: Person) -> None:
    """Give the script a new token; there is no overlap, so the old one ends at once."""
    [script] = [item for item in (await person.http.get("/v1/tokens")).json()["items"] if item["name"] == "script"]
    answer = await person.http.post(f"/v1/tokens/{script['id']}/rotate")
    assert answer.status_code == 201, answer.text


async def erase(person: Person) -> None:
    answer = await person.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(by_sql(REVOKE), id="revoked"),
        pytest.param(by_sql(REVOKE.replace("revoked_at", "expires_at")), id="expired"),
        pytest.param(rotate, id="rotated"),
        pytest.param(erase, id="erased"),
        pytest.param(by_sql("UPDATE users SET is_active = false WHERE id = %s"), id="deactivated"),
    ],
)
async def test_a_stream_ends_with_its_token(
    app: httpx.ASGITransport,
    alice: Person,
    bob: Person,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    end: End,
) -> None:
    """Ended elsewhere, nothing happens of which its reads could learn: the look at all tokens finds it."""
    settings.TOKEN_ROTATION_OVERLAP = 0
    monkeypatch.setattr(activity, "listeners", [])
    header = await alice.token_for("tasks:read")
    async with listening(app, **header) as listener, listening(app, **bearer(bob)) as his:
        await begun(listener)
        await begun(his)
        await streams._look()
        assert streams.count == 2  # good ones stay
        await end(alice)
        await streams._look()
        assert await listener.block() is None
        assert (streams.count, his.pieces.empty()) == (1, True)
    assert streams.count == 0


async def test_the_end_of_the_server_ends_them_in_order(
    app: httpx.ASGITransport, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = streams_module.Streams()
    monkeypatch.setattr("tasks.api.streams.streams", ending)
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        ending.close(0.1)
        assert await listener.block() is None
        assert (await alice.http.get("/v1/changes/stream")).status_code == 503
    assert ending.count == 0


async def test_streams_that_the_server_ends_do_not_come_back_in_one_moment(
    app: httpx.ASGITransport, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end over some seconds, and each is told a time of its own after which to come back."""
    ending = streams_module.Streams()
    monkeypatch.setattr("tasks.api.streams.streams", ending)

    async def ended(listener: Listener) -> float:
        assert await listener.block() is None
        return asyncio.get_running_loop().time()

    async with AsyncExitStack() as stack:
        own = [bearer(person) for person in (alice, bob) for _ in range(10)]
        listeners = [await stack.enter_async_context(listening(app, **headers)) for headers in own]
        first = [[await listener.block() for _ in range(2)] for listener in listeners]
        waits = [int(retry["retry"]) for _, retry in first if retry]
        ending.close(1.0)
        moments = await asyncio.gather(*map(ended, listeners))

    assert ending.count == 0
    assert (len(waits), min(waits) >= 1000, max(waits) <= 5000) == (20, True, True)
    assert len({*waits}) > 10
    assert max(waits) - min(waits) > 1000
    assert max(moments) - min(moments) > 0.3


async def test_who_never_reads_is_let_go_and_counted_no_more(app: httpx.ASGITransport, alice: Person) -> None:
    """At a real connection, by a clock that the test turns."""
    cursor = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    for number in range(60):
        await alice.task(f"Task {number}", description="x" * 10_000)
    request = f"GET /v1/changes/stream?cursor={cursor} HTTP/1.1\r\nHost: testserver\r\n"
    async with connected(small_buffer=True, application=app.app) as line:
        await line.send(f"{request}Authorization: Bearer {alice.token}\r\n\r\n".encode())
        for _ in range(1000):
            if line.protocol.transport.get_write_buffer_size():
                break
            await asyncio.sleep(0.01)
        assert value(here(), "todo_streams") == streams.count == 1
        assert line.later(WRITE_SECONDS)
        assert not line.later(1)
        await asyncio.sleep(0.1)
        assert value(here(), "todo_streams") == streams.count == 0
