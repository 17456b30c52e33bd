"""Requests that take several steps: one transaction, in which every step passes the fence anew."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from psycopg import OperationalError
from psycopg.pq import TransactionStatus

from todoproject import logs
from todoproject.database import watch
from todoproject.database.command import Command
from todoproject.database.connection import Bound, Connection
from todoproject.database.errors import translate
from todoproject.database.unit import Parameters, Rows, Statement

Outcome = Rows | Exception

# The check of the next token is the owner's to make, so whoever came before steps back first.
_STEP_BACK = Command.parse("SELECT set_config('role', 'none', true)")
_EACH, _PART = "each_statement", "part"


def _control(text: str) -> Bound:
    return Command.parse(text, is_kept=False), {}


_BEGIN = _control("BEGIN")
_SAVE_EACH, _RELEASE_EACH = _control(f"SAVEPOINT {_EACH}"), _control(f"RELEASE {_EACH}")
_UNDO_EACH = _control(f"ROLLBACK TO {_EACH}")


async def run(
    connection: Connection,
    statement: Statement,
    parameters: Parameters,
    *,
    before: Sequence[Bound] = (),
    after: Sequence[Bound] = (),
    prepare: bool,
) -> Rows:
    """Send `before`, the statement's opening, its query and `after`; return the rows of the query."""
    commands = [*before, *_opening(statement, parameters), (statement.query, parameters), *after]
    started, rows = time.perf_counter(), None
    try:
        results, error = await connection.send(commands, prepare=prepare)
        if error is not None:
            raise error
        last = len(results) - len(after) - 1
        opening = results[last - 1]
        rows = Rows(results[last], _bound_user(Rows(opening, None)) if statement.is_fenced else None, opening)
    finally:
        watch.note("api", statement.query.text, started, None if rows is None else len(rows))
    return rows


def _opening(statement: Statement, parameters: Parameters) -> list[Bound]:
    return [] if statement.opening is None else [(statement.opening, parameters)]


def _commands(statements: Sequence[tuple[Statement, Parameters]], keep_going: bool) -> list[Bound]:
    queries: list[Bound] = [(statement.query, parameters) for statement, parameters in statements]
    if not keep_going:
        return queries
    return [command for query in queries for command in (_SAVE_EACH, query, _RELEASE_EACH)]


def _bound_user(opening: Rows) -> str:
    """Return the user whom an opening has bound, and let the logs name them."""
    user_id = opening.text(0, 0)
    logs.note_user(user_id)
    return user_id


class Transaction:
    """Several statements on one connection, all or nothing; made by `Pool.transaction`."""

    def __init__(self, connection: Connection, *, prepare: bool) -> None:
        self._connection = connection
        self._prepare = prepare

    @property
    def is_open(self) -> bool:
        """Tell whether it has begun and not yet ended."""
        return self._connection.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def has_failed(self) -> bool:
        """Tell whether a statement has failed, so that only a savepoint can save what came before it."""
        return self._connection.transaction_status == TransactionStatus.INERROR

    async def run(self, statement: Statement, parameters: Parameters, *, savepoint: str | None = None) -> Rows:
        """Run a statement, which may take on another role than the one before it, and set a savepoint behind it."""
        before, after = self._before(), [] if savepoint is None else [_control(f"SAVEPOINT {savepoint}")]
        return await run(self._connection, statement, parameters, before=before, after=after, prepare=self._prepare)

    async def run_each(self, statements: Sequence[tuple[Statement, Parameters]], *, keep_going: bool) -> list[Outcome]:
        """Run statements of one scope and role in as few round trips as possible; return what became of each.

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
        started = time.perf_counter()
        try:
            _, error = await self._connection.send([_control(text)], prepare=False)
        finally:
            logs.add_database_time(watch.note("api", text, started))
        if error is not None:
            raise error

    async def end(self, command: str) -> None:
        """Commit or roll back, unless it has ended. Raises OperationalError where its connection has: all is undone."""
        if self._connection.is_ended:  # since the last answer: no COMMIT can be sent, so none may be believed
            raise OperationalError(f"the connection was lost before {command}")
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

    def _before(self) -> list[Bound]:
        return [(_STEP_BACK, {})] if self.is_open else [_BEGIN, (_STEP_BACK, {})]

    async def _run_until_error(
        self, statements: Sequence[tuple[Statement, Parameters]], keep_going: bool
    ) -> list[Outcome]:
        """Send all in one piece and return the outcomes up to the first error, which PostgreSQL stops at."""
        before = [*([_UNDO_EACH, _RELEASE_EACH] if self.has_failed else []), *self._before(), *_opening(*statements[0])]
        commands = [*before, *_commands(statements, keep_going)]
        started = time.perf_counter()
        try:
            results, error = await self._connection.send(commands, prepare=self._prepare)
        finally:
            shape = f"{len(statements)} × {statements[-1][0].query.text.decode()}"
            logs.add_database_time(watch.note("api", shape, started))
        if len(results) < len(before):
            raise error or RuntimeError("a message was answered in part")
        user_id = _bound_user(Rows(results[len(before) - 1], None))
        answered = results[len(before) :]
        # With SAVEPOINT and RELEASE around it, each statement has three results, of which the second counts.
        rows = answered[1::3][: len(answered) // 3] if keep_going else answered
        outcomes: list[Outcome] = [Rows(result, user_id) for result in rows]
        return outcomes if error is None else [*outcomes, translate(error)]
