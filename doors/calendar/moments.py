"""When a task is due, starts and recurs, as a calendar shows it: a series from its present occurrence on."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from icalendar.prop import vRecur

Task = Mapping[str, Any]
Moment = date | datetime


def moment(text: str | None) -> Moment | None:
    """Return a day, or an instant, as a task tells it."""
    if text is None:
        return None
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def start(task: Task, due: Moment | None, owners_zone: str) -> Moment | None:
    """Return when a task starts, of the same kind as its due and not after it (RFC 5545, section 3.8.2.3)."""
    if task["starts_on"] is None:
        return None
    starts: Moment = date.fromisoformat(task["starts_on"])
    if isinstance(due, datetime):
        midnight = datetime(starts.year, starts.month, starts.day, tzinfo=ZoneInfo(owners_zone))
        starts = midnight.astimezone(UTC)
    return None if due is not None and starts > due else starts


class Series(NamedTuple):
    """A series: `occurrence` as the task has it, `first` as its clock tells it, and the rule for what is left."""

    occurrence: Moment
    first: Moment
    rule: str
    timezone: str | None

    @classmethod
    def of(cls, task: Task) -> "Series | None":
        """Return a task's series. None where it is over, or nobody knows its next day: it counts from completion."""
        recurrence, series = task["recurrence"], task["series"]
        if recurrence is None or recurrence["from"] == "completion" or task["is_completed"]:
            return None
        occurrence = moment(task["occurrence"])
        assert occurrence is not None  # noqa: S101 -- tasks_series_whole
        rule = _rest(recurrence["rule"], series["number"])
        if not isinstance(occurrence, datetime):
            return cls(occurrence, occurrence, rule, None)
        zone = ZoneInfo(recurrence["timezone"])
        if zone.key == "UTC":
            return cls(occurrence, occurrence, rule, None)
        return cls(occurrence, _wall(occurrence, series["anchor"], zone), rule, zone.key)


@lru_cache(maxsize=1024)  # people's rules are the same few
def _rest(rule: str, number: int) -> str:
    """Return the rule for what is left: COUNT counts the present occurrence and those behind it."""
    rest: vRecur = vRecur.from_ical(rule)
    if "COUNT" in rest:
        rest["COUNT"] = max(rest["COUNT"][0] - number + 1, 1)
    text: bytes = rest.to_ical()  # type: ignore[no-untyped-call]  # the package has no types there
    return text.decode()


def _wall(occurrence: datetime, anchor: str, zone: ZoneInfo) -> datetime:
    """Return an occurrence by the series' clock, at the anchor's time where a change of the clock has moved it."""
    local = occurrence.astimezone(zone)
    meant = datetime.combine(local.date(), datetime.fromisoformat(anchor).time(), zone)
    return meant if meant.astimezone(UTC) == occurrence else local
