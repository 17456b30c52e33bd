"""Series of tasks: when the next occurrence is due.

A series is its anchor and its rule: the anchor is the day or the wall-clock time that its first occurrence was due at,
in the series' time zone. Everything is computed from it, never from the present due: so a Sunday at half past two is
half past two again after a clock change that had no such time, every other week stays every other week however often
one is postponed, and COUNT ends. (RFC 5545, sections 3.3.10 and 3.8.5.3.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from tasks.rules import Rule, days, parse

# How far ahead the next occurrence is looked for. A rule that has none for longer has none for its reader.
HORIZON_YEARS = 50
_LAST_YEAR = 9999

Due = date | datetime  # a day, or an instant in UTC


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence: the due that the rule gives it, and its number in the series; the anchor's is 1."""

    due: Due
    number: int


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

    def after(self, present: Occurrence, done_at: datetime) -> Occurrence | None:
        """Return the occurrence after the present one, which is completed or skipped at `done_at`; None at the end."""
        number = present.number + 1
        if self.counts_from == "completion":
            begun = done_at.astimezone(self.timezone).date()
            found = next(self._from(begun, begun), None)
            return None if found is None or self._is_over(found, number) else Occurrence(found, number)
        for due in self._from(self.anchor, self._wall(present.due)):
            if not self._is_later(due, present.due):  # a wall-clock time that was moved onto it by a clock change
                continue
            if self._is_over(due, number):
                return None
            if self.missed == "keep" or not self._has_passed(due, done_at):
                return Occurrence(due, number)
            number += 1
        return None

    def upcoming(self, present: Occurrence, limit: int, now: datetime) -> list[Due]:
        """Return the next dues, the present one first; only that one where they count from completion."""
        found, last = [present.due], present
        keeping = Series(self.rule, self.timezone, self.anchor, "due", "keep")
        if self.counts_from == "due":
            while len(found) < limit and (following := keeping.after(last, now)) is not None:
                found.append(following.due)
                last = following
        return found

    @property
    def goes_on(self) -> bool:
        """Tell whether anything follows the anchor, or the rule itself says that nothing has to."""
        first = Occurrence(self._instant(self.anchor), 1)
        keeping = Series(self.rule, self.timezone, self.anchor, "due", "keep")
        return self.rule.ends or keeping.after(first, datetime.min.replace(tzinfo=UTC)) is not None

    def _from(self, anchor: date, after: date) -> Iterator[Due]:
        """Yield the dues of the rule anchored there, after a day or wall-clock time."""
        last = _years_later(after, HORIZON_YEARS)
        # The day itself may come once more: an instant is later on it where a clock change has moved one.
        first = after - timedelta(days=1) if isinstance(after, datetime) and after.date() > date.min else _day(after)
        return map(self._instant, map(self._on, days(self.rule, _day(anchor), _day(first), last)))

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

    def _is_later(self, due: Due, other: Due) -> bool:
        return due > other

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
