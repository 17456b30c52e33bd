"""Cursors: where a page of a list ended, signed, so that nobody can make one up or use it with another list."""

from collections.abc import Sequence
from typing import NamedTuple

from django.core.signing import BadSignature, Signer

_SHORT, _ID = 50, 36  # characters


class InvalidCursor(Exception):
    """The cursor was not made by this list, for this user, with these filters."""


class Position(NamedTuple):
    """Where a page ended: whose list, the values it is sorted by as PostgreSQL writes them, the last of which is the
    id that cuts ties, and what the days of its filters were found to be."""

    user_id: str
    keys: list[str]
    resolved: dict[str, str]


def write(position: Position, made_for: Sequence[object]) -> str:
    """Return a cursor that only a list of the same sort and filters will take."""
    # Titles can be long, and a cursor has to fit into a URL; what is short does not become shorter.
    return _signer(made_for).sign_object(position, compress=sum(map(len, position.keys)) > _SHORT + _ID)


def read(cursor: str, made_for: Sequence[object]) -> Position:
    """Return where a cursor points. Raises InvalidCursor."""
    try:
        return Position(*_signer(made_for).unsign_object(cursor))
    except BadSignature:
        raise InvalidCursor from None


def _signer(made_for: Sequence[object]) -> Signer:
    # Sort and filters are part of what is signed, not of what is sent: a cursor stays short whatever the filters.
    return Signer(salt=f"tasks.cursor:{made_for!r}")
