"""A task as iCalendar has it (RFC 5545): a VTODO or a VEVENT, with its series and its alarms."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from icalendar import Calendar as Envelope
from icalendar import Timezone, vText

from doors.calendar import lines
from doors.calendar.moments import Moment, Series, Task, moment, start
from todoproject.version import VERSION

# Of what tasks are made into: another one makes every client read anew.
EDITION = "2"
_PRODID = f"-//Todo//Todo {VERSION}//EN"
_END = b"END:VCALENDAR\r\n"
# RFC 5545, section 3.8.1.9: 1 is the highest, 5 the middle, 9 the lowest.
_PRIORITIES = {
    "urgent": "PRIORITY:1\r\n",
    "high": "PRIORITY:3\r\n",
    "medium": "PRIORITY:5\r\n",
    "low": "PRIORITY:9\r\n",
    "none": "",
}
_DONE = "✓ "  # an event has no way to say that it is done
_A_DAY = timedelta(days=1)


class Part(NamedTuple):
    """What a task was made into, and the time zone that it names, if any."""

    text: bytes
    timezone: str | None


def calendar(name: str, parts: Iterable[Part]) -> bytes:
    """Return a calendar of these parts, with each time zone once."""
    kept = [*parts]
    zones = sorted({part.timezone for part in kept if part.timezone is not None})
    return b"".join([_head(name), *(_timezone(zone) for zone in zones), *(part.text for part in kept), _END])


@lru_cache(maxsize=1024)
def _head(name: str) -> bytes:
    envelope = Envelope()
    envelope.add("prodid", _PRODID)
    envelope.add("version", "2.0")
    envelope.add("calscale", "GREGORIAN")
    called = vText(
        name.replace("\r\n", "\n").replace("\r", "\n")
    )  # said to be a text, else it would stand there unescaped
    envelope.add("name", called)  # RFC 7986, section 5.1, and before that by custom
    envelope.add("x-wr-calname", called)
    envelope.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    envelope.add("x-published-ttl", "PT1H")
    return bytes(envelope.to_ical()).removesuffix(_END)


@lru_cache(maxsize=128)
def _timezone(name: str) -> bytes:
    return bytes(Timezone.from_tzid(name).to_ical())


def written(task: Task, kind: str, owners_zone: str) -> Part:
    """Return a task as a calendar of this kind shows it. `owners_zone` is where its `starts_on` begins."""
    component = _event if kind == "events" else _todo
    due = moment(task["due_on"] or task["due_at"])
    series = Series.of(task)
    if series is None:
        return Part(component(task, due, start(task, due, owners_zone)).encode(), None)
    text = component(task, series.first, series.first, rule=lines.folded(f"RRULE:{series.rule}"))
    if due != series.occurrence:  # postponed, this once
        text += component(task, due, None, instead_of=lines.moment("RECURRENCE-ID", series.first))
    return Part(text.encode(), series.timezone)


# --- One component: its lines, in the order that the icalendar package gives them ---------------------


def _todo(task: Task, due: Moment | None, start: Moment | None, rule: str = "", instead_of: str = "") -> str:
    created, updated = lines.instant(task["created_at"]), lines.instant(task["updated_at"])
    labels = lines.texts("CATEGORIES", task["labels"]) if task["labels"] else ""
    completed = percent = ""
    status = "NEEDS-ACTION"
    if task["is_completed"]:
        completed = f"COMPLETED:{lines.instant(task['completed_at'])}\r\n"
        percent = "PERCENT-COMPLETE:100\r\n"
        status = "COMPLETED"
    description = lines.text("DESCRIPTION", task["description"]) if task["description"] else ""
    starts = "" if start is None else lines.moment("DTSTART", start)
    is_due = "" if due is None else lines.moment("DUE", due)
    parent = "" if task["parent_id"] is None else f"RELATED-TO:{task['parent_id']}\r\n"
    alarms = _alarms(task, due, "END") if task["reminders"] else ""
    return (
        f"BEGIN:VTODO\r\n{labels}{completed}CREATED:{created}\r\n{description}DTSTAMP:{updated}\r\n{starts}{is_due}"
        f"LAST-MODIFIED:{updated}\r\n{percent}{_PRIORITIES[task['priority']]}{instead_of}{parent}{rule}"
        f"SEQUENCE:{task['version'] - 1}\r\nSTATUS:{status}\r\n{lines.text('SUMMARY', task['title'])}"
        f"UID:{task['id']}\r\n{alarms}END:VTODO\r\n"
    )


def _event(task: Task, due: Moment | None, start: Moment | None, rule: str = "", instead_of: str = "") -> str:
    assert due is not None  # noqa: S101 -- tasks without one are no events (tasks/queries/calendars)
    created, updated = lines.instant(task["created_at"]), lines.instant(task["updated_at"])
    summary = lines.text("SUMMARY", f"{_DONE}{task['title']}" if task["is_completed"] else task["title"])
    end = "" if isinstance(due, datetime) else lines.moment("DTEND", due + _A_DAY)
    labels = lines.texts("CATEGORIES", task["labels"]) if task["labels"] else ""
    description = lines.text("DESCRIPTION", task["description"]) if task["description"] else ""
    alarms = _alarms(task, due, "START") if task["reminders"] else ""
    # Transparent: what is to be done by then leaves its owner free.
    return (
        f"BEGIN:VEVENT\r\n{summary}{lines.moment('DTSTART', due)}{end}DTSTAMP:{updated}\r\nUID:{task['id']}\r\n"
        f"{instead_of}SEQUENCE:{task['version'] - 1}\r\n{rule}{labels}CREATED:{created}\r\n{description}"
        f"LAST-MODIFIED:{updated}\r\n{_PRIORITIES[task['priority']]}TRANSP:TRANSPARENT\r\n{alarms}END:VEVENT\r\n"
    )


def _alarms(task: Task, due: Moment | None, related: str) -> str:
    """Return the reminders of an open task; those before a due rest while it is a day, or none."""
    if task["is_completed"]:
        return ""
    triggers = []
    for reminder in task["reminders"]:
        if "at" in reminder:
            triggers.append(f"VALUE=DATE-TIME:{lines.instant(reminder['at'])}")
        elif isinstance(due, datetime):
            triggers.append(f"RELATED={related}:{lines.before(reminder['minutes_before'])}")
    description = lines.text("DESCRIPTION", task["title"])
    return "".join(
        f"BEGIN:VALARM\r\nACTION:DISPLAY\r\n{description}TRIGGER;{trigger}\r\nEND:VALARM\r\n" for trigger in triggers
    )
