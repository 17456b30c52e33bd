"""Many writes of one user in one request, and in one round trip to the database."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal

from pydantic import ValidationError

from accounts.models import Scope
from tasks import recurrence
from tasks.batch_schemas import (
    BatchChange,
    BatchCompletion,
    BatchCreate,
    BatchMove,
    BatchOperation,
    BatchSkipping,
    BatchStateChange,
    BatchUpsert,
    ImportedTask,
    ListBatchChange,
    ListBatchCreate,
    ListBatchDeletion,
    ListBatchMove,
    ListBatchRestoration,
    ListOperation,
    UnreadableOperation,
)
from tasks.queries import lists, series, writes
from tasks.queries.resource import Changed, Deleted, Incomplete, NotFound, Plan
from tasks.queries.resource import Row as TaskRow
from tasks.queries.series import Advance, Met, NotRecurring, OccurrenceAhead, OccurrencePassed, OccurrenceRequired
from tasks.recurrence.rules import RuleRefused
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.database.client.transaction import Transaction
from todoproject.database.errors import ConstraintViolated
from todoproject.http.read_only import ReadOnlyDiffers

_STATE_CHANGES = {
    "delete": writes.deletion,
    "reopen": writes.reopening,
    "restore": writes.restoration,
}


class BatchFailed(Exception):
    """An operation of an all-or-nothing batch has failed, so none was done; `cause` is what failed."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(f"operation {index}: {cause!r}")
        self.index = index
        self.cause = cause


class OperationUnreadable(Exception):
    """An operation breaks a rule that needs no database to be told."""

    def __init__(self, failure: ValidationError) -> None:
        super().__init__(f"{failure.error_count()} errors")
        self.failure = failure


Operation = BatchOperation | UnreadableOperation
Result = TaskRow | Exception


@lru_cache
def _check() -> Statement:
    return Statement.fenced("SELECT 1", scope=Scope.TASKS_WRITE, repeatable=True)


async def run_batch(
    work: Work, credentials: Credentials, operations: Sequence[Operation], *, is_atomic: bool
) -> list[Result]:
    """Carry out operations in order; return the task after each, or why it was not done.

    All their series together are computed no longer than one request may take (`recurrence.bounded`). Raises
    BatchFailed where one fails that is to be all or nothing.
    """
    with recurrence.bounded():
        return await _run_batch(work, credentials, operations, is_atomic=is_atomic)


async def _run_batch(
    work: Work, credentials: Credentials, operations: Sequence[Operation], *, is_atomic: bool
) -> list[Result]:
    unreadable = {
        number: OperationUnreadable(operation.failure)
        for number, operation in enumerate(operations)
        if isinstance(operation, UnreadableOperation)
    }
    if is_atomic and unreadable:
        raise BatchFailed(*next(iter(unreadable.items())))
    steps = [await _planned(operation) for operation in operations if not isinstance(operation, UnreadableOperation)]
    if steps:
        done = iter(await _run(work, credentials, steps, is_atomic=is_atomic))
    else:  # whoever may not write learns nothing about the operations
        await work.execute(_check(), credentials=credentials)
        done = iter(())
    return [unreadable[number] if number in unreadable else next(done) for number in range(len(operations))]


Step = Plan | Advance


async def _planned(operation: BatchOperation) -> Step:
    """Plan an operation; others have their turn after each that a series is computed for."""
    if isinstance(operation, BatchCreate) and operation.data.recurrence is not None:
        await asyncio.sleep(0)
    return _plan(operation)


async def _run(work: Work, credentials: Credentials, steps: Sequence[Step], *, is_atomic: bool) -> list[Result]:
    async def carry_out(transaction: Transaction) -> list[Result]:
        return await _Steps(transaction, credentials, steps, is_atomic=is_atomic).carry_out()

    return await work.transact(carry_out, credentials)


class _Steps:
    """The operations of a batch on their way: together in one message, but those alone that Python has a part in.

    Whether a task is a series is known only when it is met. What came behind it in the same message is then undone and
    sent again, after the series has moved on.
    """

    def __init__(
        self, transaction: Transaction, credentials: Credentials, steps: Sequence[Step], *, is_atomic: bool
    ) -> None:
        self._transaction, self._credentials = transaction, credentials
        self._steps, self._is_atomic = steps, is_atomic
        self._alone = {number for number, step in enumerate(steps) if step.looks}
        self._results: list[Result] = []

    async def carry_out(self) -> list[Result]:
        while (begin := len(self._results)) < len(self._steps):
            if begin in self._alone:
                self._add([await self._carry_out_alone(self._steps[begin])])
            else:
                await self._send(self._steps[begin : min((n for n in self._alone if n > begin), default=None)])
        return self._results

    async def _send(self, steps: Sequence[Step]) -> None:
        """Send some operations at once, and add what became of them; of none where a series was met."""
        savepoint = _BEFORE if any(isinstance(step, Advance) for step in steps) else None
        outcomes = await self._transaction.execute_each(
            [(step.statement, step.values) for step in steps],
            self._credentials,
            keep_going=not self._is_atomic,
            savepoint=savepoint,
        )
        results = [_result(step, outcome) for step, outcome in zip(steps, outcomes, strict=False)]
        if met := {len(self._results) + number for number, result in enumerate(results) if isinstance(result, Met)}:
            self._alone |= met
            await self._transaction.command(f"ROLLBACK TO {_BEFORE}")
            results = []
        self._add(results)

    def _add(self, results: Sequence[Result]) -> None:
        for result in results:
            if self._is_atomic and isinstance(result, Exception):
                raise BatchFailed(len(self._results), result)
            self._results.append(result)

    async def _carry_out_alone(self, step: Step) -> Result:
        """Carry out an operation in as many steps as it takes; if it fails, only itself is undone."""
        if not self._is_atomic:
            await self._transaction.command(f"SAVEPOINT {_ALONE}")
        try:
            if isinstance(step, Advance):
                return await series.carry_out(self._transaction, self._credentials, step)
            row = step.read(await self._transaction.execute(step.statement, step.values, self._credentials))
            await series.refuse_unfit(self._transaction, self._credentials, row)
        except (*_REFUSALS, ConstraintViolated) as error:
            if not self._is_atomic:
                await self._transaction.command(f"ROLLBACK TO {_ALONE}")
            return error
        return row


_BEFORE, _ALONE = "before_series", "alone"
_REFUSALS = (
    *(NotFound, Changed, Deleted, Incomplete, ReadOnlyDiffers, RuleRefused),
    *(OccurrencePassed, OccurrenceAhead, OccurrenceRequired, NotRecurring),
)


def _result(step: Step, outcome: Rows | Exception) -> TaskRow | Exception:
    if isinstance(outcome, Exception):
        return outcome
    try:
        return step.read(outcome)
    except (*_REFUSALS, Met) as error:
        return error


def _plan(operation: BatchOperation) -> Step:
    match operation:
        case ImportedTask():
            return writes.creation_of_import(operation.id, operation.data, operation.created_at)
        case BatchCreate():
            new = operation.data
            return writes.creation_as(operation.id, new) if operation.id else writes.creation(new)
        case BatchChange():
            return writes.change(operation.id, operation.data, operation.versions)
        case BatchMove():
            return writes.move(operation.id, operation.data, operation.versions)
        case BatchUpsert():
            return writes.upsert(operation.external_id, operation.data, None)
        case BatchCompletion():
            return _advance(operation, "complete", completed_at=operation.data.completed_at)
        case BatchSkipping():
            return _advance(operation, "skip")
        case BatchStateChange():
            return _STATE_CHANGES[operation.op](operation.id, operation.versions)
    return _plan_of_list(operation)


def _advance(
    operation: BatchCompletion | BatchSkipping, verb: Literal["complete", "skip"], completed_at: datetime | None = None
) -> Advance:
    is_conditional = operation.if_match is not None
    return Advance(operation.id, verb, operation.data.occurrence, completed_at, operation.versions, is_conditional)


def _plan_of_list(operation: ListOperation) -> Plan:
    match operation:
        case ListBatchCreate():
            new = operation.data
            return lists.creation_as(operation.id, new) if operation.id else lists.creation(new)
        case ListBatchChange():
            return lists.change(operation.id, operation.data, operation.versions)
        case ListBatchMove():
            return lists.move(operation.id, operation.data, operation.versions)
        case ListBatchDeletion():
            return lists.deletion(operation.id, operation.data.tasks, operation.versions)
        case ListBatchRestoration():
            return lists.restoration(operation.id, operation.versions)
