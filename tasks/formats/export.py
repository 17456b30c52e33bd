"""Our own export: `{"tasks": [...], "lists": [...]}`, each as the API shows it; and what `GET /v1/me/export` answers.

The line that is told of something is the number of its task in the file.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from tasks.formats import documents
from tasks.formats.documents import entries, flag, text
from tasks.formats.drafts import fitted_name
from tasks.formats.items import Contents, FileRefused, Item, NamedList, Notice, of_task

# What an older export, or one edited by hand, may leave out.
_DEFAULTS: Mapping[str, Any] = {
    "description": "",
    "is_completed": False,
    "priority": "none",
    "labels": [],
    "reminders": [],
    "id": None,
    **dict.fromkeys(("completed_at", "created_at", "list_id", "due_on", "due_at", "starts_on", "recurrence")),
    **dict.fromkeys(("occurrence", "parent_id", "external_id", "deleted_at", "recurrence_of")),
}


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a file says, to somebody in this zone. Raises FileRefused."""
    document, told = documents.load(content)
    if not isinstance(document, dict) or not isinstance(document.get("tasks"), list):
        raise FileRefused("no-tasks", "This is no export of ours: it has no tasks.")
    contents = Contents(changed=told)
    names = _lists(document, contents)
    for number, task in enumerate(document["tasks"], 1):
        _read(number, task, names, contents, zone)
    return contents


def _lists(document: Mapping[str, Any], contents: Contents) -> dict[str, str]:
    names: dict[str, str] = {}
    seen: set[str] = set()
    for each in entries(document, "lists"):
        name = fitted_name(text(each.get("name")))
        if name is None or each.get("deleted_at") is not None:
            continue
        names[text(each.get("id"))] = name
        if name in seen:
            detail = "Lists are found by their names, so those of one name become one."
            contents.changed.append(Notice(0, name, "list_id", "same-name", detail))
            continue
        seen.add(name)
        color = each.get("color")
        contents.lists.append(NamedList(name, color if isinstance(color, str) else None, flag(each, "is_archived")))
    return names


def _read(number: int, task: Any, names: Mapping[str, str], contents: Contents, zone: ZoneInfo) -> None:
    title = text(task.get("title")) if isinstance(task, dict) else ""
    if not title:
        contents.leave_out(number, title, "unreadable", "This is no task.")
        return
    if task.get("deleted_at") is not None:
        contents.leave_out(number, title, "deleted", "It was in the trash.")
        return
    try:
        item = _item(number, {**_DEFAULTS, **task}, names, zone)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        contents.leave_out(number, title, "unreadable", "A member of the task is not what it must be.")
        return
    told = []
    if task.get("recurrence_of") is not None:
        detail = "It is an ordinary task here: which series it was of is not kept."
        told.append(Notice(number, title, "recurrence_of", "not-kept", detail))
    contents.add(item, told)


def _item(number: int, task: Mapping[str, Any], names: Mapping[str, str], zone: ZoneInfo) -> Item:
    """Return the item. Raises what members of a wrong type raise."""
    found = of_task(task, names, zone)
    for value in (found.title, found.description, found.priority, *found.labels):
        value.encode()  # half of a pair of surrogates is nothing that could be stored
    if not all(isinstance(value, str | None) for value in (found.uuid, found.parent, found.external_id)):
        raise TypeError
    return replace(found, line=number)
