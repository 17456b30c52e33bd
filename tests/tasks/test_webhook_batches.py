"""Events go to a hook some at a time over one connection: fast, and each as carefully as if it went alone.

Beside `test_webhook_deliveries`, which says what a hook gets to see.
"""

import asyncio
import time
import uuid

import pytest

from tasks.queries import webhook_claims
from tasks.queries.webhook_claims import BATCH, Room
from tasks.webhooks import delivering, sending
from tasks.webhooks.sending import Together
from tests.support.people import Person
from tests.support.receivers import OK, Receiver, receiver
from tests.tasks.test_webhook_deliveries import BROKEN, deliver, hook, listed, try_again_now
from tests.tasks.test_webhooks import make, sql

__all__ = ["hook"]  # a fixture


async def write(person: Person, number: int) -> None:
    """Make so many tasks."""
    operations = [{"op": "create", "data": {"title": "x"}} for _ in range(number)]
    answer = await person.http.post("/v1/tasks/batch", json={"operations": operations})
    assert answer.status_code == 200


async def test_many_events_go_over_one_connection_in_their_order(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    hook.keeps = True
    await write(alice, BATCH * 2 + 1)
    await deliver()
    assert hook.numbers == sorted({*hook.numbers})
    assert (len(hook.numbers), hook.connections) == (BATCH * 2 + 1, 1)
    ((position, last),) = sql(
        "SELECT position, change_no FROM webhooks JOIN users ON users.id = user_id WHERE user_id = %s", alice.id
    )
    assert position == last
    states = sql("SELECT state, tries, status FROM webhooks_deliveries WHERE webhook_id = %s", made["id"])
    assert states == [("delivered", 1, 200)] * (BATCH * 2 + 1)


async def test_what_is_delivered_of_a_batch_is_not_sent_again_when_another_fails(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    hook.keeps = True
    hook.answers = [OK, OK, BROKEN]
    await write(alice, 5)
    await deliver()
    assert len(hook.numbers) == 3
    try_again_now(alice)
    await deliver()
    first = hook.numbers[0]
    assert hook.numbers == [first, first + 1, first + 2, first + 2, first + 3, first + 4]
    assert [(item["state"], item["tries"]) for item in await listed(alice, made)] == [
        ("delivered", 1), ("delivered", 1), ("delivered", 2), ("delivered", 1), ("delivered", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["url", "is_enabled"])
async def test_a_batch_ends_where_its_hook_does_and_what_was_sent_is_told(
    alice: Person, hook: Receiver, what: str
) -> None:
    made = await make(alice, url=hook.url)
    await write(alice, 5)
    async with receiver() as other:

        async def change(writer: asyncio.StreamWriter) -> None:
            value = other.url if what == "url" else False
            await alice.http.patch(f"/v1/webhooks/{made['id']}", json={what: value})
            writer.write(OK)

        hook.answers = [OK, change]
        await deliver()
        assert len(hook.numbers) == 2
        await deliver()
    # What was sent before the change was not noted as its position: a new address gets to see it, too.
    assert other.numbers == ([] if what == "is_enabled" else list(range(hook.numbers[0], hook.numbers[0] + 5)))
    told = [item["change_no"] for item in await listed(alice, made) if item["state"] == "delivered"]
    assert sorted(told) == sorted(hook.numbers + other.numbers)


async def test_what_was_read_long_ago_is_read_again(
    alice: Person, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch holds things as they were when it was read: the receiver that takes its time gets to see them anew."""
    monkeypatch.setattr(sending, "FRESH_SECONDS", 0.0)
    await make(alice, "task.created", url=hook.url)
    await alice.task("first")
    task = await alice.task("second")

    async def rename(writer: asyncio.StreamWriter) -> None:
        await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "renamed"})
        writer.write(OK)

    hook.answers = [rename]
    await deliver()
    assert [request.document["data"]["task"]["title"] for request in hook.requests] == ["first", "renamed"]


async def test_replays_of_a_hook_hold_one_place_and_the_rest_is_put_back_when_one_fails(
    alice: Person, hook: Receiver
) -> None:
    made = await make(alice, url=hook.url)
    hook.keeps = True
    await write(alice, BATCH + 5)
    await deliver()
    sent = list(hook.numbers)
    hook.requests.clear()
    answer = await alice.http.post(f"/v1/webhooks/{made['id']}/replay", json={"from": sent[0], "to": sent[-1]})
    assert answer.status_code == 202
    (queued,) = await webhook_claims.claim_queued(Room(9, 9, [], []))
    assert len(queued) == BATCH
    assert {one.tries for one in queued} == {1}
    try_again_now(alice)  # as if whoever had them was killed
    hook.answers = [OK, BROKEN]
    await deliver()
    assert sorted({*hook.numbers}) == sent
    assert hook.connections == 2  # one each time
    states = sql(
        "SELECT state, tries > 2, count(*) FROM webhooks_deliveries WHERE webhook_id = %s GROUP BY 1, 2 ORDER BY 1, 2",
        made["id"],
    )
    # Not one has lost a try to the other's failure; and what has failed is tried again by itself.
    assert states == [("delivered", False, 2 * (BATCH + 5) - 1), ("set_aside", False, 1)]


async def test_a_replay_ends_where_its_hook_does(alice: Person, hook: Receiver) -> None:
    made = await make(alice, url=hook.url)
    await write(alice, 3)
    await deliver()
    first = hook.numbers[0]
    hook.requests.clear()
    await alice.http.post(f"/v1/webhooks/{made['id']}/replay", json={"from": first, "to": first + 2})

    async def end(writer: asyncio.StreamWriter) -> None:
        await alice.http.delete(f"/v1/webhooks/{made['id']}")
        writer.write(OK)

    hook.answers = [end]
    await deliver()
    assert len(hook.requests) == 1


# --- Places ---------------------------------------------------------------------------------------


async def hanging(*people: Person, url: str) -> None:
    """Give these people as many hooks as they have places, all in trouble and due."""
    for person in people:
        for _ in range(webhook_claims.MOST_OF_OWNER):
            await make(person, url=url)
        sql("UPDATE webhooks SET failing_since = now() - interval '1 minute' WHERE user_id = %s", person.id)
        await person.task()


async def test_first_deliveries_do_not_wait_behind_others_retries(
    alice: Person, bob: Person, charlie: Person, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where 128 owners' hooks hang and are tried again: they have places of their own, and no more than those."""
    monkeypatch.setattr(delivering, "MOST", 6)
    monkeypatch.setattr(delivering, "MOST_TROUBLED", 3)
    released = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.write(OK)

    hook.otherwise = hang
    await hanging(alice, bob, url=hook.url)
    async with receiver() as other:
        await make(charlie, url=other.url)
        running = asyncio.create_task(deliver())
        await hook.until(3)
        started = time.monotonic()
        await charlie.task()
        await other.until(1)
        waited = time.monotonic() - started
        assert len(hook.requests) == 3
        released.set()
        await running
    assert waited < 1
    assert len(hook.requests) == 2 * webhook_claims.MOST_OF_OWNER


async def test_a_hook_that_takes_long_is_in_trouble_though_it_answers(
    alice: Person, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "LONG_SECONDS", 0.05)
    made = await make(alice, url=hook.url)

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(OK)

    hook.answers = [slowly, OK]
    deliveries = delivering.Deliveries()
    for is_slow in (True, False):
        await alice.task()
        await deliveries.run()
        assert list(deliveries._slow) == ([uuid.UUID(made["id"])] if is_slow else [])
    await alice.task()
    (lease,) = await webhook_claims.claim(Room(9, 9, [], [uuid.UUID(made["id"])]))
    assert lease.is_troubled
    assert await webhook_claims.claim(Room(9, 0, [], [uuid.UUID(made["id"])])) == []


async def test_whoever_asks_while_a_question_is_under_way_shares_the_next_one() -> None:
    asked: list[list[int]] = []
    answered = asyncio.Event()

    async def ask(keys: object) -> set[int]:
        asked.append(list(keys))  # type: ignore[call-overload]  # a sequence of numbers
        await answered.wait()
        if len(asked) == 3:
            raise ValueError("broken")
        return {1, 2}

    together = Together(ask)
    first = asyncio.create_task(together.holds(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(together.holds(key)) for key in (1, 2, 3)]
    await asyncio.sleep(0)
    answered.set()
    assert await first
    assert await asyncio.gather(*others) == [True, True, False]
    assert asked == [[1], [1, 2, 3]]
    with pytest.raises(ValueError, match="broken"):
        await together.holds(1)
