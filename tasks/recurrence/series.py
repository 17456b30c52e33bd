"""Series of tasks: when the next occurrence is due.

A series is its anchor and its rule: the anchor is the day or the wall-clock time that its first occurrence was due at,
in the series' time zone. Everything is computed from it, never from the present due: so a Sunday at half past two is
half past two again after a clock change that had no such time, every other week stays every other week however often
one is postponed, and COUNT ends. (RFC 5545, sections 3.3.10 and 3.8.5.3.)
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from tasks.recurrence.budget import Meter, bounded
from tasks.recurrence.days import days
from tasks.recurrence.rules import Rule, RuleRefused, parse

# How far ahead the next occurrence is looked for. A rule that has none for longer has none for its reader.
HORIZON_YEARS = 50
_LAST_YEAR = 9999
_LAST_INSTANT = datetime(_LAST_YEAR, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC)  # that can be stored
_LONG_AGO = datetime.min.replace(tzinfo=UTC)  # when something is done that misses nothing

# Intervals up to which something follows within a few decades, also after a 29 February.
_ALWAYS_GO_ON = {"DAILY": 999, "WEEKLY": 999, "MONTHLY": 48, "YEARLY": 4}

Due = date | datetime  # a day, or an instant in UTC


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence: the due that the rule gives it, and its number in the series; the anchor's is 1.

    `day` is the rule's day for it, where that is known: a change of the clock or of the zone moves the due to another.
    """

    due: Due
    number: int
    day: date | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Series:
    """A rule with what it needs to be followed.

    `anchor` is a day, or a wall-clock time without a zone. `counts_from`: the next occurrence is the rule's next one,
    or the first of the rule begun on the day of completion. `missed`: skip those that have passed, or keep them.
    """

    rule: Rule
    timezone: ZoneInfo
    anchor: date
    counts_from: Literal["due", "completion"] = "due"
    missed: Literal["skip", "keep"] = "skip"

    @classmethod
    def of(
        cls,
        rule: str,
        timezone: str,
        due: Due,
        counts_from: Literal["due", "completion"] = "due",
        missed: Literal["skip", "keep"] = "skip",
    ) -> "Series":
        """Begin a series with a task's due. Raises RuleRefused."""
        zone = ZoneInfo(timezone)
        anchor = due.astimezone(zone).replace(tzinfo=None) if isinstance(due, datetime) else due
        return cls(parse(rule), zone, anchor, counts_from, missed)

    @classmethod
    def stored(cls, recurrence: Mapping[str, str], anchor: str) -> "Series":
        """Return the series of a task: its `recurrence` as the API shows it, its anchor as the database keeps it."""
        zone, wall = ZoneInfo(recurrence["timezone"]), datetime.fromisoformat(anchor)
        begun = wall if "T" in anchor else wall.date()
        return cls(parse(recurrence["rule"]), zone, begun, recurrence["from"], recurrence["missed"])  # type: ignore[arg-type]  # the words are the database's

    def after(self, present: Occurrence, done_at: datetime) -> Occurrence | None:
        """Return the occurrence after the present one, which is completed or skipped at `done_at`; None at the end.

        Raises RuleRefused where finding it takes too long.
        """
        meter = Meter()
        try:
            return self._after(present, done_at, meter)
        finally:
            meter.stop()

    def _after(self, present: Occurrence, done_at: datetime, meter: Meter) -> Occurrence | None:
        number = present.number + 1
        if self.counts_from == "completion":
            begun = done_at.astimezone(self.timezone).date()
            found = next(self._from(begun, begun, meter), None)
            return None if found is None or self._is_over(found.due, number) else replace(found, number=number)
        for found in self._from(self.anchor, self._last_passed(present, done_at), meter):
            if not found.due > present.due:  # a wall-clock time that was moved onto it by a clock change
                continue
            if self._is_over(found.due, number):
                return None
            if self.missed == "keep" or not self._has_passed(found.due, done_at):
                return replace(found, number=number)
            number += 1
        return None

    def _last_passed(self, present: Occurrence, done_at: datetime) -> date:
        """Return a day or time after which the next occurrence is; what was missed is passed by if none is counted."""
        last = present.day or self._wall(present.due)
        if self.missed == "keep" or self.rule.count is not None:
            return last
        passed = done_at.astimezone(self.timezone).date() - timedelta(days=2)
        return passed if passed > _day(last) else last

    def upcoming(self, present: Occurrence, limit: int) -> list[Due]:
        """Return the next dues, the present one first; only that one where they count from completion.

        Fewer where they are so far apart that finding them takes long.
        """
        found, last = [present.due], present
        keeping = Series(self.rule, self.timezone, self.anchor, "due", "keep")
        if self.counts_from == "due":
            with bounded(), suppress(RuleRefused):
                while len(found) < limit and (following := keeping.after(last, _LONG_AGO)) is not None:
                    found.append(following.due)
                    last = following
        return found

    @property
    def goes_on(self) -> bool:
        """Tell whether anything follows the anchor, or the rule itself says that nothing has to."""
        first = Occurrence(self._instant(self.anchor), 1)
        keeping = Series(self.rule, self.timezone, self.anchor, "due", "keep")
        return self.rule.ends or keeping.after(first, _LONG_AGO) is not None

    def check(self) -> None:
        """Refuse a series that goes on nowhere, or whose end is said in the other way. Raises RuleRefused."""
        if self.rule.until is not None and isinstance(self.rule.until, datetime) != isinstance(self.anchor, datetime):
            raise RuleRefused("UNTIL is a day for what is due on a day, and an instant in UTC for what is due at one.")
        if not self.goes_on:
            raise RuleRefused(f"The rule has no other day within {HORIZON_YEARS} years.")

    def day(self, due: Due) -> date:
        """Return the day that something is due on, in the series' zone."""
        return _day(self._wall(due))

    def _from(self, anchor: date, after: date, meter: Meter) -> Iterator[Occurrence]:
        """Yield what the rule anchored there gives after a day or wall-clock time, not numbered."""
        last = _years_later(after, HORIZON_YEARS)
        # The day itself may come once more: an instant is later on it where a clock change has moved one.
        first = after - timedelta(days=1) if isinstance(after, datetime) and after.date() > date.min else _day(after)
        for day in days(self.rule, _day(anchor), _day(first), last, meter):
            due = self._instant(self._on(day))
            if isinstance(due, datetime) and due > _LAST_INSTANT:
                return
            yield Occurrence(due, 0, day)

    def _on(self, day: date) -> date:
        """Return the day, at the anchor's time of day if it has one."""
        if isinstance(self.anchor, datetime):
            return datetime.combine(day, self.anchor.time())
        return day

    def _instant(self, wall: date) -> Due:
        """Return a wall-clock time as an instant: one that does not exist moves forward, of two it is the first."""
        if isinstance(wall, datetime):
            return wall.replace(tzinfo=self.timezone, fold=0).astimezone(UTC)
        return wall

    def _wall(self, due: Due) -> date:
        return due.astimezone(self.timezone).replace(tzinfo=None) if isinstance(due, datetime) else due

    def _is_over(self, due: Due, number: int) -> bool:
        until, count = self.rule.until, self.rule.count
        if count is not None and number > count:
            return True
        if until is None:
            return False
        if isinstance(due, datetime) and isinstance(until, datetime):
            return due > until
        return _day(self._wall(due)) > _day(until)

    def _has_passed(self, due: Due, done_at: datetime) -> bool:
        if isinstance(due, datetime):
            return due < done_at
        return due < done_at.astimezone(self.timezone).date()


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _years_later(moment: date, years: int) -> date:
    day = _day(moment)
    return date(min(day.year + years, _LAST_YEAR), 12, 30) if day.year + years >= _LAST_YEAR else _leap(day, years)


def _leap(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def suits_any_due(rule: Rule) -> bool:
    """Tell whether a rule goes on whatever day it begins on; of others that has to be looked at with that day."""
    if rule.until is not None:  # it is said in one way for days and in another for instants
        return False
    if rule.count is not None:
        return True
    if rule.months or rule.positions or (rule.month_days and rule.weekdays):
        return False
    if rule.frequency == "DAILY" and (rule.month_days or rule.weekdays):
        return rule.interval == 1
    is_in_each = all(abs(number) <= 28 for number in rule.month_days) and all(abs(n) <= 4 for n, _ in rule.weekdays)
    return is_in_each and rule.interval <= _ALWAYS_GO_ON[rule.frequency]


# --- As texts, as the API and the database have them ----------------------------------------------


def written(due: Due) -> str:
    """Return a due as the API writes it: a day, or an instant in UTC with microseconds."""
    if isinstance(due, datetime):
        return due.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return due.isoformat()


def read(text: str) -> Due:
    """Return a due that `written` has written."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def moved_on(task: Mapping[str, Any], state: Mapping[str, Any], done_at: datetime) -> dict[str, Any] | None:
    """Return what a task becomes when its occurrence is completed or skipped; None at the end of its series.

    `task` is as the API shows it, `state` its column `series`.
    """
    series = Series.stored(task["recurrence"], state["anchor"])
    present = Occurrence(read(task["occurrence"]), state["number"], date.fromisoformat(state["day"]))
    following = series.after(present, done_at)
    if following is None or following.day is None:
        return None
    starts_on = None
    if task["starts_on"] is not None:  # as many days before as it was
        due = series.day(read(task["due_at"] or task["due_on"]))
        starts_on = _days_later(date.fromisoformat(task["starts_on"]), series.day(following.due) - due)
    is_day = not isinstance(following.due, datetime)
    text = written(following.due)
    return {
        "due_on": text if is_day else None,
        "due_at": None if is_day else text,
        "starts_on": None if starts_on is None else starts_on.isoformat(),
        "occurrence": text,
        "series": {**state, "number": following.number, "day": following.day.isoformat()},
    }


def upcoming(task: Mapping[str, Any], state: Mapping[str, Any], limit: int) -> list[str]:
    """Return the next occurrences of a task as texts, the present one first; task and state are as in `moved_on`."""
    series = Series.stored(task["recurrence"], state["anchor"])
    present = Occurrence(read(task["occurrence"]), state["number"], date.fromisoformat(state["day"]))
    return [written(due) for due in series.upcoming(present, limit)]


def _days_later(day: date, by: timedelta) -> date:
    """Return a day so much later, or the last one that can be stored."""
    try:
        return max(date(1, 1, 2), min(day + by, date(_LAST_YEAR, 12, 30)))
    except OverflowError:
        return date(_LAST_YEAR, 12, 30) if by > timedelta(0) else date(1, 1, 2)
