"""Ids that a client sends: of projects, one of which is the inbox, and of tasks."""

from typing import Any
from uuid import UUID

from doors.todoist.documents import INBOX
from doors.todoist.operations import invalid


def list_id(project_id: str) -> str | None:
    """Return the list that a project is; None for the inbox. Raises Problem where it can be none."""
    return None if project_id == INBOX else str(identity("project_id", project_id))


def identity(member: str, text: str) -> UUID:
    """Return an id as such. Raises Problem."""
    try:
        return UUID(text)
    except ValueError:
        raise invalid(member, "no-such-place", "There is nothing of this id.") from None


def filtered(project_id: str | None, parent_id: str | None) -> dict[str, Any]:
    """Return the place that tasks are looked for in, as our own parameters say it."""
    found: dict[str, Any] = {}
    if project_id is not None:
        found["list_id"] = list_id(project_id) or "null"
    if parent_id is not None:
        found["parent_id"] = str(identity("parent_id", parent_id))
    return found
