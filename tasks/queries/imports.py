"""Imports: what an account has is read, a plan is made of it, and that is carried out in batches, as the API's are."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from tasks.batch_schemas import BATCH_LIMIT, Batch, BatchCreate, BatchOperation, ImportedTask, UnreadableOperation
from tasks.formats.items import Contents, NamedList, Notice
from tasks.queries import import_account
from tasks.queries.batch import run_batch
from tasks.queries.import_names import names
from tasks.queries.import_plan import Account, ImportPlan, Step, plan
from tasks.queries.resource import Row
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import ConstraintViolated

# Operations in a transaction. Each leaves a dead version of the owner's row, which those after it pass: with 500 a task
# cost PostgreSQL nearly twice as much.
_AT_A_TIME = 100
Tell = Callable[[str], None]

# What only the database can tell, by the name of its rule; the others are told by that name.
_REFUSALS = {
    "tasks_most_of_account": "The account holds as many tasks as it may.",
    "tasks_most_labels_of_account": "The account has as many different labels as it may.",
    "lists_most_of_account": "The account holds as many lists as it may.",
    "tasks_list_exists": "Its list could not be made.",
    "tasks_parent_exists": "The task that it belongs under could not be kept.",
    "tasks_parent_depth": "Tasks are at most five levels deep.",
    "tasks_parent_live": "The task that it belongs under is in the trash.",
    "tasks_external_id_unique": "Another task of the account has this external id.",
    "tasks_parent_circle": "A task cannot belong under itself or its own subtasks.",
}


@dataclass(slots=True)
class Report:
    """What an import has done, or would do."""

    format: str
    dry_run: bool
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    lists: list[str] = field(default_factory=list)
    changed: list[Notice] = field(default_factory=list)
    left_out: list[Notice] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)  # a change number for each transaction
    affected: int = 0
    change_no: str | None = None

    def count(self, rows: Sequence[Row]) -> None:
        """Count what a transaction has done."""
        self.affected += sum(row.affected for row in rows)
        numbers = [row.change_no for row in rows if row.change_no is not None]
        self.change_no = numbers[-1] if numbers else self.change_no
        self.actions += [int(number) for number in numbers[-1:]]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        document = asdict(self)
        del document["affected"], document["change_no"]
        for notice in document["left_out"]:
            del notice["member"]
        return document


async def import_contents(
    credentials: Credentials,
    contents: Contents,
    zone: ZoneInfo,
    *,
    source: str,
    into: str | None = None,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Make the account's tasks what a file of the format `source` says.

    It can be repeated: what is as it should be stays. Raises DatabaseUnavailable where it is interrupted.
    """
    made = await _planned(credentials, contents, zone, source=source, into=into, tell=tell)
    report = Report(source, dry_run, lists=[*made.lists])
    report.changed, report.left_out = [*contents.changed, *made.changed], [*contents.left_out, *made.left_out]
    refused = await asyncio.to_thread(_unreadable, made)
    if not dry_run:
        refused |= await _carry_out(credentials, made, refused.keys(), report, tell)
    for step in made.steps:
        if (why := refused.get(step.task_id)) is None:
            setattr(report, step.outcome, getattr(report, step.outcome) + 1)
        else:
            report.left_out.append(Notice(step.item.line, step.item.title, *why))
    if dry_run:
        report.affected = report.created + report.updated + len(made.lists)
    return report


async def _planned(
    credentials: Credentials, contents: Contents, zone: ZoneInfo, *, source: str, into: str | None, tell: Tell
) -> ImportPlan:
    found = await asyncio.to_thread(names, contents.items, source, into)
    tell(f"reading what is there of {len(contents.items):,} tasks")
    tasks = await import_account.read_named(credentials, found)
    lists = await import_account.read_lists(credentials)
    account = Account(tasks, lists, zone, datetime.now(zone).date())
    return await asyncio.to_thread(plan, found, contents.lists, account, into=into)


Refusals = dict[str, tuple[str, str, str]]  # member, code and detail, by the id of the task


def _unreadable(made: ImportPlan) -> Refusals:
    """Return what breaks a rule that needs no database to be told."""
    refused: Refusals = {}
    for step in made.steps:
        for operation in (*step.writes, *step.completes):
            (read,) = _read([operation])
            if isinstance(read, UnreadableOperation):
                refused.setdefault(step.task_id, _first_error(read.failure))
    return refused


def _read(operations: Sequence[dict[str, Any]]) -> list[BatchOperation | UnreadableOperation]:
    """Read operations as the API does; a creation may say besides when it was, and nobody looks for its id."""
    days = [operation.get("created_at") for operation in operations]
    as_sent = [{name: value for name, value in each.items() if name != "created_at"} for each in operations]
    parts = [as_sent[at : at + BATCH_LIMIT] for at in range(0, len(as_sent), BATCH_LIMIT)]
    read = [operation for part in parts for operation in Batch.model_validate({"operations": part}).read()]
    return [_made_then(operation, day) for operation, day in zip(read, days, strict=True)]


def _made_then(operation: BatchOperation | UnreadableOperation, day: Any) -> BatchOperation | UnreadableOperation:
    if not isinstance(operation, BatchCreate):
        return operation
    return ImportedTask.model_construct(**dict(operation), created_at=day)


def _first_error(failure: ValidationError) -> tuple[str, str, str]:
    error = failure.errors(include_url=False, include_input=False)[0]
    member = next((str(part) for part in reversed(error["loc"]) if isinstance(part, str)), "")
    return member, error["type"].replace("_", "-"), error["msg"]


async def _carry_out(
    credentials: Credentials, made: ImportPlan, unreadable: Collection[str], report: Report, tell: Tell
) -> Refusals:
    """Write in batches; return what the database has refused."""
    refused: Refusals = {}
    wanted = [step for step in made.steps if step.task_id not in unreadable]
    remaining = _operations(made, wanted)
    done = 0
    while chunk := [*islice(remaining, _AT_A_TIME)]:
        read = await asyncio.to_thread(_read, [operation for _, operation in chunk])
        results = await run_batch(pool, credentials, read, is_atomic=False)
        for (task_id, _), result in zip(chunk, results, strict=True):
            if isinstance(result, Exception):
                refused.setdefault(task_id, _refusal(result))
        report.count([row for row in results if not isinstance(row, Exception)])
        done += len(chunk)
        tell(f"writing: {done:,} steps of {len(wanted):,} tasks")
        await import_account.go_on(credentials)
    return refused


def _operations(made: ImportPlan, steps: Sequence[Step]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield operations, each with the task it is for: lists, tasks from the top, then completions from the bottom.

    Completing a task completes what is open below it, so that has been completed before, on its own day.
    """
    for name, list_id in made.lists.items():
        members = made.members_of_lists.get(name, NamedList(name))
        yield list_id, {"op": "create", "kind": "list", "id": list_id, "data": asdict(members)}
    for step in steps:
        yield from ((step.task_id, operation) for operation in step.writes)
    for step in reversed(steps):
        yield from ((step.task_id, operation) for operation in step.completes)


def _refusal(error: Exception) -> tuple[str, str, str]:
    if isinstance(error, ConstraintViolated):
        return "", error.constraint, _REFUSALS.get(error.constraint, f"The database refused it: {error.constraint}.")
    return "", "refused", str(error) or type(error).__name__
