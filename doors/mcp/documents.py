"""Tasks as agents are told them: what is empty is left out, because each word costs its reader."""

from collections.abc import Mapping
from typing import Any

import orjson

_ALWAYS = ("id", "title", "is_completed", "list_id")
_SAID = (
    *("description", "priority", "labels", "due_on", "due_at", "starts_on", "parent_id", "occurrence"),
    *("completed_at", "deleted_at"),
)


def task(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task of our API in short."""
    told = {name: given[name] for name in _ALWAYS}
    told |= {name: value for name in _SAID if (value := given[name]) and value != "none"}
    if given["recurrence"] is not None:
        told["repeats"] = given["recurrence"]["rule"]
    return told


def page(document: bytes) -> dict[str, Any]:
    """Return a page of tasks of our API in short."""
    found = orjson.loads(document)
    told: dict[str, Any] = {"tasks": [task(each) for each in found["items"]]}
    if found["next_cursor"] is not None:
        told["next_cursor"] = found["next_cursor"]
    return told
