"""A task as iCalendar has it (RFC 5545): a VTODO or a VEVENT, with its series and its alarms."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from icalendar import Alarm, Event, Timezone, Todo
from icalendar import Calendar as Envelope
from icalendar.prop import vRecur, vText

from todoproject.version import VERSION

# Of what tasks are made into: another one makes every client read anew.
EDITION = "1"
_PRODID = f"-//Todo//Todo {VERSION}//EN"
_END = b"END:VCALENDAR\r\n"
# RFC 5545, section 3.8.1.9: 1 is the highest, 5 the middle, 9 the lowest.
_PRIORITIES = {"urgent": 1, "high": 3, "medium": 5, "low": 9}
_DONE = "✓ "  # an event has no way to say that it is done
_A_DAY = timedelta(days=1)

Task = Mapping[str, Any]
Moment = date | datetime


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
    called = vText(_text(name))  # said to be a text, else it would stand there unescaped
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
    due = _moment(task["due_on"] or task["due_at"])
    series = _Series.of(task)
    if series is None:
        return Part(_component(task, kind, due, _start(task, due, owners_zone)).to_ical(), None)
    master = _component(task, kind, series.first, series.first)
    master.add("rrule", series.rule)
    components = [master]
    if due != series.occurrence:  # postponed, this once
        override = _component(task, kind, due, None)
        override.add("recurrence-id", series.first)
        components.append(override)
    return Part(b"".join(component.to_ical() for component in components), series.timezone)


def _moment(text: str | None) -> Moment | None:
    if text is None:
        return None
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _start(task: Task, due: Moment | None, owners_zone: str) -> Moment | None:
    """Return when a task starts, of the same kind as its due and not after it (RFC 5545, section 3.8.2.3)."""
    if task["starts_on"] is None:
        return None
    start: Moment = date.fromisoformat(task["starts_on"])
    if isinstance(due, datetime):
        midnight = datetime(start.year, start.month, start.day, tzinfo=ZoneInfo(owners_zone))
        start = midnight.astimezone(UTC)
    return None if due is not None and start > due else start


class _Series(NamedTuple):
    """A series from its present occurrence on: `occurrence` as the task has it, `first` as its clock tells it."""

    occurrence: Moment
    first: Moment
    rule: vRecur
    timezone: str | None

    @classmethod
    def of(cls, task: Task) -> "_Series | None":
        """Return a task's series. None where it is over, or nobody knows its next day: it counts from completion."""
        recurrence, series = task["recurrence"], task["series"]
        if recurrence is None or recurrence["from"] == "completion" or task["is_completed"]:
            return None
        occurrence = _moment(task["occurrence"])
        assert occurrence is not None  # noqa: S101 -- tasks_series_whole
        rule = _rest(recurrence["rule"], series["number"])
        if not isinstance(occurrence, datetime):
            return cls(occurrence, occurrence, rule, None)
        zone = ZoneInfo(recurrence["timezone"])
        if zone.key == "UTC":
            return cls(occurrence, occurrence, rule, None)
        return cls(occurrence, _wall(occurrence, series["anchor"], zone), rule, zone.key)


def _rest(rule: str, number: int) -> vRecur:
    """Return the rule for what is left: COUNT counts the present occurrence and those behind it."""
    rest: vRecur = vRecur.from_ical(rule)
    if "COUNT" in rest:
        rest["COUNT"] = max(rest["COUNT"][0] - number + 1, 1)
    return rest


def _wall(occurrence: datetime, anchor: str, zone: ZoneInfo) -> datetime:
    """Return an occurrence by the series' clock, at the anchor's time where a change of the clock has moved it."""
    local = occurrence.astimezone(zone)
    meant = datetime.combine(local.date(), datetime.fromisoformat(anchor).time(), zone)
    return meant if meant.astimezone(UTC) == occurrence else local


# --- One component --------------------------------------------------------------------------------


def _component(task: Task, kind: str, due: Moment | None, start: Moment | None) -> Todo | Event:
    component = _event(task, due) if kind == "events" else _todo(task, due, start)
    component.add("uid", task["id"])
    component.add("dtstamp", datetime.fromisoformat(task["updated_at"]))
    component.add("created", datetime.fromisoformat(task["created_at"]))
    component.add("last-modified", datetime.fromisoformat(task["updated_at"]))
    component.add("sequence", task["version"] - 1)
    if task["description"]:
        component.add("description", _text(task["description"]))
    if task["priority"] != "none":
        component.add("priority", _PRIORITIES[task["priority"]])
    if task["labels"]:
        component.add("categories", task["labels"])
    for alarm in _alarms(task, kind, due):
        component.add_component(alarm)
    return component


def _todo(task: Task, due: Moment | None, start: Moment | None) -> Todo:
    todo = Todo()
    todo.add("summary", _text(task["title"]))
    if start is not None:
        todo.add("dtstart", start)
    if due is not None:
        todo.add("due", due)
    if task["parent_id"] is not None:
        todo.add("related-to", task["parent_id"])
    todo.add("status", "COMPLETED" if task["is_completed"] else "NEEDS-ACTION")
    if task["is_completed"]:
        todo.add("completed", datetime.fromisoformat(task["completed_at"]))
        todo.add("percent-complete", 100)
    return todo


def _event(task: Task, due: Moment | None) -> Event:
    event = Event()
    event.add("summary", (_DONE if task["is_completed"] else "") + _text(task["title"]))
    event.add("dtstart", due)
    if not isinstance(due, datetime) and due is not None:
        event.add("dtend", due + _A_DAY)
    event.add("transp", "TRANSPARENT")  # what is to be done by then leaves its owner free
    return event


def _alarms(task: Task, kind: str, due: Moment | None) -> Iterable[Alarm]:
    """Yield the reminders of an open task; those before a due rest while it is a day, or none."""
    if task["is_completed"]:
        return
    for reminder in task["reminders"]:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _text(task["title"]))
        if "at" in reminder:
            alarm.add("trigger", datetime.fromisoformat(reminder["at"]).astimezone(UTC), {"VALUE": "DATE-TIME"})
        elif isinstance(due, datetime):
            related = {"RELATED": "START" if kind == "events" else "END"}
            alarm.add("trigger", timedelta(minutes=-reminder["minutes_before"]), related)
        else:
            continue
        yield alarm


def _text(text: str) -> str:
    """Return a text whose lines end as iCalendar knows it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
