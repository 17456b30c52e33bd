"""Tasks, lists and labels as Todoist's documents."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from doors.todoist import colors, dues

INBOX = "inbox"  # the id of the project that is no list of ours
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"([A-Za-z])([0-9A-Za-z]*)")
_FRACTION = 3  # digits behind a position's whole part that are kept
_STEP: int = 62**_FRACTION  # between two positions that are whole numbers
_FARTHEST = 10**9  # so that an order is exact as a float, too: JavaScript has no other numbers

# Todoist's 4 is the highest. It has four, we have five: low and medium are one there.
PRIORITIES = {"none": 1, "low": 2, "medium": 2, "high": 3, "urgent": 4}
PRIORITY_WORDS = {1: "none", 2: "medium", 3: "high", 4: "urgent"}


@lru_cache(maxsize=16_384)  # people's positions are the same few: every list begins at a0
def order(position: str) -> int:
    """Return a number that sorts as the position does among its siblings.

    A position is a fractional index: its head says how many digits its whole part has, capitals are below zero. Two
    that differ only far behind it may have the same number.
    """
    match = _KEY.fullmatch(position)
    if match is None:
        return 0
    head, digits = match.groups()
    length = ord(head) - ord("a") + 1 if head >= "a" else ord("Z") - ord(head) + 1
    shorter: int = sum(len(_DIGITS) ** each for each in range(1, length))
    below = 0 if head >= "a" else 2 * shorter + int(len(_DIGITS) ** length)
    whole = _number(digits[:length]) + shorter - below
    behind = digits[length : length + _FRACTION].ljust(_FRACTION, "0")
    return max(-_FARTHEST, min(whole, _FARTHEST)) * _STEP + _number(behind)


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * len(_DIGITS) + _DIGITS.index(digit)
    return value


# Where a task of theirs says what one of ours says, under which name.
SAME_AS_OURS = {
    "id": "id",
    "content": "title",
    "description": "description",
    "parent_id": "parent_id",
    "labels": "labels",
    "added_at": "created_at",
    "updated_at": "updated_at",
    "completed_at": "completed_at",
    "checked": "is_completed",
}
SAME_FOR_ALL_TASKS: Mapping[str, Any] = {
    "section_id": None,
    "deadline": None,
    "duration": None,
    "is_collapsed": False,
    "day_order": -1,
    "responsible_uid": None,
    "assigned_by_uid": None,
}


def task(ours: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    """Return a task of ours as Todoist's, under the names of its REST API, which its sync shares.

    A page of them PostgreSQL writes (`pages`), which says the same.
    """
    return {
        **{name: ours[member] for name, member in SAME_AS_OURS.items()},
        **SAME_FOR_ALL_TASKS,
        "user_id": user_id,
        "project_id": ours["list_id"] or INBOX,
        "priority": PRIORITIES[ours["priority"]],
        "due": dues.document(ours),
        "child_order": order(ours["position"]),
        "added_by_uid": user_id,
        "completed_by_uid": user_id if ours["is_completed"] else None,
        "is_deleted": ours["deleted_at"] is not None,
    }


def task_of(json: bytes, user_id: str) -> dict[str, Any]:
    """Return a task that PostgreSQL wrote as Todoist's."""
    return task(orjson.loads(json), user_id)


def deleted_task(identity: str, user_id: str) -> dict[str, Any]:
    """Return a task of which nothing is known any more but that it is gone: its other members are empty."""
    return task({**_NOTHING, "id": identity}, user_id) | {"is_deleted": True}


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("title", "description", "position"), ""),
    **dict.fromkeys(("list_id", "parent_id", "due_on", "due_at", "recurrence", "completed_at", "deleted_at")),
    **dict.fromkeys(("created_at", "updated_at", "color")),
    "labels": [],
    "priority": "none",
    "is_completed": False,
    "is_archived": False,
    "name": "",
}


def deleted_project(identity: str, user_id: str) -> dict[str, Any]:
    """Return a project of which nothing is known any more but that it is gone."""
    return project({**_NOTHING, "id": identity}, user_id) | {"is_deleted": True}


def project(ours: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    """Return a list of ours as a project of Todoist's."""
    known = {"id", "name", "is_archived", "created_at", "updated_at"}
    return {
        **{name: ours[name] for name in known},
        "color": colors.name(ours["color"]),
        "child_order": order(ours["position"]),
        "is_deleted": ours["deleted_at"] is not None,
        "inbox_project": False,
        **_SAME_FOR_ALL,
        "creator_uid": user_id,
    }


# No `workspace_id`, not even null: where it stands at all, the SDK for JavaScript takes the project for a workspace's.
_SAME_FOR_ALL: dict[str, Any] = {
    "description": "",
    "parent_id": None,
    "is_collapsed": False,
    "is_shared": False,
    "is_favorite": False,
    "is_frozen": False,
    "can_assign_tasks": False,
    "view_style": "list",
    "default_order": 0,
}


def inbox(user_id: str) -> dict[str, Any]:
    """Return the inbox, which is no list of ours: what is in no list. It is as old as its owner's id."""
    since = _made_at(UUID(user_id))
    return {
        "id": INBOX,
        "name": "Inbox",
        "is_archived": False,
        "created_at": since,
        "updated_at": since,
        "color": colors.name(None),
        "child_order": -_FARTHEST * _STEP,
        "is_deleted": False,
        "inbox_project": True,
        **_SAME_FOR_ALL,
        "creator_uid": user_id,
    }


def _made_at(identity: UUID) -> str:
    """Return when a UUID of version 7 was made (RFC 9562, section 5.7), and the epoch for any other."""
    milliseconds = identity.int >> 80 if identity.version == 7 else 0
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def label(name: str, rank: int) -> dict[str, Any]:
    """Return a label, which here is a name and nothing else."""
    return {
        "id": label_id(name),
        "name": name,
        "color": colors.name(None),
        "order": rank,
        "item_order": rank,
        "is_favorite": False,
        "is_deleted": False,
    }


def label_id(name: str) -> str:
    """Return the id of a label: its name, in signs that may stand in a path."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def label_name(identity: str) -> str | None:
    """Return the name that a label's id stands for; None where it is no such id."""
    try:
        return base64.b64decode(identity + "=" * (-len(identity) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
