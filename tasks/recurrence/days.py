"""The days of a rule, from one period (day, week, month, year) to the next.

A rule says on which days something happens; the time of day is the anchor's and none of its business. Expanding begins
at any period without walking there from the anchor: so the time that a search takes is bounded by the years that it may
look ahead, also where no day ever fits. (python-dateutil walks inside one call until the year 9999; it is the oracle in
the tests.)
"""

import calendar
from collections.abc import Callable, Collection, Iterator
from datetime import date

from tasks.recurrence.rules import MOST_DAYS, Rule

_LAST_DAY = date.max.toordinal()


def days(
    rule: Rule, anchor: date, after: date, last: date, spend: Callable[[int], None] = lambda _: None
) -> Iterator[date]:
    """Yield the rule's days after `after`, up to `last`, in order.

    `anchor` is the day the series began on: intervals count from it, and it says what the rule leaves open. It is none
    of the days by itself, and COUNT and UNTIL are the caller's to look at. `spend` is told how many days are looked at
    next, and may raise.
    """
    found = _Days(rule, anchor)
    for period in found.periods(max(after, anchor), last):
        spend(MOST_DAYS[rule.frequency])
        yield from (day for day in found.of(period) if after < day <= last and anchor <= day)


class _Days:
    """A rule with what its anchor fills in."""

    def __init__(self, rule: Rule, anchor: date) -> None:
        self._rule, self._anchor = rule, anchor
        self._weekdays, self._month_days, self._months = rule.weekdays, rule.month_days, rule.months
        names_days = bool(rule.weekdays or rule.month_days)
        if rule.frequency == "WEEKLY" and not rule.weekdays:
            self._weekdays = ((0, anchor.weekday()),)
        if rule.frequency in ("MONTHLY", "YEARLY") and not names_days:
            self._month_days = (anchor.day,)
        if rule.frequency == "YEARLY" and not (names_days or rule.months):
            self._months = (anchor.month,)
        self._each_weekday = {weekday for ordinal, weekday in self._weekdays if not ordinal}

    def periods(self, first: date, last: date) -> Iterator[date]:
        """Yield the first day of each period of the rule, from the one that holds `first`; one is before it at most."""
        number = self._number(first)
        number -= (number - self._number(self._anchor)) % self._rule.interval
        while (start := self._start(number)) is not None and start <= last:
            yield start
            number += self._rule.interval * self._skipped(start)

    def _skipped(self, start: date) -> int:
        """Return how many periods on the next one is that may hold a day: of days by the month, others are left out."""
        is_left_out = bool(self._months) and start.month not in self._months
        if self._rule.frequency != "DAILY" or not (is_left_out or self._month_days):
            return 1
        length = calendar.monthrange(start.year, start.month)[1]
        later = [number for number in self._numbers(length) if number > start.day and not is_left_out]
        distance = min(later, default=length + 1) - start.day
        return -(-distance // self._rule.interval)

    def _number(self, day: date) -> int:
        """Return the number of the period that a day is in."""
        match self._rule.frequency:
            case "DAILY":
                return day.toordinal()
            case "WEEKLY":
                return (day.toordinal() - 1 - self._rule.week_start) // 7
            case "MONTHLY":
                return day.year * 12 + day.month - 1
        return day.year

    def _start(self, number: int) -> date | None:
        """Return the first day of a period; None after the calendar's end."""
        try:
            match self._rule.frequency:
                case "DAILY":
                    return date.fromordinal(number)
                case "WEEKLY":
                    return date.fromordinal(max(1, number * 7 + 1 + self._rule.week_start))
                case "MONTHLY":
                    return date(number // 12, number % 12 + 1, 1)
            return date(number, 1, 1)
        except (ValueError, OverflowError):
            return None

    def of(self, start: date) -> list[date]:
        """Return the days of the period that begins with `start`."""
        match self._rule.frequency:
            case "DAILY":
                found = [start] if self._fits(start) else []
            case "WEEKLY":
                end = date.fromordinal(min(start.toordinal() + 6, _LAST_DAY))
                if self._months and not {start.month, end.month} & {*self._months}:
                    return []
                week = range(start.toordinal(), end.toordinal() + 1)
                found = [day for day in map(date.fromordinal, week) if self._fits(day)]
            case "MONTHLY":
                found = self._of_month(start.year, start.month)
            case _:
                found = self._of_year(start.year)
        return self._chosen(found) if self._rule.positions else found

    def _fits(self, day: date) -> bool:
        """Tell whether a day passes BYMONTH, BYMONTHDAY and BYDAY without ordinals."""
        return (
            (not self._months or day.month in self._months)
            and (not self._weekdays or day.weekday() in self._each_weekday)
            and (not self._month_days or self._is_month_day(day.year, day.month, day.day))
        )

    def _is_month_day(self, year: int, month: int, day: int) -> bool:
        return day in self._month_days or day - calendar.monthrange(year, month)[1] - 1 in self._month_days

    def _of_month(self, year: int, month: int) -> list[date]:
        if self._months and month not in self._months:
            return []
        found = self._numbered(year, month)
        return self._on_weekdays(found, date(year, month, 1), calendar.monthrange(year, month)[1])

    def _of_year(self, year: int) -> list[date]:
        if self._months:
            return [day for month in self._months for day in self._of_month(year, month)]
        found = [day for month in range(1, 13) for day in self._numbered(year, month)]
        return self._on_weekdays(found, date(year, 1, 1), 366 if calendar.isleap(year) else 365)

    def _numbered(self, year: int, month: int) -> list[date]:
        """Return the days of a month that BYMONTHDAY means: all, where there is none."""
        length = calendar.monthrange(year, month)[1]
        return [date(year, month, number) for number in sorted(self._numbers(length))]

    def _numbers(self, length: int) -> Collection[int]:
        """Return the numbers of BYMONTHDAY's days in a month of that length: all, where there is none."""
        if not self._month_days:
            return range(1, length + 1)
        return {n if n > 0 else length + 1 + n for n in self._month_days if -length <= n <= length}

    def _on_weekdays(self, found: list[date], first: date, length: int) -> list[date]:
        """Keep the days that are on BYDAY's weekdays, of which an ordinal counts within the span of `length` days."""
        if not self._weekdays:
            return found
        wanted = {_nth(first, length, ordinal, weekday) for ordinal, weekday in self._weekdays if ordinal}
        return [day for day in found if day.weekday() in self._each_weekday or day in wanted]

    def _chosen(self, found: list[date]) -> list[date]:
        chosen = {p - 1 if p > 0 else len(found) + p for p in self._rule.positions}
        return [day for position, day in enumerate(found) if position in chosen]


def _nth(first: date, length: int, ordinal: int, weekday: int) -> date | None:
    """Return the nth such weekday, from the end if negative, of `length` days from `first`; None if there is none."""
    offset = (weekday - first.weekday()) % 7
    if ordinal > 0:
        offset += 7 * (ordinal - 1)
    else:
        offset += 7 * ((length - 1 - offset) // 7 + ordinal + 1)
    return date.fromordinal(first.toordinal() + offset) if 0 <= offset < length else None
