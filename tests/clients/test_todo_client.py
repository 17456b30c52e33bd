"""Our own client, asynchronously and against the application in this process: its rules, and a day with it."""

import inspect
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from todo_client import (
    AsyncClient,
    Changed,
    Conflict,
    ConnectionFailed,
    Invalid,
    NotFound,
    ProblemError,
    RateLimited,
    Retries,
    ScopeMissing,
    StreamEnded,
    Unauthenticated,
    Unavailable,
    UndoConflict,
    UnexpectedAnswer,
    aio,
    client,
)
from todo_client.exchange import KEY, Request, Wait, exchange
from todo_client.stream import Following

from tests.support.people import Person

pytestmark = pytest.mark.clients

URL = "http://testserver"
NO_WAIT = Retries(first_wait=0.0)


@pytest_asyncio.fixture
async def todo(app: httpx.ASGITransport, alice: Person) -> AsyncIterator[AsyncClient]:
    """Alice's client; the application is its network."""
    async with AsyncClient(URL, alice.token, transport=app) as todo:
        yield todo


class Losing(httpx.AsyncBaseTransport):
    """A network that carries out requests, and loses the first answers."""

    def __init__(self, transport: httpx.AsyncBaseTransport, losses: int = 1) -> None:
        self._transport, self._losses = transport, losses
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        response = await self._transport.handle_async_request(request)
        if len(self.sent) <= self._losses:
            raise httpx.ReadError("the answer is lost", request=request)
        return response


async def test_a_day_with_it(todo: AsyncClient) -> None:
    home = await todo.lists.create("Home", color="#3366cc")
    milk = await todo.tasks.create("Buy milk", due_on=date(2026, 12, 24), list_id=home.id, labels=["shop"])
    assert (milk.due_on, milk.due_at, milk.list_id, milk.labels) == (date(2026, 12, 24), None, home.id, ("shop",))
    call = await todo.tasks.create("Call", due_at=datetime(2026, 12, 24, 9, tzinfo=UTC), priority="high")
    assert call.due_at == datetime(2026, 12, 24, 9, tzinfo=UTC)

    oat = await todo.tasks.update(milk, title="Buy oat milk", due_on=None)
    assert (oat.title, oat.due_on, oat.version) == ("Buy oat milk", None, 2)
    assert (await todo.tasks.label(oat, add=["errand"], remove=["SHOP"])).labels == ("errand",)
    assert await todo.labels.rename("errand", "out/about") == "out/about"
    assert [(label.name, label.open_tasks) for label in await todo.labels.list()] == [("out/about", 1)]
    assert (await todo.tasks.move(call, list_id=home.id, first=True)).list_id == home.id
    in_order = [task.title async for task in todo.tasks.list(list_id=home.id, sort="position")]
    assert in_order == ["Call", "Buy oat milk"]
    assert [task async for task in todo.tasks.list(list_id=None)] == []

    assert (await todo.tasks.complete(milk)).is_completed
    assert (await todo.statistics()).completed["today"] == 1
    assert not (await todo.tasks.reopen(milk.id)).is_completed
    await todo.tasks.delete(milk.id)
    with pytest.raises(NotFound):
        await todo.tasks.get(milk.id)
    assert [change.id for change in await todo.changes.undo(todo.change_no)] == [milk.id]
    events = [entry.event async for entry in todo.changes.history("task", milk.id, page_size=2)]
    assert (events[0], events[-1]) == ("restored", "created")
    assert (await todo.me()).timezone == "UTC"
    assert (await todo.update_me(timezone="Europe/Berlin")).timezone == "Europe/Berlin"
    with pytest.raises(Conflict, match="list-not-empty"):
        await todo.lists.delete(home)
    await todo.lists.delete(home, with_tasks="move")
    assert (await todo.tasks.get(milk.id)).list_id is None


async def test_a_series_moves_on_by_the_occurrence_in_hand(todo: AsyncClient) -> None:
    plants = await todo.tasks.create("Water", due_on=date(2027, 1, 4), recurrence={"rule": "FREQ=DAILY"})
    assert await todo.tasks.occurrences(plants, limit=2) == ["2027-01-04", "2027-01-05"]
    after = await todo.tasks.complete(plants)
    again = await todo.tasks.complete(plants)  # as when somebody taps twice
    assert (after.due_on, again.due_on) == (date(2027, 1, 5), date(2027, 1, 5))
    assert after.completed_copy is not None
    assert (await todo.tasks.skip(after)).due_on == date(2027, 1, 6)


async def test_batches_and_ids_of_ones_own(todo: AsyncClient) -> None:
    own = "0199a000-0000-7000-8000-000000000001"
    made = await todo.tasks.create("Mine", id=own)
    results = await todo.tasks.batch(
        [{"op": "complete", "id": made.id}, {"op": "complete", "id": "0199a000-0000-7000-8000-000000000002"}],
        is_atomic=False,
    )
    assert [(one.status, one.is_done) for one in results] == [(200, True), (404, False)]
    assert (await todo.tasks.upsert("crm-17/a", title="Call back")).external_id == "crm-17/a"
    with pytest.raises(ProblemError):
        await todo.tasks.create("Mine, too", id=own)


async def test_lists_go_over_all_pages(todo: AsyncClient) -> None:
    for number in range(5):
        await todo.tasks.create(str(number))
    assert [task.title async for task in todo.tasks.list(page_size=2, sort="title")] == ["0", "1", "2", "3", "4"]
    page = await todo.tasks.page(page_size=2, with_total=True, q="3")
    assert ([task.title for task in page.items], page.total, page.next_cursor) == (["3"], 1, None)


async def test_what_is_in_hand_is_the_precondition(todo: AsyncClient) -> None:
    seen = await todo.tasks.create("Seen")
    await todo.tasks.update(seen, title="Changed elsewhere")
    for attempt in (todo.tasks.update(seen, title="Mine"), todo.tasks.delete(seen), todo.tasks.move(seen, first=True)):
        with pytest.raises(Changed) as told:
            await attempt
        assert told.value.current["title"] == "Changed elsewhere"
    assert (await todo.tasks.update(seen.id, title="Mine all the same")).version == 3


async def test_refusals_are_told_apart(app: httpx.ASGITransport, alice: Person, todo: AsyncClient) -> None:
    with pytest.raises(Invalid) as invalid:
        await todo.tasks.create(" ")
    assert [(one.pointer, bool(one.detail)) for one in invalid.value.errors] == [("#/title", True)]
    async with AsyncClient(URL, "todo_wrong", transport=app) as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.statistics()
    reader = await todo.create_token("reader", ["tasks:read"])
    async with AsyncClient(URL, reader.secret, transport=app) as limited:
        with pytest.raises(ScopeMissing) as missing:
            await limited.tasks.create("No")
    assert missing.value.document["required"] == ["tasks:write"]
    task = await todo.tasks.create("A")
    first = todo.change_no
    await todo.tasks.update(task, title="B")
    with pytest.raises(UndoConflict):
        await todo.changes.undo(first)
    with pytest.raises(ValueError, match="time zone"):
        await todo.tasks.create("When?", due_at=datetime(2026, 12, 24, 9))  # noqa: DTZ001 -- that is the mistake


async def test_a_lost_answer_is_asked_for_again_and_nothing_happens_twice(
    app: httpx.ASGITransport, alice: Person
) -> None:
    network = Losing(app)
    async with AsyncClient(URL, alice.token, transport=network, retries=NO_WAIT) as todo:
        made = await todo.tasks.create("Once")
        assert [task.id async for task in todo.tasks.list()] == [made.id]
        assert len({request.headers[KEY] for request in network.sent[:2]}) == 1
        network.sent.clear()
        await todo.tasks.delete(made)  # the second attempt finds it gone
        network.sent.clear()
        with pytest.raises(ConnectionFailed, match="lost"):  # it has no key: it may have been carried out
            await todo.login("somebody@example.com", "a password")
        assert len(network.sent) == 1


async def test_another_server_is_told_apart(alice: Person) -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<h1>Welcome</h1>"))
    async with AsyncClient(URL, transport=page) as todo:
        with pytest.raises(UnexpectedAnswer):
            await todo.me()
    moved = httpx.MockTransport(lambda _: httpx.Response(301, headers={"Location": "https://elsewhere.example/"}))
    async with AsyncClient(URL, transport=moved) as todo:
        with pytest.raises(ProblemError, match="elsewhere"):
            await todo.me()


def answer(status: int, code: str = "", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "."}, headers=headers)


READ, BARE = Request("GET", "/v1/me"), Request("POST", "/v1/auth/login", body={})
KEYED = Request("POST", "/v1/tasks", body={}, headers={KEY: "k"})
WAITS = [
    pytest.param(READ, answer(503), id="a read while the database is away"),
    pytest.param(KEYED, answer(503), id="a write with its key"),
    pytest.param(KEYED, answer(502), id="what stands before the server"),
    pytest.param(KEYED, answer(409, "in-flight"), id="the first attempt is still being worked on"),
    pytest.param(BARE, answer(429, **{"Retry-After": "2"}), id="nothing was done"),
    pytest.param(BARE, httpx.ConnectError("refused"), id="nothing was sent"),
]
RAISES = [
    pytest.param(BARE, answer(503), Unavailable, id="it may have been carried out"),
    pytest.param(BARE, httpx.ReadTimeout("silence"), ConnectionFailed, id="it may be carried out now"),
    pytest.param(READ, answer(429, **{"Retry-After": "3600"}), RateLimited, id="longer than it may wait"),
    pytest.param(KEYED, answer(409, "conflict"), Conflict, id="a conflict"),
    pytest.param(READ, answer(500), ProblemError, id="a mistake of the server"),
]


@pytest.mark.parametrize(("request_", "outcome"), WAITS)
def test_what_passes_is_tried_again(request_: Request, outcome: Any) -> None:
    steps = exchange(request_, Retries())
    next(steps)
    asked = float(outcome.headers.get("Retry-After", 0)) if isinstance(outcome, httpx.Response) else 0.0
    for _ in range(3):
        wait = steps.send(outcome)
        assert isinstance(wait, Wait)
        assert asked <= wait.seconds <= asked + 1
        assert next(steps) == request_
    with pytest.raises((ProblemError, ConnectionFailed)):
        steps.send(outcome)


@pytest.mark.parametrize(("request_", "outcome", "error"), RAISES)
def test_what_does_not_pass_is_raised(request_: Request, outcome: Any, error: type[Exception]) -> None:
    steps = exchange(request_, Retries())
    next(steps)
    with pytest.raises(error):
        steps.send(outcome)


def test_where_no_more_answers_are_stored_the_request_goes_without_its_key() -> None:
    steps = exchange(KEYED, Retries())
    next(steps)
    again = steps.send(answer(409, "too-many-answers"))
    assert isinstance(again, Request)
    assert KEY not in again.headers


def methods(of: type) -> dict[str, str]:
    found = inspect.getmembers(of, inspect.isfunction)
    return {name: str(inspect.signature(one).parameters) for name, one in found if not name.startswith("_")}


@pytest.mark.parametrize("name", ["Tasks", "Lists", "Labels", "Changes", "Client"])
def test_both_clients_have_the_same_methods(name: str) -> None:
    both = getattr(client, name), getattr(aio, "AsyncClient" if name == "Client" else name)
    assert methods(both[0]) == methods(both[1])


BLOCKS = (
    b"id: c1\n\nretry: 1000\n\n:\n\n"
    b"event: reminder\nid: c2\ndata: " + json.dumps({"change_no": 3, "id": "x", "task": None}).encode() + b"\n\n"
    b'event: bell\nid: c3\ndata: {"id": "a line\xe2\x80\xa8 of Unicode"}\n\n'
)


@pytest.mark.parametrize("size", [1, 7, len(BLOCKS)])
def test_events_are_read_however_they_are_cut(size: int) -> None:
    following = Following(Retries())
    events = [event for at in range(0, len(BLOCKS), size) for event in following.feed(BLOCKS[at : at + size])]
    assert [(event.kind, event.cursor) for event in events] == [("reminder", "c2"), ("bell", "c3")]
    assert events[1].document["id"] == "a line\u2028 of Unicode"
    assert following.comes_back_after(None) == 1.0


def test_a_stream_that_was_open_is_waited_for_longer_than_one_that_never_was() -> None:
    gone = ConnectionFailed("refused")
    begun, never = Following(Retries(attempts=2)), Following(Retries(attempts=2))
    assert list(begun.feed(b"id: c1\n\n")) == []
    assert [begun.comes_back_after(gone) <= 8 for _ in range(20)] == [True] * 20
    never.comes_back_after(gone)
    with pytest.raises(ConnectionFailed):
        never.comes_back_after(gone)


async def test_a_stream_that_breaks_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        if len(asked) == 2:
            raise httpx.ConnectError("gone")
        expired = b"event: sync-expired\ndata: {}\n\n" if len(asked) == 3 else b""
        return httpx.Response(200, content=BLOCKS + expired)

    monkeypatch.setattr("todo_client.aio.asyncio.sleep", _no_sleep)
    async with AsyncClient(URL, "t", transport=httpx.MockTransport(respond)) as todo:
        stream = todo.changes.stream("c0")
        kinds = [(await anext(stream)).kind, (await anext(stream)).kind]
        kinds += [(await anext(stream)).kind, (await anext(stream)).kind]
        with pytest.raises(StreamEnded):
            await anext(stream)
    assert asked == ["cursor=c0", "cursor=c3", "cursor=c3"]
    assert kinds == ["reminder", "bell"] * 2


async def _no_sleep(seconds: float) -> None:
    assert timedelta(seconds=seconds) < timedelta(minutes=1)
