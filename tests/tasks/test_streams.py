"""Live streams: what happens is told once, in order, to its owner only, for as long as the token is good."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pytest_django import Settings

from tasks.background import reminders
from tasks.live import streams as streams_module
from tasks.live.streams import streams
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.streams import REVOKE, bearer, begun, listening
from todoproject.http import activity
from todoproject.serving import lifespan


@pytest_asyncio.fixture(autouse=True)
async def _as_served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker does: its own writes wake its streams."""
    settings.STREAM_LIFETIME = 3600
    settings.LIVE_POLL_SECONDS = 30
    monkeypatch.setattr(activity, "listeners", [partial(lifespan.wake_streams, asyncio.get_running_loop())])


async def test_what_happens_is_told_in_order_as_the_feed_shows_it(app: httpx.ASGITransport, alice: Person) -> None:
    async with listening(app, **bearer(alice)) as listener:
        cursor = await begun(listener)
        assert (listener.status, listener.headers["content-type"]) == (200, "text/event-stream")
        assert listener.headers["x-accel-buffering"] == "no"
        assert "content-length" not in listener.headers
        assert "content-encoding" not in listener.headers
        task = await alice.task()
        first = await listener.event()
        kept = await alice.list()
        await alice.http.delete(f"/v1/tasks/{task['id']}")
        second, third = await listener.event(), await listener.event()

    assert first is not None
    assert (first["event"], first["data"]["task"]) == ("task", task)
    assert second is not None
    assert (second["event"], second["data"]["list"]) == ("list", kept)
    assert third is not None
    assert third["data"] == {"kind": "task", "change_no": 3, "id": task["id"], "deleted": True, "task": None}
    followed = (await alice.http.get("/v1/changes", params={"cursor": cursor})).json()
    assert followed["items"] == [second["data"], third["data"]]
    assert (await alice.http.get("/v1/changes", params={"cursor": third["id"]})).json()["items"] == []


async def test_whoever_comes_back_goes_on_where_they_were(app: httpx.ASGITransport, alice: Person) -> None:
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        await alice.task("First")
        first = await listener.event()
        assert first is not None
    second = await alice.task("Second")
    for how in ({"query": f"cursor={first['id']}"}, {"Last_Event_ID": first["id"]}):
        async with listening(app, **how, **bearer(alice)) as listener:
            assert await begun(listener) == first["id"]
            told = await listener.event()
            assert told is not None
            assert told["data"]["task"] == second


async def test_an_empty_last_event_id_begins_now(app: httpx.ASGITransport, alice: Person) -> None:
    """An EventSource that has been told no id yet may send none, or an empty one."""
    await alice.task("Before")
    now = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    async with listening(app, Last_Event_ID="", **bearer(alice)) as listener:
        assert await begun(listener) == now
        task = await alice.task("After")
        told = await listener.event()
    assert told is not None
    assert told["data"]["task"] == task


async def test_a_cursor_counts_before_the_last_event_id(app: httpx.ASGITransport, alice: Person) -> None:
    await alice.task("First")
    first = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    second = await alice.task("Second")
    last = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    async with listening(app, f"cursor={first}", Last_Event_ID=last, **bearer(alice)) as listener:
        assert await begun(listener) == first
        told = await listener.event()
    assert told is not None
    assert told["data"]["task"] == second


async def test_nobody_hears_of_anybody_else(app: httpx.ASGITransport, alice: Person, bob: Person) -> None:
    async with listening(app, **bearer(alice)) as hers, listening(app, **bearer(bob)) as his:
        await begun(hers)
        await begun(his)
        for number in range(20):
            await (alice if number % 2 else bob).task(f"Task {number}")
        told = [[await listener.event() for _ in range(10)] for listener in (hers, his)]
        assert hers.pieces.empty()
        assert his.pieces.empty()
    titles = [[event["data"]["task"]["title"] for event in events if event] for events in told]
    assert titles == [[f"Task {number}" for number in range(20) if number % 2 == odd] for odd in (1, 0)]


async def test_a_reminder_is_told_when_it_fires_and_to_those_who_missed_it(
    app: httpx.ASGITransport, alice: Person
) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    task = await alice.task(reminders=[{"at": at}])
    cursor = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        await reminders.fire_reminders()
        told = await listener.event()
    async with listening(app, f"cursor={cursor}", **bearer(alice)) as listener:
        await begun(listener)
        assert await listener.event() == told
    assert told is not None
    assert told["event"] == "reminder"
    assert told["data"] == {"change_no": 2, "id": task["id"], "reminder": {"at": at}, "task": task}
    assert (await alice.http.get("/v1/changes", params={"cursor": cursor})).json()["items"] == []


async def test_a_slow_reader_costs_one_flag_and_then_is_told_the_present(
    app: httpx.ASGITransport, alice: Person
) -> None:
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        listener.is_reading.clear()
        task = await alice.task("0")
        for number in range(1, 30):
            await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": str(number)})
        await asyncio.sleep(0)
        assert listener.pieces.qsize() == 0
        listener.is_reading.set()
        told = []
        while not told or told[-1] != "29":
            event = await listener.event()
            assert event is not None
            told.append(event["data"]["task"]["title"])
    assert len(told) <= 3  # what it was reading, and what there is now


async def test_a_cursor_that_is_too_old_is_told_and_ends_the_stream(app: httpx.ASGITransport, alice: Person) -> None:
    await alice.task()
    cursor = (await alice.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    with connect(autocommit=True) as direct:
        direct.execute("DELETE FROM tasks WHERE user_id = %s", [alice.id])
    async with listening(app, f"cursor={cursor}", **bearer(alice)) as listener:
        await begun(listener)
        event = await listener.event()
        assert event is not None
        assert event["event"] == "sync-expired"
        assert await listener.block() is None


async def test_cursors_of_others_and_of_nobody_are_refused(
    app: httpx.ASGITransport, alice: Person, bob: Person
) -> None:
    theirs = (await bob.http.get("/v1/changes?cursor=now")).json()["next_cursor"]
    for cursor in (theirs, "nonsense"):
        answer = await alice.http.get("/v1/changes/stream", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")
    assert streams.count == 0


async def test_what_others_write_is_found_by_one_query(
    app: httpx.ASGITransport, alice: Person, bob: Person, settings: Settings
) -> None:
    settings.LIVE_POLL_SECONDS = 0.1
    async with listening(app, **bearer(alice)) as hers, listening(app, **bearer(bob)) as his:
        await begun(hers)
        await begun(his)
        with connect(autocommit=True) as direct:
            for person in (alice, bob):
                direct.execute(
                    "INSERT INTO tasks (key, id, user_id, title)"
                    " SELECT made, made, %s, 'From SQL' FROM (SELECT gen_random_uuid() AS made) AS one",
                    [person.id],
                )
        for listener in (hers, his):
            event = await listener.event()
            assert event is not None
            assert event["data"]["task"]["title"] == "From SQL"
    assert streams._polling is None


async def test_an_account_has_so_many_and_those_who_left_do_not_count(
    app: httpx.ASGITransport, alice: Person, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(streams_module, "MOST_OF_ACCOUNT", 1)
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        refused = await alice.http.get("/v1/changes/stream")
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-streams")
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        monkeypatch.setattr(streams_module, "MOST_OF_ACCOUNT", 10)
        settings.MAX_STREAMS = 1
        refused = await alice.http.get("/v1/changes/stream")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert "Retry-After" in refused.headers
    assert streams.count == 0


async def test_it_says_that_it_is_still_there(
    app: httpx.ASGITransport, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("todoproject.http.heartbeats.SECONDS", 0.05)
    async with listening(app, **bearer(alice)) as listener:
        await begun(listener)
        assert await listener.pieces.get() == b":\n\n"


# --- Tickets --------------------------------------------------------------------------------------


async def test_a_ticket_opens_one_stream_once(app: httpx.ASGITransport, alice: Person, lines: Any) -> None:
    made = await alice.http.post("/v1/auth/stream-ticket")
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    ticket = made.json()["ticket"]
    async with listening(app, f"ticket={ticket}") as listener:
        await begun(listener)
        task = await alice.task()
        event = await listener.event()
        assert event is not None
        assert event["data"]["task"] == task
    async with listening(app, f"ticket={ticket}") as listener:
        await listener.pieces.get()
        assert listener.status == 401
    assert ticket not in str(lines.read())


async def test_old_tickets_go_with_the_next_one(alice: Person, bob: Person) -> None:
    for person in (alice, alice, bob):
        await person.http.post("/v1/auth/stream-ticket")
    with connect(autocommit=True) as connection:
        owners = [alice.id, bob.id]
        connection.execute("UPDATE stream_tickets SET expires_at = now() WHERE user_id = ANY (%s)", [owners])
        await alice.http.post("/v1/auth/stream-ticket")
        left = connection.execute("SELECT user_id::text FROM stream_tickets WHERE user_id = ANY (%s)", [owners])
        assert sorted(left.fetchall()) == sorted([(alice.id,), (bob.id,)])


async def test_a_ticket_that_is_old_or_whose_token_has_ended_is_none(
    app: httpx.ASGITransport, alice: Person, client: httpx.AsyncClient
) -> None:
    header = await alice.token_for("tasks:read")
    old, ended = [(await client.post("/v1/auth/stream-ticket", headers=header)).json()["ticket"] for _ in range(2)]
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE stream_tickets SET expires_at = now() WHERE user_id = %s", [alice.id])
        answer = await client.get("/v1/changes/stream", params={"ticket": old})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid-ticket")
        direct.execute("UPDATE stream_tickets SET expires_at = now() + interval '1h' WHERE user_id = %s", [alice.id])
        direct.execute(REVOKE, [alice.id])
    answer = await client.get("/v1/changes/stream", params={"ticket": ended})
    assert answer.status_code == 401
    with connect() as direct:
        left = direct.execute("SELECT count(*) FROM stream_tickets WHERE user_id = %s", [alice.id]).fetchone()
    assert left == (0,)


async def test_a_ticket_takes_no_idempotency_key(alice: Person) -> None:
    refused = await alice.http.post("/v1/auth/stream-ticket", headers={"Idempotency-Key": "same"})
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed-request")
