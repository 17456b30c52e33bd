"""From items to a calendar of to-dos."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import icalendar
from icalendar.prop import vText

from tasks.formats.items import Item

_PRIORITIES = {"urgent": 1, "high": 1, "medium": 5, "low": 9}
# Of our own properties those that say what somebody has written: escaped, which a library knows of standard ones only.
TEXTS = ("LIST", "EXTERNAL-ID")
BEGIN = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//todo//tasks//EN\r\n"
END = b"END:VCALENDAR\r\n"


def write(item: Item, now: datetime) -> bytes:
    """Return the to-do that says this; `now` is when it is written."""
    todo = icalendar.Todo()
    todo.add("UID", item.uuid or item.external_id or item.title)
    todo.add("DTSTAMP", now.astimezone(UTC).replace(microsecond=0))
    todo.add("SUMMARY", item.title)
    for name, value in _texts(item).items():
        todo.add(name, value)
    if item.labels:
        todo.add("CATEGORIES", [*item.labels])
    if item.created_at is not None:
        todo.add("CREATED", item.created_at.astimezone(UTC).replace(microsecond=0))
    _add_state(todo, item)
    due = _due(item)
    if due is not None:
        _add_due(todo, item, due)
        _add_alarms(todo, item, due)
    return bytes(todo.to_ical())


def _texts(item: Item) -> dict[str, Any]:
    found = {
        "DESCRIPTION": item.description,
        "PRIORITY": _PRIORITIES.get(item.priority),
        "RELATED-TO": item.parent,
        "X-TODO-LIST": item.list_name,
        "X-TODO-PRIORITY": "urgent" if item.priority == "urgent" else None,
        "X-TODO-STARTS-ON": None if item.starts_on is None else item.starts_on.isoformat(),
        "X-TODO-OCCURS": item.occurrence,
        "X-TODO-REMIND": ",".join(str(each.get("minutes_before", each.get("at"))) for each in item.reminders),
        "X-TODO-EXTERNAL-ID": item.external_id,
    }
    said = {name: value for name, value in found.items() if value not in (None, "")}
    return said | {name: vText(_lines(str(said[name]))) for each in TEXTS if (name := f"X-TODO-{each}") in said}


def _lines(text: str) -> str:
    """Return a text whose lines end as iCalendar knows it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _add_state(todo: icalendar.Todo, item: Item) -> None:
    todo.add("STATUS", "COMPLETED" if item.is_completed else "NEEDS-ACTION")
    if not item.is_completed:
        return
    at = item.completed_at
    if at is None and item.completed_on is not None:
        at = datetime.combine(item.completed_on, time(12), UTC)
    if at is not None:
        todo.add("COMPLETED", at.astimezone(UTC).replace(microsecond=0))


def _due(item: Item) -> date | None:
    if item.due_on is None or item.due_time is None:
        return item.due_on
    return datetime.combine(item.due_on, item.due_time).astimezone(UTC)


def _add_due(todo: icalendar.Todo, item: Item, due: date) -> None:
    whole = due.replace(microsecond=0) if isinstance(due, datetime) else due
    todo.add("DUE", whole)
    if whole != due:
        todo.add("X-TODO-DUE-AT", due.isoformat())
    if item.recurrence is not None:
        todo.add("DTSTART", whole)  # what a series is counted from, for readers that do not know ours
        todo.add("RRULE", icalendar.vRecur.from_ical(item.recurrence["rule"]))
        more = ";".join(f"{name}={value}" for name, value in sorted(item.recurrence.items()) if name != "rule")
        if more:
            todo.add("X-TODO-RECURRENCE", more)
    elif item.starts_on is not None and not isinstance(due, datetime) and item.starts_on < due:
        todo.add("DTSTART", item.starts_on)


def _add_alarms(todo: icalendar.Todo, item: Item, due: date) -> None:
    for reminder in item.reminders:
        alarm = _alarm(reminder, item.title) if isinstance(due, datetime) or "at" in reminder else None
        if alarm is not None:
            todo.add_component(alarm)


def _alarm(reminder: Mapping[str, Any], title: str) -> icalendar.Alarm:
    alarm = icalendar.Alarm()
    alarm.add("ACTION", "DISPLAY")
    alarm.add("DESCRIPTION", title)
    if "at" in reminder:
        at = datetime.fromisoformat(reminder["at"]).astimezone(UTC).replace(microsecond=0)
        alarm.add("TRIGGER", at, parameters={"VALUE": "DATE-TIME"})
    else:
        alarm.add("TRIGGER", timedelta(minutes=-reminder["minutes_before"]), parameters={"RELATED": "END"})
    return alarm
