"""Dry runs: everything is executed as it would be, in as many round trips, and undone."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import NOTHING, Credentials, Parameters, Rows, Statement
from todoproject.database.client.transaction import Transaction

T = TypeVar("T")


class Trial:
    """What a dry run is executed by: a `Work` of which nothing stays, and in which no write sees an earlier one.

    But for what is done in one `transact`. So it is for requests that write once, or in one transaction.
    """

    async def execute(
        self, statement: Statement, parameters: Parameters = NOTHING, credentials: Credentials | None = None
    ) -> Rows:
        """Execute one statement, undo it and return its rows. Raises what `Pool.execute` does, but OutcomeUnknown."""
        return await pool.execute(statement.tried() if statement.writes else statement, parameters, credentials)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]], credentials: Credentials | None = None) -> T:
        """Do some work in a transaction that is undone at its end."""

        async def try_out(transaction: Transaction) -> T:
            result = await work(transaction)
            await transaction.end_trial()
            return result

        return await pool.transact(try_out, credentials)

    def on_commit(self, act: Callable[[], None]) -> None:
        """Do nothing, as there is no commit."""


trial = Trial()
