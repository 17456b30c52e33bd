"""Imports: what an account has is read, a plan is made of it, and that is carried out in batches, as the API's are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import ValidationError

from tasks.batch_schemas import BATCH_LIMIT, Batch, BatchCreate, BatchOperation, ImportedTask, UnreadableOperation
from tasks.formats.items import Item, Notice
from tasks.list_query import TaskListQuery
from tasks.list_schemas import ListsQuery
from tasks.queries import lists
from tasks.queries.batch import run_batch
from tasks.queries.import_plan import Account, ImportPlan, Step, plan
from tasks.queries.pages import list_page
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import ConstraintViolated

_PAGE = 200  # the most that a page has
Tell = Callable[[str], None]

# What only the database can tell, by the name of its rule; the others are told by that name.
_REFUSALS = {
    "tasks_most_of_account": "The account holds as many tasks as it may.",
    "tasks_most_labels_of_account": "The account has as many different labels as it may.",
    "lists_most_of_account": "The account holds as many lists as it may.",
    "tasks_list_exists": "Its list could not be made.",
    "tasks_parent_exists": "The task that it belongs under could not be kept.",
    "tasks_parent_depth": "Tasks are at most five levels deep.",
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

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


async def read_account(credentials: Credentials, zone: ZoneInfo, tell: Tell) -> Account:
    """Read what the account has."""
    tasks: list[dict[str, Any]] = []
    for is_deleted in (False, True):
        query: TaskListQuery | None = TaskListQuery.model_validate(
            {"limit": _PAGE, "sort": "created_at", "deleted": is_deleted}
        )
        while query is not None:
            page = orjson.loads(await list_page(credentials, query))
            tasks += page["items"]
            tell(f"reading what is there: {len(tasks):,} tasks")
            query = query.model_copy(update={"cursor": page["next_cursor"]}) if page["next_cursor"] else None
    lists_by_name = {row["name"]: row["id"] for row in reversed(await all_lists(credentials))}
    return Account(tasks, lists_by_name, zone, datetime.now(zone).date())


async def all_lists(credentials: Credentials) -> list[dict[str, Any]]:
    """Return the account's lists, by position."""
    found: list[dict[str, Any]] = []
    query: ListsQuery | None = ListsQuery.model_validate({"limit": _PAGE})
    while query is not None:
        page = orjson.loads(await lists.list_page(credentials, query))
        found += page["items"]
        query = query.model_copy(update={"cursor": page["next_cursor"]}) if page["next_cursor"] else None
    return found


async def import_items(
    work: Work,
    credentials: Credentials,
    items: Sequence[Item],
    notices: Sequence[Notice],
    zone: ZoneInfo,
    *,
    source: str,
    into: str | None = None,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Make the account's tasks what the items say; `notices` are what reading them has told.

    It can be repeated: what is as it should be stays. Raises DatabaseUnavailable where it is interrupted.
    """
    account = await read_account(credentials, zone, tell)
    made = plan(items, account, source=source, into=into)
    report = Report(source, dry_run, lists=[*made.lists], changed=[*notices, *made.changed], left_out=made.left_out)
    refused = _unreadable(made)
    if not dry_run:
        refused |= await _carry_out(work, credentials, made, refused.keys(), report, tell)
    for step in made.steps:
        if (why := refused.get(step.item.line)) is None:
            setattr(report, step.outcome, getattr(report, step.outcome) + 1)
        else:
            report.left_out.append(Notice(step.item.line, step.item.title, *why))
    return report


Refusals = dict[int, tuple[str, str, str]]  # member, code and detail, by line


def _unreadable(made: ImportPlan) -> Refusals:
    """Return what breaks a rule that needs no database to be told."""
    refused: Refusals = {}
    for step in made.steps:
        for operation in (*step.writes, *step.completes):
            (read,) = _read([operation])
            if isinstance(read, UnreadableOperation):
                refused.setdefault(step.item.line, _first_error(read.failure))
    return refused


def _read(operations: Sequence[dict[str, Any]]) -> list[BatchOperation | UnreadableOperation]:
    """Read operations as the API does; a creation may say besides when it was."""
    days = [operation.get("created_at") for operation in operations]
    as_sent = [{name: value for name, value in each.items() if name != "created_at"} for each in operations]
    read = Batch.model_validate({"operations": as_sent}).read()
    return [_made_then(operation, day) for operation, day in zip(read, days, strict=True)]


def _made_then(operation: BatchOperation | UnreadableOperation, day: Any) -> BatchOperation | UnreadableOperation:
    if day is None or not isinstance(operation, BatchCreate):
        return operation
    return ImportedTask.model_construct(**dict(operation), created_at=day)


def _first_error(failure: ValidationError) -> tuple[str, str, str]:
    error = failure.errors(include_url=False, include_input=False)[0]
    member = next((str(part) for part in reversed(error["loc"]) if isinstance(part, str)), "")
    return member, error["type"].replace("_", "-"), error["msg"]


async def _carry_out(
    work: Work, credentials: Credentials, made: ImportPlan, unreadable: Any, report: Report, tell: Tell
) -> Refusals:
    """Write in batches; return what the database has refused."""
    refused: Refusals = {}
    wanted = [step for step in made.steps if step.item.line not in unreadable]
    operations = [*_operations(made.lists, wanted)]
    remaining = iter(operations)
    done = 0
    while chunk := [*islice(remaining, BATCH_LIMIT)]:
        read = _read([operation for _, operation in chunk])
        results = await run_batch(work, credentials, read, is_atomic=False)
        for (line, _), result in zip(chunk, results, strict=True):
            if isinstance(result, Exception):
                refused.setdefault(line, _refusal(result))
        numbers = [row.change_no for row in results if not isinstance(row, Exception) and row.change_no is not None]
        report.actions += [int(number) for number in numbers[-1:]]
        done += len(chunk)
        tell(f"writing {done:,} of {len(operations):,}")
    return refused


def _operations(new_lists: Mapping[str, str], steps: Sequence[Step]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield operations, each with its line: lists, tasks from the top, then completions from the bottom.

    Completing a task completes what is open below it, so that has been completed before, on its own day.
    """
    for name, list_id in new_lists.items():
        yield 0, {"op": "create", "kind": "list", "id": list_id, "data": {"name": name}}
    for step in steps:
        yield from ((step.item.line, operation) for operation in step.writes)
    for step in reversed(steps):
        yield from ((step.item.line, operation) for operation in step.completes)


def _refusal(error: Exception) -> tuple[str, str, str]:
    if isinstance(error, ConstraintViolated):
        return "", error.constraint, _REFUSALS.get(error.constraint, f"The database refused it: {error.constraint}.")
    return "", "refused", str(error) or type(error).__name__
