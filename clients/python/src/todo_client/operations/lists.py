"""Lists of tasks."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, Unpack

from todo_client.models import Page, TaskList
from todo_client.operations import Operation, get, id_of, nothing, reading, segment, version_of, write


class ListChange(TypedDict, total=False):
    """What of a list can be changed. None clears a color."""

    name: str
    color: str | None
    is_archived: bool


class ListPlace(TypedDict, total=False):
    """Where a list shall stand: one of the three."""

    before: str
    after: str
    first: Literal[True]


def page(
    *,
    page_size: int | None = None,
    cursor: str | None = None,
    is_archived: bool | None = None,
    deleted: bool | None = None,
) -> Operation[Page[TaskList]]:
    """Get one page of lists, in their order."""
    params = {"limit": page_size, "cursor": cursor, "is_archived": is_archived, "deleted": deleted}
    return get("/v1/lists", _page, params)


def _page(document: Mapping[str, Any]) -> Page[TaskList]:
    return Page([TaskList.read(one) for one in document["items"]], document["next_cursor"])


def find(list_id: str) -> Operation[TaskList]:
    """Get a list. Raises NotFound."""
    return get(_path(list_id), TaskList.read)


def create(name: str, *, color: str | None = None) -> Operation[TaskList]:
    """Make a list; names need not be the only ones of their kind. A color is `#rrggbb`."""
    return write("POST", "/v1/lists", reading(TaskList.read), body={"name": name, "color": color})


def update(tasks: TaskList | str, **changes: Unpack[ListChange]) -> Operation[TaskList]:
    """Change a list; given a `TaskList`, only if it still is that version."""
    return write("PATCH", _path(tasks), reading(TaskList.read), body=changes, if_match=version_of(tasks))


def delete(tasks: TaskList | str, *, with_tasks: Literal["move", "delete"] | None = None) -> Operation[None]:
    """Delete a list. One that holds tasks needs `with_tasks`: they move to the inbox, or are deleted with it."""
    return write("DELETE", _path(tasks), nothing, params={"tasks": with_tasks}, if_match=version_of(tasks))


def restore(tasks: TaskList | str) -> Operation[TaskList]:
    """Take a list out of the trash, with the tasks that went along."""
    return write("POST", f"{_path(tasks)}/restore", reading(TaskList.read))


def move(tasks: TaskList | str, **place: Unpack[ListPlace]) -> Operation[TaskList]:
    """Put a list somewhere else among the others."""
    return write("POST", f"{_path(tasks)}/move", reading(TaskList.read), body=place, if_match=version_of(tasks))


def _path(tasks: TaskList | str) -> str:
    return f"/v1/lists/{segment(id_of(tasks))}"
