"""Whatever a server says, an answer says done only if a ReadyForQuery after a commit was seen; and nothing hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import psycopg
import pytest
import uvloop
from django.test import override_settings

from tests.support.played import Answer, PlayedServer, error, notice, parameter
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Credentials, Statement
from todoproject.database.client.transaction import Transaction
from todoproject.database.errors import DatabaseError, DatabaseUnavailable

WRITE = Statement.fenced("INSERT INTO t VALUES (1)", scope="x", writes=True)
AGAIN = Statement.fenced("INSERT INTO t VALUES (2)", scope="x", writes=True, repeatable=True)
READ = Statement.fenced("SELECT 1", scope="x", repeatable=True)

Shape = Callable[[Pool], Awaitable[Any]]
Fault = Callable[[Answer], bytes | None]


def _someone() -> Credentials:
    return Credentials(b"digest")


async def _steps(transaction: Transaction) -> None:
    await transaction.execute(READ, credentials=_someone(), savepoint="before")
    await transaction.execute(WRITE, credentials=_someone())


def _each(*, keep_going: bool) -> Callable[[Transaction], Awaitable[None]]:
    async def work(transaction: Transaction) -> None:
        outcomes = await transaction.execute_each([(WRITE, {})] * 3, _someone(), keep_going=keep_going)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not keep_going:
                raise outcome

    return work


SHAPES: dict[str, Shape] = {
    "read": lambda pool: pool.execute(READ, credentials=_someone()),
    "write": lambda pool: pool.execute(WRITE, credentials=_someone()),
    "repeatable": lambda pool: pool.execute(AGAIN, credentials=_someone()),
    "steps": lambda pool: pool.transact(_steps),
    "all or nothing": lambda pool: pool.transact(_each(keep_going=False)),
    "each": lambda pool: pool.transact(_each(keep_going=True)),
}


@asynccontextmanager
async def playing() -> AsyncIterator[tuple[PlayedServer, Pool]]:
    server = PlayedServer()
    await server.start()
    pool = Pool(server.parameters)
    await pool.open()
    try:
        yield server, pool
    finally:
        await pool.close()
        await server.stop()


async def clean(server: PlayedServer, pool: Pool, shape: Shape) -> list[Answer]:
    """Carry out a shape without faults; return what the server has answered, with everything prepared."""
    await shape(pool)
    server.answers.clear()
    await shape(pool)
    return deepcopy(server.answers)


async def tried(server: PlayedServer, pool: Pool, shape: Shape, at: int, fault: Fault) -> BaseException | None:
    """Carry out a shape whose answer number `at` has a fault; check what must hold, and return how it ended."""
    number, before, ended = 0, server.acknowledged, None

    def play(answer: Answer) -> bytes | None:
        nonlocal number
        number += 1
        if number - 1 == at:
            return fault(answer)
        server.resets = None
        return None

    server.play = play
    try:
        async with asyncio.timeout(5):
            await shape(pool)
    except (DatabaseError, psycopg.Error) as failure:
        ended = failure
    if ended is None and shape is not SHAPES["read"]:
        assert server.acknowledged > before, "it was said to be done"
    server.play, server.resets = (lambda answer: None), None
    async with asyncio.timeout(5):
        await pool.execute(READ, credentials=_someone())
    return ended


def on_both_loops(scenario: Callable[[], Any], *, statement_timeout: float = 0.5) -> None:
    with override_settings(DATABASE_STATEMENT_TIMEOUT=statement_timeout, DATABASE_CONNECT_TIMEOUT=3):
        asyncio.run(scenario())
        uvloop.run(scenario())


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause() -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("todoproject.database.client.pool._pause", pause)


def places(answers: list[Answer]) -> Iterator[tuple[int, int]]:
    """Yield each place where something can go wrong: the number of an answer, and of a step in it, Sync the last."""
    for at, answer in enumerate(answers):
        for position in range(len(answer.steps) + 1):
            yield at, position


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("state", "severity"), [("XX000", "ERROR"), ("40001", "ERROR"), ("57P01", "FATAL")])
def test_error_at_each_command_and_at_sync_is_the_request_s(name: str, state: str, severity: str) -> None:
    async def scenario() -> None:
        async with playing() as (server, pool):
            for at, position in places(await clean(server, pool, SHAPES[name])):

                def fault(answer: Answer, position: int = position) -> None:
                    answer.fail(position, state, severity)

                ended = await tried(server, pool, SHAPES[name], at, fault)
                if state == "XX000" and name != "each":
                    assert isinstance(ended, psycopg.errors.InternalError_), (at, position)

    on_both_loops(scenario)


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_server_may_say_at_any_time_changes_nothing(name: str) -> None:
    async def scenario() -> None:
        async with playing() as (server, pool):
            for at, position in places(await clean(server, pool, SHAPES[name])):
                for said in (notice(), parameter()):

                    def fault(answer: Answer, position: int = position, said: bytes = said) -> None:
                        place = answer.steps[position].messages if position < len(answer.steps) else answer.at_sync
                        place.insert(0, said)

                    assert await tried(server, pool, SHAPES[name], at, fault) is None, (at, position)

    on_both_loops(scenario)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("resets", [False, True], ids=["FIN", "RST"])
def test_connection_that_ends_after_each_byte_is_no_success(name: str, resets: bool) -> None:
    async def scenario() -> None:
        async with playing() as (server, pool):
            for at, answer in enumerate(await clean(server, pool, SHAPES[name])):
                length = len(answer.encoded())
                for cut in range(length + 1) if name == "write" else sorted({0, 1, *range(5, length, 17), length}):

                    def fault(answer: Answer, cut: int = cut) -> bytes:
                        server.resets = resets
                        return answer.encoded()[:cut]

                    ended = await tried(server, pool, SHAPES[name], at, fault)
                    assert ended is None or isinstance(ended, DatabaseUnavailable), (at, cut, repr(ended))

    on_both_loops(scenario, statement_timeout=60)  # whoever does not see the end waits for longer than `tried` does


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("said", [b"?\0\0\0\x05x", b"D\x7f\xff\xff\xff", b"D\0\0\0\x06\0\x09", b"\0" * 8])
def test_what_is_no_postgresql_is_a_lost_connection_and_no_defect(name: str, said: bytes) -> None:
    """libpq makes an error of its own of it, which has no SQLSTATE."""

    async def scenario() -> None:
        async with playing() as (server, pool):
            for at in range(len(await clean(server, pool, SHAPES[name]))):
                ended = await tried(server, pool, SHAPES[name], at, lambda answer: said + answer.encoded())
                assert ended is None or isinstance(ended, DatabaseUnavailable), repr(ended)

    on_both_loops(scenario)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("change", ["a step less", "a step more", "an error more", "no end of a command"])
def test_answer_that_does_not_fit_what_was_asked_is_no_success(name: str, change: str) -> None:
    async def scenario() -> None:
        async with playing() as (server, pool):
            answers = await clean(server, pool, SHAPES[name])
            for at, position in places(answers):
                if position == len(answers[at].steps):
                    continue

                def fault(answer: Answer, position: int = position) -> None:
                    # Where only what stands before the COMMIT is odd, the commit is still true.
                    is_commit = position == len(answer.steps) - 1
                    answer.commits = answer.commits and not (is_commit and change != "a step more")
                    if change == "a step less":
                        del answer.steps[position]
                    elif change == "a step more":
                        answer.steps.insert(position, answer.steps[position])
                    elif change == "an error more":
                        answer.steps[position].messages.append(error("XX000"))
                    else:
                        del answer.steps[position].messages[-1]

                ended = await tried(server, pool, SHAPES[name], at, fault)
                is_sent_once_more = name in ("read", "repeatable")
                if change in ("a step less", "an error more") and at == len(answers) - 1 and not is_sent_once_more:
                    assert ended is not None, position

    on_both_loops(scenario)


@pytest.mark.parametrize("name", ["write", "repeatable", "steps", "all or nothing"])
def test_commit_that_is_answered_with_rollback_is_no_success(name: str) -> None:
    async def scenario() -> None:
        async with playing() as (server, pool):
            answers = await clean(server, pool, SHAPES[name])

            def fault(answer: Answer) -> None:
                answer.commits = False
                commit = answer.steps[-1].messages
                commit[-1] = commit[-1].replace(b"\0\0\0\x0bCOMMIT", b"\0\0\0\x0dROLLBACK")

            assert await tried(server, pool, SHAPES[name], len(answers) - 1, fault) is not None

    on_both_loops(scenario)
