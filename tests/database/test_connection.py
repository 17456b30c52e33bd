"""The API's own connection and pool: what they do when the server, a pooler or a request misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from django.test import override_settings

from tests.support.postgres.databases import connect
from todoproject.database.client.command import Command
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Rows, Statement
from todoproject.database.client.transaction import Transaction
from todoproject.database.errors import DatabaseUnavailable, OutcomeUnknown


def plain(query: str, *, repeatable: bool = False) -> Statement:
    return Statement(None, Command.parse(query), repeatable, is_fenced=False)


async def ask(pool: Pool, query: str, **parameters: Any) -> bytes | None:
    return (await pool.execute(plain(query), parameters)).value(0, 0)


@pytest_asyncio.fixture
async def single(app: httpx.ASGITransport) -> AsyncIterator[Pool]:
    """A pool of one connection."""
    pool = Pool()
    with override_settings(DATABASE_POOL_SIZE=1, DATABASE_POOL_TIMEOUT=1):
        await pool.open()
        yield pool
    await pool.close()


@pytest.mark.parametrize(
    ("text", "sent", "names"),
    [
        ("SELECT %(b)s, %(a)s, %(b)s", b"SELECT $1, $2, $1", ("b", "a")),
        ("SELECT '100%%' LIKE %(a)s", b"SELECT '100%' LIKE $1", ("a",)),
        ("SELECT 1", b"SELECT 1", ()),
    ],
)
def test_placeholders_become_numbers(text: str, sent: bytes, names: tuple[str, ...]) -> None:
    command = Command.parse(text)
    assert (command.text, command.names) == (sent, names)


def test_commands_share_a_name_only_with_their_like() -> None:
    one, same, other = (Command.parse(text).name for text in ("SELECT %(a)s", "SELECT %(b)s", "SELECT %(a)s, 1"))
    assert one == same != other
    assert len(one) < 63  # PostgreSQL cuts longer names, silently


async def test_statement_is_prepared_once_for_each_connection(single: Pool) -> None:
    for _ in range(3):
        await ask(single, "SELECT %(text)s::text", text="x")

    count = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::text'"
    assert await ask(single, count) == b"1"


async def test_statement_that_fails_to_prepare_is_not_taken_for_prepared(single: Pool) -> None:
    for _ in range(3):
        with pytest.raises(psycopg.errors.SyntaxError):
            await ask(single, "SELEC 1")

    assert await ask(single, "SELECT 1") == b"1"


async def test_oldest_statements_are_forgotten(single: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("todoproject.database.client.connection._MOST_PREPARED", 5)
    for number in [*range(20), *range(20)]:
        assert await ask(single, f"SELECT {number}") == str(number).encode()

    kept = int(await ask(single, "SELECT count(*) FROM pg_prepared_statements") or 0)
    assert kept <= 7  # those five, and the one or two that are just being sent


@pytest.mark.parametrize("loss", ["DEALLOCATE ALL", "DISCARD ALL"])
async def test_statements_that_the_server_has_lost_are_sent_anew(single: Pool, loss: str) -> None:
    """What a pooler does that gives each transaction another server session."""
    await ask(single, "SELECT %(text)s::text", text="x")
    await single.execute(plain(loss), {})

    assert await ask(single, "SELECT %(text)s::text", text="y") == b"y"
    assert await ask(single, "SELECT count(*) FROM pg_prepared_statements") == b"0"  # from now on it does without


async def test_write_whose_statement_was_lost_is_done_once(single: Pool) -> None:
    with connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (number int)")
    write = plain("INSERT INTO written VALUES (%(number)s) RETURNING number")
    await single.execute(write, {"number": 1})
    await single.execute(plain("DEALLOCATE ALL"), {})

    await single.execute(write, {"number": 2})

    assert await ask(single, "SELECT string_agg(number::text, ' ' ORDER BY number) FROM written") == b"1 2"
    with connect(autocommit=True) as connection:
        connection.execute("DROP TABLE written")


async def test_table_that_changes_under_a_prepared_statement_is_read_anew_in_a_transaction_too(single: Pool) -> None:
    async def read(transaction: Transaction) -> bytes | None:
        return (await transaction.execute(plain("SELECT * FROM changing"))).value(0, 0)

    with connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE changing AS SELECT 1 AS value")
        assert await single.transact(read) == b"1"
        connection.execute("ALTER TABLE changing ALTER value TYPE text")
        try:
            for _ in range(2):
                assert await single.transact(read) == b"1"
        finally:
            connection.execute("DROP TABLE changing")


async def test_table_that_changes_under_a_prepared_statement_is_read_anew(single: Pool) -> None:
    with connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE changing AS SELECT 1 AS value")
        assert await ask(single, "SELECT * FROM changing") == b"1"
        connection.execute("ALTER TABLE changing ALTER value TYPE text")
        try:
            for _ in range(2):
                assert await ask(single, "SELECT * FROM changing") == b"1"
        finally:
            connection.execute("DROP TABLE changing")


async def test_body_larger_than_the_socket_takes_at_once_arrives_whole(single: Pool) -> None:
    text = "x" * 30_000_000
    assert await ask(single, "SELECT length(%(text)s)", text=text) == b"30000000"


async def test_answer_larger_than_the_socket_holds_arrives_whole(single: Pool) -> None:
    rows: Rows = await single.execute(plain("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"), {})
    assert (len(rows), len(rows.bytes(19_999, 0))) == (20_000, 1000)


async def test_answer_that_comes_in_parts_holds_up_nobody_else(single: Pool) -> None:
    """The server sends what it has as soon as its buffer is full, and is busy with the next statement after that."""
    texts = ("SELECT 1", "SELECT repeat('x', 20000)", "SELECT pg_sleep(1)::text")
    delays: list[float] = []

    async def tick() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            delays.append(loop.time() - before)

    ticking = asyncio.create_task(tick())
    connection = await single.connections.take()
    results, error = await connection.send([(Command.parse(text), {}) for text in texts], edition=b"")
    single.connections.give_back(connection)
    await asyncio.sleep(0.05)
    ticking.cancel()

    assert (len(results), error) == (3, None)
    assert max(delays) < 0.5


async def test_late_answer_is_given_up_cancelled_and_nobody_gets_it(single: Pool) -> None:
    with override_settings(DATABASE_STATEMENT_TIMEOUT=0.2), pytest.raises(DatabaseUnavailable, match="no answer"):
        await ask(single, "SELECT pg_sleep(60)::text")

    assert await ask(single, "SELECT 'mine'") == b"mine"
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%%' AND state = 'active'"
    for _ in range(100):
        if await ask(single, sleeping) == b"0":
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the server goes on with what nobody waits for")


async def test_request_that_is_cancelled_leaves_its_connection_to_nobody(single: Pool) -> None:
    first = await ask(single, "SELECT pg_backend_pid()")
    task = asyncio.ensure_future(ask(single, "SELECT pg_sleep(60)::text"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await ask(single, "SELECT pg_backend_pid()") not in (first, None)


async def test_one_that_stops_waiting_for_a_connection_loses_none(single: Pool) -> None:
    busy = asyncio.ensure_future(ask(single, "SELECT pg_sleep(0.1)::text"))
    await asyncio.sleep(0.02)
    waiting = [asyncio.ensure_future(ask(single, "SELECT 'waited'")) for _ in range(3)]
    await asyncio.sleep(0.02)
    waiting[0].cancel()
    await busy

    assert await asyncio.gather(*waiting[1:]) == [b"waited", b"waited"]
    assert await ask(single, "SELECT 'still there'") == b"still there"


async def test_waiting_for_a_connection_ends_with_the_reason(single: Pool) -> None:
    with connect(autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(203)")
        busy = asyncio.ensure_future(ask(single, "SELECT pg_advisory_xact_lock(203)::text"))
        await asyncio.sleep(0.02)
        with pytest.raises(DatabaseUnavailable, match="no connection within 1 s: all 1 are in use"):
            await ask(single, "SELECT 1")
    assert await busy == b""


async def test_connection_that_the_server_has_ended_is_not_given_out(single: Pool) -> None:
    """Not even to a write, which must not be sent twice: the farewell is read before anything is sent."""
    pid = await ask(single, "SELECT pg_backend_pid()")
    with connect(autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s::int, 5000)", [int(pid or 0)])

    assert await ask(single, "SELECT 1") == b"1"


async def test_close_answers_whoever_still_waits(app: httpx.ASGITransport) -> None:
    pool = Pool()
    await pool.open()
    busy = [asyncio.ensure_future(ask(pool, "SELECT pg_sleep(60)::text")) for _ in range(20)]
    await asyncio.sleep(0.1)

    await pool.close()

    outcomes = await asyncio.wait_for(asyncio.gather(*busy, return_exceptions=True), 5)
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable, OutcomeUnknown}  # waiting, under way


async def test_values_arrive_as_they_were_given(single: Pool) -> None:
    values: Mapping[str, tuple[object, str, bytes | None]] = {
        "text": ("it's 100% \\ “ü” $1", "text", "it's 100% \\ “ü” $1".encode()),
        "nothing": (None, "text", None),
        "number": (2**40, "bigint", b"1099511627776"),
        "truth": (True, "boolean", b"t"),
        "bytes": (b"\x00\xff", "bytea", b"\\x00ff"),
        "list": ([1, 2], "int[]", b"{1,2}"),
    }
    for value, kind, expected in values.values():
        assert await ask(single, f"SELECT %(value)s::{kind}", value=value) == expected
