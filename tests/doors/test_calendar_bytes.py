"""Components are written the quick way: to the byte as the icalendar package writes them, whatever a task holds."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from doors.calendar import components
from tasks.models import FIRST_DATE, FIRST_INSTANT, LAST_DATE, LAST_INSTANT
from tasks.recurrence import written
from tests.doors import by_the_package

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
RULES = (
    "FREQ=DAILY",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=SU",
    "FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20271231T000000Z",
    "FREQ=MONTHLY;BYMONTHDAY=" + ",".join(map(str, range(1, 29))),
    "FREQ=YEARLY;COUNT=4;BYMONTH=1,2;BYDAY=MO,TU,WE;BYSETPOS=-1",
)
# What means something in a line, next to letters, and signs of each length in UTF-8. Not `\N`: see below.
_SIGNS = st.sampled_from("\\^;,:\"'\r\n\tnaü日👩\u200d\u2028 ") | st.characters(exclude_categories=["Cs"])


def _texts(most: int, least: int = 0) -> st.SearchStrategy[str]:
    found = st.text(_SIGNS, min_size=least, max_size=most) | st.builds(
        lambda sign, times, rest: (sign * times + rest)[:most],
        _SIGNS,
        st.integers(1, most),
        st.text(_SIGNS, max_size=9),
    )
    return found.map(lambda text: text.replace("\\N", "\\n").replace("\x00", " "))


def _instants(first: datetime = FIRST_INSTANT, last: datetime = LAST_INSTANT) -> st.SearchStrategy[str]:
    return st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None)).map(
        lambda moment: written(moment.replace(tzinfo=UTC))
    )


_DAYS = st.dates(FIRST_DATE, LAST_DATE).map(date.isoformat)
_REMINDERS = st.lists(
    st.builds(lambda at: {"at": at}, _instants()) | st.builds(lambda n: {"minutes_before": n}, st.integers(0, 40320)),
    max_size=3,
)


@st.composite
def tasks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a task as tasks/queries/calendars reads it, with a due: events have one."""
    due = draw(st.sampled_from(["due_on", "due_at"]))
    task: dict[str, Any] = {
        "id": str(draw(st.uuids())),
        "title": draw(_texts(255, 1)),
        "description": draw(_texts(300)),
        "is_completed": draw(st.booleans()),
        "priority": draw(st.sampled_from(["none", "low", "medium", "high", "urgent"])),
        "parent_id": draw(st.none() | st.uuids().map(str)),
        "labels": draw(st.lists(_texts(50, 1), max_size=5)),
        "starts_on": draw(st.none() | _DAYS),
        "due_on": draw(_DAYS) if due == "due_on" else None,
        "due_at": draw(_instants()) if due == "due_at" else None,
        "recurrence": None,
        "series": None,
        "occurrence": None,
        "reminders": draw(_REMINDERS),
        "created_at": draw(_instants()),
        "updated_at": draw(_instants()),
        "version": draw(st.integers(1, 2**31)),
    }
    task["completed_at"] = draw(_instants()) if task["is_completed"] else None
    return task


@st.composite
def series(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a task that recurs, half of them postponed."""
    task = draw(tasks())
    moment = draw(st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001 -- made aware below
    occurrence = written(moment.replace(tzinfo=UTC)) if task["due_at"] else moment.date().isoformat()
    if draw(st.booleans()):
        task["due_at" if task["due_at"] else "due_on"] = occurrence
    anchor = moment + timedelta(hours=draw(st.integers(-12, 12)))
    rule = {"rule": draw(st.sampled_from(RULES)), "from": draw(st.sampled_from(["due", "due", "completion"]))}
    return task | {
        "recurrence": rule | {"timezone": draw(st.sampled_from(ZONES))},
        "series": {"number": draw(st.integers(1, 6)), "anchor": anchor.isoformat(timespec="seconds")},
        "occurrence": occurrence,
    }


@settings(max_examples=200, deadline=None)
@given(task=tasks() | series(), kind=st.sampled_from(["todos", "events"]), zone=st.sampled_from(ZONES))
def test_a_component_is_what_the_package_writes(task: dict[str, Any], kind: str, zone: str) -> None:
    part = components.written(task, kind, zone)

    assert part.text == by_the_package.written(task, kind, zone)


@settings(max_examples=50, deadline=None)
@given(task=tasks())
def test_a_task_without_a_due_is_what_the_package_writes(task: dict[str, Any]) -> None:
    task |= {"due_on": None, "due_at": None}

    assert components.written(task, "todos", "UTC").text == by_the_package.written(task, "todos", "UTC")


def test_a_backslash_before_a_capital_n_is_no_line_break() -> None:
    """The package writes one there (its `_escape_char`), and what somebody has written is gone."""
    day = {"due_on": "2026-12-01", "due_at": None, "title": r"C:\New", "description": "", "labels": [], "reminders": []}
    moments = dict.fromkeys(("created_at", "updated_at"), "2026-11-29T10:00:00.000000Z")
    none = dict.fromkeys(("starts_on", "parent_id", "recurrence", "series", "occurrence", "completed_at"))
    task = {"id": "1", "version": 1, "priority": "none", "is_completed": False, **day, **moments, **none}

    (read,) = Calendar.from_ical(components.calendar("", [components.written(task, "todos", "UTC")])).walk("VTODO")

    assert str(read["summary"]) == r"C:\New"
