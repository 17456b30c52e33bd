"""Findings, and the way checks are run: in one transaction that reads only, none stopping the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from django.conf import settings
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

Level = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    subject: str
    name: str
    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Session:
    """An open connection, and what of it the checks need."""

    connection: BaseDatabaseWrapper
    is_pooled: bool

    @property
    def raw(self) -> "psycopg.Connection[Any]":
        raw: psycopg.Connection[Any] = self.connection.connection
        return raw

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        return self.raw.execute(query, {"schema": settings.DATABASE_SCHEMA, **parameters}).fetchall()


Found = tuple[str, Level, str, str]  # name, level, what is so, what to do
Check = Callable[[Session], Iterable[Found]]

# A check that waits would itself be what is wrong with a database in need.
_LIMITS = "SET LOCAL statement_timeout = '15s'; SET LOCAL lock_timeout = '2s'"


def run(session: Session, subjects: "dict[str, list[Check]]") -> Iterator[Finding]:
    """Run the checks of each subject. What may not be looked at becomes a note."""
    with session.raw.transaction():
        session.raw.execute("SET TRANSACTION READ ONLY")
        session.raw.execute(_LIMITS)
        for subject, checks in subjects.items():
            for check in checks:
                yield from _run(session, subject, check)


def _run(session: Session, subject: str, check: Check) -> list[Finding]:
    try:
        with session.raw.transaction():
            return [Finding(subject, *found) for found in check(session)]
    except (psycopg.Error, DatabaseError) as error:
        if session.raw.broken:
            raise
        reason = " ".join(str(error).split())
        name, text = check.__name__.replace("_", " "), f"could not be looked at: {reason}"
        if subject == "Schema":  # ours: whoever may not look at it cannot serve it
            return [Finding(subject, name, "problem", text, "Log in as the role that owns the schema.")]
        return [
            Finding(subject, name, "note", text, "A role with more rights sees more; the service does not need it.")
        ]


def grave() -> Level:
    """Return how bad it is that data may be lost or open: in development it is a choice."""
    return "problem" if settings.PRODUCTION else "warning"
