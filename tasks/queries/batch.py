"""Many writes of one user in one request, and in one round trip to the database."""

from collections.abc import Sequence
from functools import lru_cache

from pydantic import ValidationError

from accounts.models import Scope
from tasks.batch_schemas import (
    BatchChange,
    BatchCreate,
    BatchMove,
    BatchOperation,
    BatchStateChange,
    BatchUpsert,
    ListBatchChange,
    ListBatchCreate,
    ListBatchDeletion,
    ListBatchMove,
    ListBatchRestoration,
    ListOperation,
    UnreadableOperation,
)
from tasks.queries import lists, writes
from tasks.queries.resource import Changed, Deleted, Incomplete, NotFound, Plan
from tasks.queries.resource import Row as TaskRow
from tasks.read_only import ReadOnlyDiffers
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.database.client.transaction import Transaction

_STATE_CHANGES = {
    "delete": writes.deletion,
    "complete": writes.completion,
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

    Raises BatchFailed where one fails that is to be all or nothing.
    """
    unreadable = {
        number: OperationUnreadable(operation.failure)
        for number, operation in enumerate(operations)
        if isinstance(operation, UnreadableOperation)
    }
    if is_atomic and unreadable:
        raise BatchFailed(*next(iter(unreadable.items())))
    planned = [_plan(operation) for operation in operations if not isinstance(operation, UnreadableOperation)]
    if planned:
        done = iter(await _run(work, credentials, planned, is_atomic=is_atomic))
    else:  # whoever may not write learns nothing about the operations
        await work.execute(_check(), credentials=credentials)
        done = iter(())
    return [unreadable[number] if number in unreadable else next(done) for number in range(len(operations))]


async def _run(work: Work, credentials: Credentials, planned: Sequence[Plan], *, is_atomic: bool) -> list[Result]:
    statements = [(plan.statement, plan.values) for plan in planned]

    async def carry_out(transaction: Transaction) -> list[Result]:
        outcomes = await transaction.execute_each(statements, credentials, keep_going=not is_atomic)
        results = [_result(plan, outcome) for plan, outcome in zip(planned, outcomes, strict=False)]
        for index, result in enumerate(results):
            if is_atomic and isinstance(result, Exception):
                raise BatchFailed(index, result)
        return results

    return await work.transact(carry_out, credentials)


def _result(plan: Plan, outcome: Rows | Exception) -> TaskRow | Exception:
    if isinstance(outcome, Exception):
        return outcome
    try:
        return plan.read(outcome)
    except (NotFound, Changed, Deleted, Incomplete, ReadOnlyDiffers) as error:
        return error


def _plan(operation: BatchOperation) -> Plan:
    match operation:
        case BatchCreate():
            new = operation.data
            return writes.creation_as(operation.id, new) if operation.id else writes.creation(new)
        case BatchChange():
            return writes.change(operation.id, operation.data, operation.versions)
        case BatchMove():
            return writes.move(operation.id, operation.data, operation.versions)
        case BatchUpsert():
            return writes.upsert(operation.external_id, operation.data, None)
        case BatchStateChange():
            return _STATE_CHANGES[operation.op](operation.id, operation.versions)
    return _plan_of_list(operation)


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
