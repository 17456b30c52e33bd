"""Requests that take several steps: one transaction, in which every step passes the fence anew."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from psycopg.pq import TransactionStatus

from todoproject.database import messages
from todoproject.database.errors import translate
from todoproject.database.messages import Connection
from todoproject.database.unit import Parameters, Rows, Statement

Outcome = Rows | Exception

# The check of the next token is the owner's to make, so whoever came before steps back first.
_STEP_BACK = "SELECT set_config('role', 'none', true)"
_EACH, _PART = "each_statement", "part"


class Transaction:
    """Several statements on one connection, all or nothing; made by `Pool.transaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def is_open(self) -> bool:
        """Tell whether it has begun and not yet ended."""
        return self._connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def has_failed(self) -> bool:
        """Tell whether a statement has failed, so that only a savepoint can save what came before it."""
        return self._connection.pgconn.transaction_status == TransactionStatus.INERROR

    async def run(self, statement: Statement, parameters: Parameters) -> Rows:
        """Run a statement, which may take on another role than the one before it."""
        return await messages.run(self._connection, statement, parameters, before=self._before())

    async def run_each(self, statements: Sequence[tuple[Statement, Parameters]], *, keep_going: bool) -> list[Outcome]:
        """Run statements of one scope and role in as few messages as possible; return what became of each.

        A statement that fails takes the whole transaction along and is the last of the outcomes; with `keep_going`
        it takes only itself along.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < len(statements):
            outcomes += await self._run_until_error(statements[len(outcomes) :], keep_going)
            if self.has_failed and not keep_going:
                return outcomes
        if self.has_failed:  # the last one has, and the others are to stay
            await self.command(f"ROLLBACK TO {_EACH}")
        return outcomes

    async def command(self, text: str) -> None:
        """Run a command without a result: SAVEPOINT, ROLLBACK TO, COMMIT."""
        _, error = await messages.send(self._connection, [text])
        if error is not None:
            raise error

    async def end(self, command: str) -> None:
        """Commit or roll back, unless it has ended."""
        if self.is_open:
            await self.command(command)

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """Undo by itself what is done inside, if it raises."""
        await self.command(f"SAVEPOINT {_PART}")
        try:
            yield
        except BaseException:
            await self.command(f"ROLLBACK TO {_PART}")
            raise

    def _before(self) -> list[str]:
        return [_STEP_BACK] if self.is_open else ["BEGIN", _STEP_BACK]

    async def _run_until_error(
        self, statements: Sequence[tuple[Statement, Parameters]], keep_going: bool
    ) -> list[Outcome]:
        """Send all in one message and return the outcomes up to the first error, which PostgreSQL stops at."""
        first, parameters = statements[0]
        undo = [f"ROLLBACK TO {_EACH}", f"RELEASE {_EACH}"] if self.has_failed else []
        opening = messages.bind(self._connection, first.opening.rstrip().removesuffix(";"), parameters)
        before = [*undo, *self._before(), opening]
        results, error = await messages.send(self._connection, [*before, *self._commands(statements, keep_going)])
        if len(results) < len(before):
            raise error or RuntimeError("a message was answered in part")
        user_id = messages.note_user(results[len(before) - 1])
        answered = results[len(before) :]
        # With SAVEPOINT and RELEASE around it, each statement has three results, of which the second counts.
        rows = answered[1::3][: len(answered) // 3] if keep_going else answered
        outcomes: list[Outcome] = [Rows(result, user_id) for result in rows]
        return outcomes if error is None else [*outcomes, translate(error)]

    def _commands(self, statements: Sequence[tuple[Statement, Parameters]], keep_going: bool) -> list[str]:
        queries = [messages.bind(self._connection, statement.query, values) for statement, values in statements]
        if not keep_going:
            return queries
        return [command for query in queries for command in (f"SAVEPOINT {_EACH}", query, f"RELEASE {_EACH}")]
