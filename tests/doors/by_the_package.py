"""A task as the icalendar package writes it, an object for each value: what doors/calendar is held to."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Event, Todo
from icalendar.prop import vRecur

from doors.calendar.moments import Moment, Series, Task, moment, start

_PRIORITIES = {"urgent": 1, "high": 3, "medium": 5, "low": 9}


def written(task: Task, kind: str, owners_zone: str) -> bytes:
    """Return a task as a calendar of this kind shows it. `owners_zone` is where its `starts_on` begins."""
    due = moment(task["due_on"] or task["due_at"])
    series = Series.of(task)
    if series is None:
        return bytes(_component(task, kind, due, start(task, due, owners_zone)).to_ical())
    master = _component(task, kind, series.first, series.first)
    master.add("rrule", vRecur.from_ical(series.rule))
    components = [master]
    if due != series.occurrence:  # postponed, this once
        override = _component(task, kind, due, None)
        override.add("recurrence-id", series.first)
        components.append(override)
    return b"".join(component.to_ical() for component in components)


def _component(task: Task, kind: str, due: Moment | None, starts: Moment | None) -> Todo | Event:
    component = _event(task, due) if kind == "events" else _todo(task, due, starts)
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


def _todo(task: Task, due: Moment | None, starts: Moment | None) -> Todo:
    todo = Todo()
    todo.add("summary", _text(task["title"]))
    if starts is not None:
        todo.add("dtstart", starts)
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
    event.add("summary", ("✓ " if task["is_completed"] else "") + _text(task["title"]))
    event.add("dtstart", due)
    if not isinstance(due, datetime) and due is not None:
        event.add("dtend", due + timedelta(days=1))
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
