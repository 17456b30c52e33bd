"""Tasks: find, make, change, complete, move and delete them, one by one or many at once."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict, Unpack

import httpx

from todo_client.models import Page, Priority, Recurrence, Reminder, Result, Task
from todo_client.operations import Operation, get, id_of, nothing, reading, segment, version_of, write

Day = date | str  # filters also take "today", "tomorrow" and "+7d": days of the account's zone


class TaskFilter(TypedDict, total=False):
    """What narrows and sorts a list of tasks; `labels` must all be there, any of `priority` will do."""

    list_id: str | None
    parent_id: str | None
    is_completed: bool
    priority: Priority | Sequence[Priority]
    label: str | Sequence[str]
    q: str
    has_due: bool
    due_before: Day
    due_after: Day
    due_on: Day
    overdue: bool
    starts_before: Day
    created_after: datetime
    updated_after: datetime
    completed_after: datetime
    completed_before: datetime
    external_id: str
    is_recurring: bool
    in_archived_list: bool
    deleted: bool
    sort: str


class TaskFields(TypedDict, total=False):
    """What a task has that can be written, besides its title. None clears."""

    description: str
    is_completed: bool
    priority: Priority
    due_on: date | str | None
    due_at: datetime | str | None
    starts_on: date | str | None
    list_id: str | None
    parent_id: str | None
    labels: Sequence[str]
    external_id: str | None
    recurrence: Recurrence | None
    reminders: Sequence[Reminder]


class TaskChange(TaskFields, total=False):
    """What of a task can be changed."""

    title: str


def page(
    *, page_size: int | None = None, cursor: str | None = None, with_total: bool = False, **filters: Unpack[TaskFilter]
) -> Operation[Page[Task]]:
    """Get one page of tasks, of 50 unless `page_size` (up to 200) says otherwise.

    With a cursor give the same filters as for the page that it came from.
    """
    params: dict[str, Any] = {**filters, "limit": page_size, "cursor": cursor}
    for name in ("list_id", "parent_id"):
        if name in filters and params[name] is None:
            params[name] = "null"  # the inbox, and the top level; without it there would be no filter at all
    return get("/v1/tasks", _page, {**params, "include": "total" if with_total else None})


def _page(document: Mapping[str, Any]) -> Page[Task]:
    return Page([Task.read(one) for one in document["items"]], document["next_cursor"], document.get("total"))


def find(task_id: str) -> Operation[Task]:
    """Get a task. Raises NotFound, also for one in the trash."""
    return get(_path(task_id), Task.read)


def create(title: str, *, id: str | None = None, **fields: Unpack[TaskFields]) -> Operation[Task]:
    """Make a task, under an id of yours if you give one (a UUID)."""
    data = {"title": title, **fields}
    if id is None:
        return write("POST", "/v1/tasks", reading(Task.read), body=data)
    operation = {"op": "create", "id": id, "data": data}
    return write("POST", "/v1/tasks/batch", _only_result, body={"operations": [operation]})


def update(task: Task | str, **changes: Unpack[TaskChange]) -> Operation[Task]:
    """Change a task: what is not named stays.

    Given a `Task`, it is changed only if it still is that version; else Changed is raised, with the task as it is.
    Given an id, it is changed whatever it is now.
    """
    return write("PATCH", _path(task), reading(Task.read), body=changes, if_match=version_of(task))


def upsert(external_id: str, /, **changes: Unpack[TaskChange]) -> Operation[Task]:
    """Change the task that is called so elsewhere, or make it if there is none; then a title is needed."""
    # By parameter and not by path: there may be a slash in it, which some proxies cannot leave alone.
    params = {"external_id": external_id}
    return write("PATCH", "/v1/tasks/by-external-id", reading(Task.read), body=changes, params=params)


def delete(task: Task | str) -> Operation[None]:
    """Put a task and what is below it into the trash; given a `Task`, only if it still is that version."""
    return write("DELETE", _path(task), nothing, if_match=version_of(task))


def restore(task: Task | str) -> Operation[Task]:
    """Take a task out of the trash, with what went along."""
    return write("POST", f"{_path(task)}/restore", reading(Task.read))


def complete(
    task: Task | str, *, occurrence: date | datetime | str | None = None, completed_at: datetime | None = None
) -> Operation[Task]:
    """Complete a task and what is below it; of a series, the occurrence in hand, or the one named. Safe to repeat."""
    body = {"occurrence": occurrence or _occurrence(task), "completed_at": completed_at}
    body = {name: value for name, value in body.items() if value is not None}
    return write("POST", f"{_path(task)}/complete", reading(Task.read), body=body or None)


def skip(task: Task | str, *, occurrence: date | datetime | str | None = None) -> Operation[Task]:
    """Skip the occurrence in hand of a series, or the one named. Safe to repeat."""
    body = {"occurrence": occurrence or _occurrence(task)}
    return write("POST", f"{_path(task)}/skip", reading(Task.read), body=body)


def reopen(task: Task | str) -> Operation[Task]:
    """Reopen a task, with what was completed along. Safe to repeat."""
    return write("POST", f"{_path(task)}/reopen", reading(Task.read))


class Place(TypedDict, total=False):
    """Where a task shall stand; `before`, `after` or `first`, one of them. What is not named stays as it is."""

    list_id: str | None
    parent_id: str | None
    before: str
    after: str
    first: Literal[True]


def move(task: Task | str, **place: Unpack[Place]) -> Operation[Task]:
    """Put a task somewhere else; given a `Task`, only if it still is that version."""
    return write("POST", f"{_path(task)}/move", reading(Task.read), body=place, if_match=version_of(task))


def label(task: Task | str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Operation[Task]:
    """Give labels and take labels away; two devices may do that at once."""
    return write("POST", f"{_path(task)}/labels", reading(Task.read), body={"add": add, "remove": remove})


def batch(
    operations: Sequence[Mapping[str, Any]], *, is_atomic: bool = True, key: str | None = None
) -> Operation[list[Result]]:
    """Carry out up to 100 operations in order: all or nothing, or each for itself (`Batch` of the API's document)."""
    params = {"atomic": is_atomic}
    return write("POST", "/v1/tasks/batch", _results, body={"operations": operations}, params=params, key=key)


def occurrences(task: Task | str, *, limit: int | None = None) -> Operation[list[str]]:
    """Get the next occurrences of a series: days, or instants."""
    return get(f"{_path(task)}/occurrences", lambda document: list(document["items"]), {"limit": limit})


def _path(task: Task | str) -> str:
    return f"/v1/tasks/{segment(id_of(task))}"


def _occurrence(task: Task | str) -> str | None:
    return None if isinstance(task, str) else task.occurrence


def _results(response: httpx.Response) -> list[Result]:
    return [Result.read(one) for one in response.json()["results"]]


def _only_result(response: httpx.Response) -> Task:
    body = _results(response)[0].body
    assert body is not None  # noqa: S101 -- a task that was made is answered
    return Task.read(body)
