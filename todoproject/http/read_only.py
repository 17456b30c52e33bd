"""Members that the server keeps: they may come back as `GET` gave them; they are compared, and never written."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import Field

from todoproject.http.field_types import Instant, Strict, parse_instant

ID = Annotated[UUID, Field(strict=False)]
AS_GIVEN = "May come back as it was given."
_OR_412 = "May come back; 412 if it is an older one."


class ReadOnlyMembers(Strict):
    """What a client may send back of anything as it has read it."""

    id: ID = Field(None, description=AS_GIVEN)  # type: ignore[assignment]
    created_at: Instant = Field(None, description=AS_GIVEN)  # type: ignore[assignment]


class VersionedReadOnlyMembers(ReadOnlyMembers):
    """What a client may send back of what has a version."""

    updated_at: Instant = Field(None, description=_OR_412)  # type: ignore[assignment]
    version: Annotated[int, Field(ge=1)] = Field(None, description=_OR_412)  # type: ignore[assignment]


# How each is compared. None of these names means something else in a body that is given to `sent`.
_IDS = frozenset({"id", "recurrence_of"})
_TIMES = frozenset(
    {
        *("created_at", "updated_at", "completed_at", "deleted_at"),
        *("archived_at", "disabled_at", "email_verified_at"),
    }
)
_TEXTS = frozenset({"position", "disabled_reason", "email"})
NAMES = _IDS | _TIMES | _TEXTS | {"version", "occurrence"}
_MILLISECONDS = len("2026-11-22T08:00:00.000")
# Where one of these differs, the client has seen another state; the others never change by themselves.
_OF_STATE = ("version", "updated_at")


class ReadOnlyDiffers(Exception):
    """Members that only the server writes are sent with other values than they have."""

    def __init__(self, members: Iterable[str]) -> None:
        super().__init__(", ".join(members))
        self.members = list(members)


def sent(body: Strict) -> dict[str, Any]:
    """Return the read-only members that a body names."""
    return {name: getattr(body, name) for name in sorted(body.model_fields_set & NAMES)}


def sent_to_create(body: Strict, row_id: UUID) -> dict[str, Any]:
    """Return the read-only members that nothing can be created with: all but the id, where it is the path's."""
    return {name: value for name, value in sent(body).items() if name != "id" or value != row_id}


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
    if name == "version":  # JSON's numbers have no end; one that nothing can have is another state of it
        return f"version = {sent}::numeric"
    return f"{name} IS NOT DISTINCT FROM {sent}::{'uuid' if name in _IDS else 'text'}"


def parameters(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `condition`."""
    return {f"sent_{name}": value for name, value in members.items()}


def refuse_differing(members: Mapping[str, Any], document: bytes) -> None:
    """Raise ReadOnlyDiffers unless it is only an older state that the client has sent back."""
    present = orjson.loads(document)
    differing = [
        name for name, value in members.items() if _comparable(name, value) != _comparable(name, present[name])
    ]
    if differing and not any(name in _OF_STATE for name in differing):
        raise ReadOnlyDiffers(differing)


def _comparable(name: str, value: Any) -> Any:
    if value is None or name in _TEXTS or name == "version":
        return value
    if name in _IDS:
        return str(value)
    if name == "occurrence":
        return value[:_MILLISECONDS]
    instant = parse_instant(value) if isinstance(value, str) else value
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
