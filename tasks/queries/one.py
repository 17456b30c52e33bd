"""One task: read, created, changed, deleted, restored, each in one round trip."""

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from accounts.models import Scope
from tasks.label_schemas import LabelChange
from tasks.models import Task
from tasks.moves import TaskMove
from tasks.queries import series, writes
from tasks.queries.documents import FIELDS, TASKS, TaskNotFound, TaskRow
from tasks.queries.resource import Plan, Versions
from tasks.schemas import TaskCreate, TaskPatch, TaskReplacement
from todoproject.database.client import sql
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials, Statement
from todoproject.database.client.transaction import Outcome, Transaction


@lru_cache
def _get() -> Statement:
    text = sql.as_json(sql.select(TASKS.live()), Task, FIELDS, ["version"])
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def get(work: Work, credentials: Credentials, task_id: UUID) -> TaskRow:
    """Return the user's task. Raises TaskNotFound."""
    rows = await work.execute(_get(), {"id": task_id}, credentials)
    if not rows:
        raise TaskNotFound
    return TaskRow(rows.bytes(0, 0), rows.text(0, 1))


async def get_each(work: Work, credentials: Credentials, task_ids: Sequence[UUID]) -> list[TaskRow]:
    """Return those of the tasks that there are, in one transaction."""

    async def read(transaction: Transaction) -> list[Outcome]:
        asked = [(_get(), {"id": task_id}) for task_id in task_ids]
        return await transaction.execute_each(asked, credentials, keep_going=False)

    found = []
    for outcome in await work.transact(read, credentials):
        if isinstance(outcome, Exception):
            raise outcome
        found += [TaskRow(outcome.bytes(0, 0), outcome.text(0, 1))] if outcome else []
    return found


async def _carry_out(work: Work, credentials: Credentials, plan: Plan) -> TaskRow:
    if not plan.looks:
        return plan.read(await work.execute(plan.statement, plan.values, credentials))

    async def write_and_look(transaction: Transaction) -> TaskRow:
        row = plan.read(await transaction.execute(plan.statement, plan.values, credentials))
        await series.refuse_unfit(transaction, credentials, row)
        return row

    return await work.transact(write_and_look, credentials)


async def create(work: Work, credentials: Credentials, task: TaskCreate) -> tuple[UUID, TaskRow]:
    """Store a new task of the user and return its id and itself."""
    plan = writes.creation(task)
    row = await _carry_out(work, credentials, plan)
    return UUID(str(plan.id)), row


async def create_as(work: Work, credentials: Credentials, task_id: UUID, task: TaskCreate) -> TaskRow:
    """Store a new task under an id that the client has made. Raises TaskChanged, TaskDeleted where it is in use."""
    return await _carry_out(work, credentials, writes.creation_as(task_id, task))


async def replace(
    work: Work, credentials: Credentials, task_id: UUID, task: TaskReplacement, if_match: Versions | None = None
) -> TaskRow:
    """Give the task these members and no others. Raises TaskNotFound, TaskChanged, ReadOnlyDiffers."""
    return await _carry_out(work, credentials, writes.replacement(task_id, task, if_match))


async def patch(
    work: Work, credentials: Credentials, task_id: UUID, task: TaskPatch, if_match: Versions | None = None
) -> TaskRow:
    """Change the members that the patch names; an empty patch changes nothing.

    Raises TaskNotFound, TaskChanged, ReadOnlyDiffers.
    """
    return await _carry_out(work, credentials, writes.change(task_id, task, if_match))


async def reopen(work: Work, credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> TaskRow:
    """Open the task again, if it is completed. Raises TaskNotFound, TaskChanged."""
    return await _carry_out(work, credentials, writes.reopening(task_id, if_match))


async def delete(work: Work, credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> TaskRow:
    """Put the task away; a purge removes it later. Raises TaskNotFound, TaskChanged."""
    return await _carry_out(work, credentials, writes.deletion(task_id, if_match))


async def restore(work: Work, credentials: Credentials, task_id: UUID, if_match: Versions | None = None) -> TaskRow:
    """Take the task back from the trash, if it is there. Raises TaskNotFound, TaskChanged."""
    return await _carry_out(work, credentials, writes.restoration(task_id, if_match))


async def change_labels(
    work: Work, credentials: Credentials, task_id: UUID, labels: LabelChange, if_match: Versions | None = None
) -> TaskRow:
    """Add labels to the task and take others off. Raises TaskNotFound, TaskChanged."""
    return await _carry_out(work, credentials, writes.change_of_labels(task_id, labels, if_match))


async def upsert(
    work: Work,
    credentials: Credentials,
    external_id: str,
    task: TaskReplacement | TaskPatch,
    if_match: Versions | None = None,
    *,
    creates: bool = True,
) -> TaskRow:
    """Change or create the task of an external id. Raises TaskNotFound, TaskChanged, TaskDeleted, Incomplete."""
    return await _carry_out(work, credentials, writes.upsert(external_id, task, if_match, creates=creates))


async def move(
    work: Work, credentials: Credentials, task_id: UUID, to: TaskMove, if_match: Versions | None = None
) -> TaskRow:
    """Put the task and its subtasks somewhere else. Raises TaskNotFound, TaskChanged."""
    return await _carry_out(work, credentials, writes.move(task_id, to, if_match))
