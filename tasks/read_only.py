"""Members that the server keeps: they may come back as `GET` gave them; they are compared, and never written."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import Field

from tasks.recurrence_schemas import OccurrenceText
from todoproject.http.field_types import Instant, Strict, Text, parse_instant

_ID = Annotated[UUID, Field(strict=False)]


class ReadOnlyMembers(Strict):
    """What a client may send back of a task as it has read it."""

    id: _ID = Field(None, description="May come back as it was given.")  # type: ignore[assignment]
    created_at: Instant = Field(None, description="May come back as it was given.")  # type: ignore[assignment]
    updated_at: Instant = Field(None, description="May come back; 412 if the task is a later one.")  # type: ignore[assignment]
    completed_at: Instant | None = Field(None, description="May come back as it was given.")
    deleted_at: Instant | None = Field(None, description="May come back as it was given.")
    position: Text = Field(None, description="May come back as it was given.")  # type: ignore[assignment]
    version: Annotated[int, Field(ge=1)] = Field(None, description="May come back; 412 if the task is a later one.")  # type: ignore[assignment]
    occurrence: OccurrenceText | None = Field(None, description="May come back as it was given.")
    recurrence_of: _ID | None = Field(None, description="May come back as it was given.")


NAMES = tuple(ReadOnlyMembers.model_fields)
_TIMES = frozenset(NAMES) - {"id", "version", "position", "occurrence", "recurrence_of"}
_MILLISECONDS = len("2026-11-22T08:00:00.000")
# Where one of these differs, the client has seen another state of the task; the others never change by themselves.
_OF_STATE = ("version", "updated_at")


class ReadOnlyDiffers(Exception):
    """Members that only the server writes are sent with other values than they have."""

    def __init__(self, members: Iterable[str]) -> None:
        super().__init__(", ".join(members))
        self.members = list(members)


def sent(task: Strict) -> dict[str, Any]:
    """Return the read-only members that a body names."""
    return {name: getattr(task, name) for name in NAMES if name in task.model_fields_set}


def condition(names: Iterable[str]) -> str:
    """Compose what must hold for a row whose members are the ones sent, parameters `sent_…`.

    Many clients hold no more of a time than milliseconds.
    """
    return " AND ".join(map(_equal, sorted(names)))


def _equal(name: str) -> str:
    sent = f"%(sent_{name})s"
    if name in _TIMES:
        return (
            f"date_trunc('milliseconds', {name}) IS NOT DISTINCT FROM date_trunc('milliseconds', {sent}::timestamptz)"
        )
    if name == "occurrence":
        return f"left(occurrence, {_MILLISECONDS}) IS NOT DISTINCT FROM left({sent}::text, {_MILLISECONDS})"
    if name == "recurrence_of":
        return f"recurrence_of IS NOT DISTINCT FROM {sent}::uuid"
    if name == "version":  # JSON's numbers have no end; one that no task can have is another state of it
        return f"version = {sent}::numeric"
    return f"{name} = {sent}"


def parameters(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `condition`."""
    return {f"sent_{name}": value for name, value in members.items()}


def refuse_differing(members: Mapping[str, Any], document: bytes) -> None:
    """Raise ReadOnlyDiffers unless it is only an older state of the task that the client has sent back."""
    task = orjson.loads(document)
    differing = [name for name, value in members.items() if _comparable(name, value) != _comparable(name, task[name])]
    if differing and not any(name in _OF_STATE for name in differing):
        raise ReadOnlyDiffers(differing)


def _comparable(name: str, value: Any) -> Any:
    if value is None or name in ("version", "position"):
        return value
    if name in ("id", "recurrence_of"):
        return str(value)
    if name == "occurrence":
        return value[:_MILLISECONDS]
    instant = parse_instant(value) if isinstance(value, str) else value
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
