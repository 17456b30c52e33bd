"""Many writes of one user in one request, and in one round trip to the database."""

from collections.abc import Sequence

from tasks.queries import writes
from tasks.queries.documents import TaskChanged, TaskDeleted, TaskNotFound, TaskRow
from tasks.queries.writes import Plan
from tasks.schemas import BatchChange, BatchCreate, BatchOperation
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials, Rows
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


async def run_batch(
    work: Work, credentials: Credentials, operations: Sequence[BatchOperation], *, is_atomic: bool
) -> list[TaskRow | Exception]:
    """Carry out operations in order; return the task after each, or why it was not done.

    Raises BatchFailed where one fails that is to be all or nothing.
    """
    planned = [_plan(operation) for operation in operations]
    statements = [(plan.statement, plan.values) for plan in planned]

    async def carry_out(transaction: Transaction) -> list[TaskRow | Exception]:
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
    except (TaskNotFound, TaskChanged, TaskDeleted) as error:
        return error


def _plan(operation: BatchOperation) -> Plan:
    if isinstance(operation, BatchCreate):
        return writes.creation_as(operation.id, operation.data) if operation.id else writes.creation(operation.data)
    if isinstance(operation, BatchChange):
        return writes.change(operation.id, operation.data, operation.versions)
    return _STATE_CHANGES[operation.op](operation.id, operation.versions)
