"""Values of `key:value`, each to what it means. All raise ValueError, OverflowError or ValidationError."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from tasks.formats.todotxt.words import DATE, WEEKDAYS, decoded
from tasks.models import (
    EXTERNAL_ID_MAX_LENGTH,
    FIRST_DATE,
    LAST_DATE,
    MOST_MINUTES_BEFORE,
    MOST_REMINDERS,
    validate_description,
    validate_segment,
)
from tasks.recurrence import written
from tasks.recurrence.rules import parse as parse_rule

_PRIORITIES = {"A": "high", "B": "medium"}  # the other letters are low
_FREQUENCIES = {"d": "DAILY", "w": "WEEKLY", "m": "MONTHLY", "y": "YEARLY"}
_CHOICES = {"from": ("due", "completion"), "missed": ("skip", "keep")}
_REC = re.compile(r"(\+?)(\d{0,3})([bdwmy])", re.ASCII)


def priority(letter: str) -> str:
    if letter == "urgent":
        return letter
    if re.fullmatch("[A-Z]", letter) is None:
        raise ValueError(letter)
    return _PRIORITIES.get(letter, "low")


def day(text: str) -> date:
    if DATE.fullmatch(text) is None:
        raise ValueError(text)
    found = date.fromisoformat(text)
    if not FIRST_DATE <= found <= LAST_DATE:
        raise ValueError(text)
    return found


def day_or_none(text: str) -> date | None:
    try:
        return day(text)
    except ValueError:
        return None


def _time(text: str) -> time:
    found = time.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _rec(text: str) -> dict[str, str]:
    match = _REC.fullmatch(text)
    if match is None:
        raise ValueError(text)
    plus, number, unit = match.groups()
    interval = int(number or 1)
    if interval == 0 or (unit == "b" and interval > 1):
        raise ValueError(text)
    rule = WEEKDAYS if unit == "b" else f"FREQ={_FREQUENCIES[unit]}" + (f";INTERVAL={interval}" * (interval > 1))
    return {"rule": rule, "from": "due" if plus else "completion"}


def _rrule(text: str) -> dict[str, str]:
    rule, *rest = decoded(text).split("|")
    members = {"rule": parse_rule(rule).text, "from": "due"}
    for part in rest:
        name, _, value = part.partition("=")
        if name not in ("from", "missed", "timezone") or value not in _CHOICES.get(name, (value,)):
            raise ValueError(text)
        members[name] = value
    return members


def _reminders(text: str) -> tuple[dict[str, Any], ...]:
    found = tuple(map(_reminder, text.split(",")))
    if len(found) > MOST_REMINDERS:
        raise ValueError(text)
    return found


def _reminder(text: str) -> dict[str, Any]:
    if re.fullmatch(r"[0-9]{1,5}", text):
        if int(text) > MOST_MINUTES_BEFORE:
            raise ValueError(text)
        return {"minutes_before": int(text)}
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return {"at": written(at)}


def _id(text: str) -> str:
    return str(UUID(text))


def _occurrence(text: str) -> str:
    if "T" not in text:
        return day(text).isoformat()
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not FIRST_DATE <= at.date() <= LAST_DATE:
        raise ValueError(text)
    return written(at)


def _external_id(text: str) -> str:
    found = decoded(text)
    validate_segment(found)
    if len(found) > EXTERNAL_ID_MAX_LENGTH:
        raise ValueError(text)
    return found


def _description(text: str) -> str:
    found = decoded(text)
    validate_description(found)
    return found


# Each key with its member and how its value is read.
MEMBERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "due": ("due_on", day),
    "at": ("due_time", _time),
    "t": ("starts_on", day),
    "rec": ("recurrence", _rec),
    "rrule": ("recurrence", _rrule),
    "occurs": ("occurrence", _occurrence),
    "pri": ("priority", priority),
    "remind": ("reminders", _reminders),
    "desc": ("description", _description),
    "uuid": ("uuid", _id),
    "parent": ("parent", _id),
    "external": ("external_id", _external_id),
}
