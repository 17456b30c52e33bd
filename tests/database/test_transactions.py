"""Several statements of one request in one transaction, each behind the fence."""

import asyncio

import psycopg
import pytest

from accounts import tokens
from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import ACCOUNT_ROLE, Credentials, Rows, Statement
from todoproject.database.client.transaction import Outcome, Transaction
from todoproject.database.errors import ConstraintViolated, DatabaseUnavailable, InvalidToken, NotCommitted

INSERT = Statement.fenced(
    "INSERT INTO tasks (key, id, user_id, title, description, is_completed, priority)"
    " VALUES (gen_random_uuid(), gen_random_uuid(), current_user_id(), %(title)s, '', false, %(priority)s)"
    " RETURNING title",
    scope="tasks:write",
)


def values(title: str, priority: int = 0) -> dict[str, object]:
    return {"title": title, "priority": priority}


def credentials(person: Person) -> Credentials:
    return Credentials(tokens.digest(person.token))


async def titles(person: Person) -> list[str]:
    # What is written in one transaction may be of one instant, so by title.
    return [task["title"] for task in (await person.http.get("/v1/tasks?sort=title")).json()["items"]]


async def test_what_is_run_inside_is_kept_together(alice: Person) -> None:
    async with pool.transaction() as transaction:
        for title in ("one", "two"):
            await transaction.execute(INSERT, values(title), credentials(alice))

    assert await titles(alice) == ["one", "two"]


async def test_exception_undoes_everything(alice: Person) -> None:
    async def fail() -> None:
        async with pool.transaction() as transaction:
            await transaction.execute(INSERT, values("one"), credentials(alice))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await titles(alice) == []


async def test_connection_lost_before_commit_is_no_success(alice: Person) -> None:
    """The server ends the session after the last answer: the transaction is undone, and must not pass for done."""

    async def lose() -> None:
        async with pool.transaction() as transaction:
            await transaction.execute(INSERT, values("one"), credentials(alice))
            with connect(autocommit=True) as administrator:
                administrator.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE state = 'idle in transaction' AND datname = current_database()"
                )
            await asyncio.sleep(0.1)  # the farewell is read

    with pytest.raises(DatabaseUnavailable):
        await lose()

    assert await titles(alice) == []


async def test_steps_may_take_different_roles(alice: Person) -> None:
    me = Statement.fenced("SELECT current_user, email FROM users", scope=None, role=ACCOUNT_ROLE)
    async with pool.transaction() as transaction:
        await transaction.execute(INSERT, values("one"), credentials(alice))
        rows = await transaction.execute(me, credentials=credentials(alice))
        assert (rows.text(0, 0), rows.text(0, 1)) == (ACCOUNT_ROLE, alice.email)
        await transaction.execute(INSERT, values("two"), credentials(alice))

    assert await titles(alice) == ["one", "two"]


async def test_each_statement_of_a_batch_has_its_own_outcome(alice: Person) -> None:
    statements = [(INSERT, values(f"task {number}", 9 if number % 3 == 1 else 0)) for number in range(8)]
    async with pool.transaction() as transaction:
        outcomes = await transaction.execute_each(statements, credentials(alice), keep_going=True)

    assert [o.text(0, 0) if isinstance(o, Rows) else type(o) for o in outcomes] == [
        ConstraintViolated if number % 3 == 1 else f"task {number}" for number in range(8)
    ]
    assert await titles(alice) == [f"task {number}" for number in range(8) if number % 3 != 1]


async def test_first_failure_of_a_batch_ends_it_where_it_is_all_or_nothing(alice: Person) -> None:
    statements = [(INSERT, values(f"task {number}", 9 if number == 2 else 0)) for number in range(5)]

    outcomes: list[Outcome] = []

    async def work(transaction: Transaction) -> None:
        outcomes.extend(await transaction.execute_each(statements, credentials(alice), keep_going=False))

    with pytest.raises(NotCommitted):
        await pool.transact(work)

    assert [type(outcome) for outcome in outcomes] == [Rows, Rows, ConstraintViolated]
    assert await titles(alice) == []


async def test_batch_with_a_bad_token_does_nothing(alice: Person) -> None:
    await alice.http.post("/v1/auth/logout")

    with pytest.raises(InvalidToken):
        async with pool.transaction() as transaction:
            await transaction.execute_each([(INSERT, values("one"))], credentials(alice), keep_going=True)


async def test_percent_signs_and_quotes_are_data(alice: Person) -> None:
    odd = ["100% %s %(title)s %%", "'; ROLLBACK; --", "back\\slash '", "$1 $tag$"]
    async with pool.transaction() as transaction:
        await transaction.execute_each([(INSERT, values(title)) for title in odd], credentials(alice), keep_going=True)

    assert set(await titles(alice)) == set(odd)


async def test_failed_transaction_leaves_the_pool_in_order(alice: Person) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with pool.transaction() as transaction:
            await transaction.execute(Statement.fenced("SELECT 1/0", scope=None), credentials=credentials(alice))

    for _ in range(20):
        assert await titles(alice) == []
