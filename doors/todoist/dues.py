"""Dues: Todoist's object and its three members of a request, and what they are to us.

Plain English is not read: a due that is guessed wrongly is worse than one that is refused.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import Scope
from doors.todoist.operations import invalid
from tasks.recurrence import rules
from tasks.recurrence.rules import Rule
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import ACCOUNT_ROLE, Credentials, Statement
from todoproject.http.field_types import Strict, Text

# `2026-12-01`, `2026-12-01T09:00`, `2026-12-01 09:00:00`, with Z, an offset or neither.
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2})?(?:\.\d+)?(Z|z|[+-]\d{2}:\d{2})?)?", re.ASCII)
_NEVER = frozenset({"no date", "no due date"})
_ENGLISH = (
    "Plain English is not read here: give due_date or due_datetime, an ISO date such as 2026-12-01 or"
    ' 2026-12-01T09:00:00Z, or "no date".'
)

# --- As Todoist shows it --------------------------------------------------------------------------


def document(task: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a task's due as Todoist's object; None where it has none."""
    due = task["due_on"] or _to_the_second(task["due_at"])
    if due is None:
        return None
    recurrence = task["recurrence"]
    zone = None if task["due_on"] else "UTC"
    return {
        "date": due,
        "timezone": recurrence["timezone"] if zone and recurrence else zone,
        "string": words(recurrence["rule"], recurrence["from"]) if recurrence else due,
        "lang": "en",
        "is_recurring": recurrence is not None,
    }


def _to_the_second(instant: str | None) -> str | None:
    return None if instant is None else f"{instant[:19]}Z"


_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


@lru_cache(maxsize=1024)
def words(text: str, counts_from: str) -> str:
    """Say a rule in Todoist's words, and as itself where those words cannot say it. `every!` counts from completion."""
    every = "every!" if counts_from == "completion" else "every"
    rule = rules.parse(text)
    plain = Rule(rule.frequency, rule.interval, text=rule.text)
    if rule == plain:
        unit = _UNITS[rule.frequency]
        return f"{every} {unit}" if rule.interval == 1 else f"{every} {rule.interval} {unit}s"
    if rule == Rule("WEEKLY", weekdays=rule.weekdays, week_start=rule.week_start):
        return f"{every} {', '.join(_WEEKDAYS[day] for _, day in rule.weekdays)}"
    return f"{every} RRULE:{text}"


# --- As a client asks for it ----------------------------------------------------------------------


def iso(member: str, text: str) -> str:
    """Return a date or a time as RFC 3339 writes it; its offset may be missing. Raises Problem."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise invalid(member, "due", "Give a date like 2026-12-01 or a time like 2026-12-01T09:00:00Z.")
    day, minute, second, offset = match.groups()
    return day if minute is None else f"{day}T{minute}{second or ':00'}{(offset or '').upper()}"


class DueMembers(Strict):
    """The members of a request that say when a task is due: one of the first three."""

    due_string: Text | None = None
    due_date: Text | None = None
    due_datetime: Text | None = None
    due_lang: Text | None = None  # of the words in due_string, which are none


class DueObject(Strict):
    """A due in a command of a sync, as the client was given it. Its words count only where there is no date."""

    date: Text | None = None
    string: Text | None = None
    timezone: Text | None = None
    lang: Text | None = None
    is_recurring: bool | None = None


def asked(given: DueMembers) -> str | None:
    """Return the due that a request names, as a date or a time; "" to clear it, None where it names none."""
    named = [name for name in ("due_string", "due_date", "due_datetime") if getattr(given, name) is not None]
    if len(named) > 1:
        raise invalid(named[1], "one_due", "Give one of due_string, due_date and due_datetime.")
    if not named:
        return None
    text = str(getattr(given, named[0]))
    return understood(text) if named == ["due_string"] else iso(named[0], text)


def understood(text: str) -> str:
    """Return the due that a due_string names; "" where it clears it. Raises Problem for plain English."""
    if text.strip().lower() in _NEVER:
        return ""
    if _ISO.fullmatch(text.strip()) is None:
        raise invalid("due_string", "plain_english", _ENGLISH)
    return iso("due_string", text)


def is_by_the_clock(due: str) -> bool:
    """Tell whether a time has no offset: it is by the owner's clock."""
    return not due.endswith("Z") and due[-6] not in "+-"


async def members(work: Work, credentials: Credentials, due: str | None) -> dict[str, Any]:
    """Return a due as members of a task of ours. A time without an offset is by the owner's clock: it is asked for."""
    if due is None:
        return {}
    if due == "":
        return {"due_on": None, "due_at": None, "recurrence": None}
    if "T" not in due:
        return {"due_on": due, "due_at": None}
    if not is_by_the_clock(due):
        return {"due_on": None, "due_at": due}
    return {"due_on": None, "due_at": await _in_zone(work, credentials, due)}


async def _in_zone(work: Work, credentials: Credentials, due: str) -> str:
    rows = await work.execute(_zone(), {}, credentials)
    try:
        wall = datetime.fromisoformat(due).replace(tzinfo=ZoneInfo(rows.text(0, 0)))
        return wall.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise invalid("due_datetime", "due", "There is no such time, or it is out of range in UTC.") from None


@lru_cache
def _zone() -> Statement:
    text = "SELECT timezone FROM users WHERE id = current_user_id()"
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, role=ACCOUNT_ROLE, repeatable=True)
