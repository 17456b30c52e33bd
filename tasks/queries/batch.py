"""Many writes of one user in one request, and in one round trip to the database."""

from collections.abc import Sequence

from accounts.tokens import Credentials
from tasks.queries import plans
from tasks.queries.plans import Plan
from tasks.queries.rows import TaskChanged, TaskDeleted, TaskNotFound, TaskRow, parameters
from tasks.schemas import BatchChange, BatchCreate, BatchOperation
from todoproject.database.pool import pool
from todoproject.database.unit import Rows

_STATE_CHANGES = {
    "delete": plans.deletion,
    "complete": plans.completion,
    "reopen": plans.reopening,
    "restore": plans.restoration,
}


class BatchFailed(Exception):
    """An operation of an all-or-nothing batch has failed, so none was done; `cause` is what failed."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(f"operation {index}: {cause!r}")
        self.index = index
        self.cause = cause


async def run_batch(
    credentials: Credentials, operations: Sequence[BatchOperation], *, is_atomic: bool
) -> list[TaskRow | Exception]:
    """Carry out operations in order; return the task after each, or why it was not done.

    Raises BatchFailed where one fails that is to be all or nothing.
    """
    planned = [_plan(operation) for operation in operations]
    statements = [(plan.statement, parameters(credentials, **plan.values)) for plan in planned]
    async with pool.transaction() as transaction:
        outcomes = await transaction.run_each(statements, keep_going=not is_atomic)
        results = [_result(plan, outcome) for plan, outcome in zip(planned, outcomes, strict=False)]
        for index, result in enumerate(results):
            if is_atomic and isinstance(result, Exception):
                raise BatchFailed(index, result)
        return results


def _result(plan: Plan, outcome: Rows | Exception) -> TaskRow | Exception:
    if isinstance(outcome, Exception):
        return outcome
    try:
        return plan.read(outcome)
    except (TaskNotFound, TaskChanged, TaskDeleted) as error:
        return error


def _plan(operation: BatchOperation) -> Plan:
    if isinstance(operation, BatchCreate):
        return plans.creation_as(operation.id, operation.data) if operation.id else plans.creation(operation.data)
    if isinstance(operation, BatchChange):
        return plans.change(operation.id, operation.data, operation.versions)
    return _STATE_CHANGES[operation.op](operation.id, operation.versions)
