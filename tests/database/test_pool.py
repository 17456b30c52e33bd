"""The pool beside a server that is played: who is served when, what is kept and for how long, what is let go."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from django.test import override_settings

from tests.database.test_wire_protocol import READ, SHAPES, playing
from tests.support.played import Answer, PlayedServer
from todoproject.database.client.connection import Connection
from todoproject.database.client.connections import _LIFETIME_SECONDS
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Credentials
from todoproject.database.client.transaction import Transaction
from todoproject.database.errors import DatabaseUnavailable, NotUnique, Undone

STALE = "cached plan must not change result type"


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    with override_settings(DATABASE_POOL_SIZE=1, DATABASE_POOL_TIMEOUT=5, DATABASE_STATEMENT_TIMEOUT=5):
        yield


@pytest_asyncio.fixture
async def played() -> AsyncIterator[tuple[PlayedServer, Pool]]:
    async with playing() as both:
        yield both


async def ask(pool: Pool) -> None:
    await pool.execute(READ, credentials=Credentials(b"digest"))


@pytest.mark.parametrize("name", SHAPES)
async def test_pooler_that_keeps_plans_by_text_is_sent_another_text(
    played: tuple[PlayedServer, Pool], name: str
) -> None:
    """PgBouncer since 1.21: our own prepared statements, closed and made anew, would be the same old plan."""
    server, pool = played
    await SHAPES[name](pool)
    old = {step.text for answer in server.answers for step in answer.steps if b"t VALUES" in step.text}
    old |= {READ.query.text}

    def play(answer: Answer) -> None:
        for position, step in enumerate(answer.steps):
            if step.text in old:
                return answer.fail(position, "0A000", text=STALE)
        return None

    server.play = play
    for _ in range(3):
        await SHAPES[name](pool)

    assert pool.standing()["pool_size"] == 1


async def test_plan_that_is_stale_twice_in_a_row_is_a_clean_refusal(played: tuple[PlayedServer, Pool]) -> None:
    server, pool = played
    server.play = lambda answer: answer.fail(0, "0A000", text=STALE)

    with pytest.raises(Undone):
        await ask(pool)


async def test_who_waits_is_served_in_order(played: tuple[PlayedServer, Pool]) -> None:
    _, pool = played
    held, served = await pool.connections.take(), list[int]()

    async def wait(number: int) -> None:
        connection = await pool.connections.take()
        served.append(number)
        pool.connections.give_back(connection)

    waiting = [asyncio.create_task(wait(number)) for number in range(5)]
    await asyncio.sleep(0)
    waiting[2].cancel()
    pool.connections.give_back(held)
    await asyncio.gather(*waiting, return_exceptions=True)

    assert served == [0, 1, 3, 4]
    assert pool.standing()["pool_idle"] == 1


async def test_connection_that_is_handed_to_somebody_who_has_just_left_is_not_lost(
    played: tuple[PlayedServer, Pool],
) -> None:
    _, pool = played
    held = await pool.connections.take()
    waiting = asyncio.create_task(pool.connections.take())
    await asyncio.sleep(0)
    pool.connections.give_back(held)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert pool.standing()["pool_idle"] == 1
    await ask(pool)


async def test_who_waits_when_the_pool_closes_is_told_at_once(played: tuple[PlayedServer, Pool]) -> None:
    _, pool = played
    await pool.connections.take()
    waiting = asyncio.create_task(pool.connections.take())
    await asyncio.sleep(0)
    await pool.close()

    with pytest.raises(DatabaseUnavailable, match="closed"):
        await asyncio.wait_for(waiting, 1)


async def test_connection_lives_for_an_hour_and_no_longer(played: tuple[PlayedServer, Pool]) -> None:
    _, pool = played
    for age, is_kept in ((_LIFETIME_SECONDS - 60, True), (_LIFETIME_SECONDS + 1, False)):
        connection = await pool.connections.take()
        connection.opened_at -= age
        pool.connections.give_back(connection)
        assert connection.is_ended is not is_kept
        connection.opened_at += age


async def test_refused_write_costs_no_connection(played: tuple[PlayedServer, Pool]) -> None:
    server, pool = played
    connection = await pool.connections.take()
    pool.connections.give_back(connection)

    def play(answer: Answer) -> None:
        if any(step.text.startswith(b"INSERT") for step in answer.steps):
            answer.fail(len(answer.steps) - 1, "23505")

    server.play = play
    for _ in range(3):
        with pytest.raises(NotUnique):
            await SHAPES["write"](pool)
    await ask(pool)

    assert await pool.connections.take() is connection


async def test_transaction_that_is_given_up_costs_no_connection(played: tuple[PlayedServer, Pool]) -> None:
    """Not by the database: a condition that did not hold, an answer that is none to keep."""
    _, pool = played
    connection = await pool.connections.take()
    pool.connections.give_back(connection)

    async def give_up(transaction: Transaction) -> None:
        await transaction.execute(READ, credentials=Credentials(b"digest"))
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await pool.transact(give_up)

    assert await pool.connections.take() is connection


async def test_who_is_refused_is_forgotten_at_once_and_without_the_garbage_collector() -> None:
    """Else an outage fills the memory: each refused request, its exception and frames, for as long as it lasts."""

    class Witness:
        pass

    async def refused(pool: Pool, witnesses: list[weakref.ref[Witness]]) -> None:
        witness = Witness()
        witnesses.append(weakref.ref(witness))
        with pytest.raises(DatabaseUnavailable):
            await ask(pool)

    with override_settings(DATABASE_POOL_TIMEOUT=0.05, DATABASE_CONNECT_TIMEOUT=0.05):
        pool, witnesses = Pool(PlayedServer.nowhere), list[weakref.ref[Witness]]()
        await pool.open()
        await asyncio.sleep(0.2)
        gc.disable()
        try:
            for _ in range(3):
                await asyncio.gather(*(refused(pool, witnesses) for _ in range(20)))
                assert (len(pool.connections._waiting), pool.standing()["pool_waiting"]) == (0, 0)
            await asyncio.sleep(0)
            left = sum(witness() is not None for witness in witnesses)
        finally:
            gc.enable()
            await pool.close()

    assert left == 0


async def test_work_is_done_once_more_and_not_for_ever(played: tuple[PlayedServer, Pool]) -> None:
    _, pool = played
    tries = 0

    async def work(transaction: Transaction) -> None:
        nonlocal tries
        tries += 1
        transaction.undone = Undone("always")

    with pytest.raises(Undone):
        await pool.transact(work)

    assert tries == 2
    assert isinstance(await pool.connections.take(), Connection)


async def test_after_the_last_connection_has_ended_a_wake_is_waited_for_whatever_failed_before(
    played: tuple[PlayedServer, Pool],
) -> None:
    """A failed try beside others had begun an outage that nothing ended, so the next one was taken for an old one."""
    _, pool = played
    await ask(pool)
    pool.connections._outage.note(OSError("the database system is starting up"))
    pool.connections._outage._since -= 60
    (connection,) = pool.connections._all

    connection.end()

    assert pool.connections._all == set()
    pool.connections._outage.begin()
    assert pool.connections.patience() > 10


async def test_who_waited_for_one_in_use_waits_for_the_wake_where_that_is_lost(
    played: tuple[PlayedServer, Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asleep(*_: object) -> Connection:
        await asyncio.Event().wait()
        raise AssertionError

    _, pool = played
    connection = await pool.connections.take()
    monkeypatch.setattr("todoproject.database.client.connecting.connected", asleep)
    with override_settings(DATABASE_POOL_TIMEOUT=0.6, DATABASE_CONNECT_TIMEOUT=1.4):
        waiting = asyncio.create_task(pool.connections.take())
        await asyncio.sleep(0.4)
        connection.end()

        # Not 0.6 s, and no longer in all than for a wake, which is the time that is stated: 1.4 s.
        with pytest.raises(DatabaseUnavailable, match="no connection within 1 s"):
            await waiting
