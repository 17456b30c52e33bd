"""Requests that take several steps: one transaction, in which every step passes the fence anew."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from psycopg import Error, OperationalError
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from todoproject.database.client.command import Command
from todoproject.database.client.connection import Bound, Connection
from todoproject.database.client.statement import NOTHING, Credentials, Parameters, Rows, Statement
from todoproject.database.client.unit import (
    BEGIN,
    COUNT,
    END_OF_TRIAL,
    accepted,
    check_commit,
    control,
    preamble,
    send_unit,
)
from todoproject.database.errors import Undone, translate
from todoproject.observability import logs, slow_queries

T = TypeVar("T")

Outcome = Rows | Exception

# The check of the next token is the owner's to make, so whoever came before steps back first.
_STEP_BACK = Command.parse("SELECT set_config('role', 'none', true)")
_EACH, _PART = "each_statement", "part"
_SAVE_EACH, _RELEASE_EACH = control(f"SAVEPOINT {_EACH}"), control(f"RELEASE {_EACH}")
_UNDO_EACH = control(f"ROLLBACK TO {_EACH}")


def _commands(statements: Sequence[tuple[Statement, Parameters]], keep_going: bool) -> list[list[Bound]]:
    """Return the commands of each statement: the statement, what counts it, and a savepoint around them."""
    around = ([_SAVE_EACH], [_RELEASE_EACH]) if keep_going else ([], [])
    return [
        [*around[0], (statement.query, parameters), *([COUNT] if statement.counts else []), *around[1]]
        for statement, parameters in statements
    ]


def _outcomes(
    answered: Sequence[PGresult], groups: Sequence[list[Bound]], keep_going: bool, user_id: str | None
) -> list[Outcome]:
    """Return the rows of each statement whose commands have all been answered."""
    found: list[Outcome] = []
    first = 0
    for group in groups:
        results = answered[first : first + len(group)]
        if len(results) < len(group):
            break
        query = 1 if keep_going else 0
        counted = results[query + 1] if COUNT in group else None
        found.append(Rows(results[query], user_id, None, counted))
        first += len(group)
    return found


class Transaction:
    """Several statements on one connection, all or nothing; made by `Pool.transaction`.

    `undone` is why the server wants all of it done again, where it does: whoever catches the error of a statement, to
    answer with it, must not take it for the last word (`Pool.transact` does not).
    """

    def __init__(self, connection: Connection, *, edition: bytes | None) -> None:
        self._connection = connection
        self.edition = edition
        self.undone: Undone | None = None
        self.scopes: set[str] = set()  # that its statements have asked for
        self.when_committed: list[Callable[[], None]] = []

    def on_commit(self, act: Callable[[], None]) -> None:
        """Do something once this has been committed, and never if it is not."""
        self.when_committed.append(act)

    @property
    def is_open(self) -> bool:
        """Tell whether it has begun and not yet ended."""
        return self._connection.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def has_failed(self) -> bool:
        """Tell whether a statement has failed, so that only a savepoint can save what came before it."""
        return self._connection.transaction_status == TransactionStatus.INERROR

    async def execute(
        self,
        statement: Statement,
        parameters: Parameters = NOTHING,
        credentials: Credentials | None = None,
        *,
        savepoint: str | None = None,
    ) -> Rows:
        """Execute a statement, which may take on another role than the one before it, and set a savepoint behind it.

        Raises what `Pool.execute` does.
        """
        self._note_scope(statement)
        before, after = self._before(), [] if savepoint is None else [control(f"SAVEPOINT {savepoint}")]
        started = time.perf_counter()
        try:
            return await send_unit(
                self._connection,
                statement,
                parameters,
                credentials,
                before=before,
                after=after,
                edition=self.edition,
            )
        except Error as error:
            raise self._translated(error) from error
        finally:
            logs.add_database_time(time.perf_counter() - started)

    async def transact(
        self, work: Callable[["Transaction"], Awaitable[T]], credentials: Credentials | None = None
    ) -> T:
        """Do some work as a part that is undone by itself if it raises."""
        async with self._part():
            return await work(self)

    async def execute_each(
        self,
        statements: Sequence[tuple[Statement, Parameters]],
        credentials: Credentials,
        *,
        keep_going: bool,
        savepoint: str | None = None,
    ) -> list[Outcome]:
        """Execute statements of one scope and role in as few round trips as possible; return what became of each.

        A statement that fails takes the whole transaction along and is the last of the outcomes; with `keep_going`
        it takes only itself along. `savepoint` is set before the first of them.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < len(statements):
            mark = [] if savepoint is None or outcomes else [control(f"SAVEPOINT {savepoint}")]
            outcomes += await self._execute_until_error(statements[len(outcomes) :], credentials, keep_going, mark)
            if self.has_failed and not keep_going:
                return outcomes
        if self.has_failed:  # the last one has, and the others are to stay
            await self.command(f"ROLLBACK TO {_EACH}")
        return outcomes

    async def command(self, text: str) -> None:
        """Execute a command without a result: SAVEPOINT, ROLLBACK TO, COMMIT."""
        started = time.perf_counter()
        try:
            results, error = await self._connection.send([control(text)], edition=None)
        finally:
            logs.add_database_time(slow_queries.note("api", text, started))
        if error is not None:
            raise error
        if text.startswith("ROLLBACK"):
            self.when_committed.clear()
        if text == "COMMIT":
            check_commit(self._connection, results[-1])

    async def end_trial(self) -> None:
        """Check what a commit would, and undo everything."""
        if self.has_failed:
            await self.command("ROLLBACK")
            return
        self.when_committed.clear()
        started = time.perf_counter()
        try:
            _, error = await self._connection.send(END_OF_TRIAL, edition=None)
        finally:
            logs.add_database_time(time.perf_counter() - started)
        if error is not None:
            raise error

    async def end(self, command: str) -> None:
        """Commit or roll back, unless it has ended. Raises OperationalError where its connection has: all is undone."""
        if self._connection.is_ended:  # since the last answer: no COMMIT can be sent, so none may be believed
            raise OperationalError(f"the connection was lost before {command}")
        if self.is_open:
            await self.command(command)

    @asynccontextmanager
    async def _part(self) -> AsyncIterator[None]:
        """Undo by itself what is done inside, if it raises."""
        await self.command(f"SAVEPOINT {_PART}")
        try:
            yield
        except BaseException:
            await self.command(f"ROLLBACK TO {_PART}")
            raise

    def _before(self) -> list[Bound]:
        return [(_STEP_BACK, {})] if self.is_open else [BEGIN, (_STEP_BACK, {})]

    async def _execute_until_error(
        self,
        statements: Sequence[tuple[Statement, Parameters]],
        credentials: Credentials,
        keep_going: bool,
        mark: Sequence[Bound],
    ) -> list[Outcome]:
        """Send all in one piece and return the outcomes up to the first error, which PostgreSQL stops at."""
        self._note_scope(statements[0][0])
        undoing = [_UNDO_EACH, _RELEASE_EACH] if self.has_failed else []
        # Where one of them writes, the owner is locked before the first: one that only reads may come before it.
        opener = next((statement for statement, _ in statements if statement.writes), statements[0][0])
        opening = [*undoing, *self._before(), *preamble(opener, credentials)]
        before = [*opening, *mark]
        groups = _commands(statements, keep_going)
        commands = [*before, *(command for group in groups for command in group)]
        started = time.perf_counter()
        try:
            results, error = await self._connection.send(commands, edition=self.edition)
        finally:
            shape = f"{len(statements)} × {statements[-1][0].query.text.decode()}"
            logs.add_database_time(slow_queries.note("api", shape, started))
        if len(results) < len(before):
            raise RuntimeError("a message was answered in part") if error is None else self._translated(error)
        if error is not None and len(results) == len(commands):  # behind all of them, and of them all
            raise self._translated(error)
        user_id = accepted(self._connection, credentials, results[len(opening) - 1])
        outcomes = _outcomes(results[len(before) :], groups, keep_going, user_id)
        return outcomes if error is None else [*outcomes, self._translated(error)]

    def _note_scope(self, statement: Statement) -> None:
        if statement.scope is not None:
            self.scopes.add(str(statement.scope))

    def _translated(self, error: Error) -> Exception:
        translated = translate(error)
        if isinstance(translated, Undone):
            self.undone, translated.__cause__ = translated, error
        return translated
