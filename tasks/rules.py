"""Recurrence rules: the part of RFC 5545 (section 3.3.10) that tasks need, read strictly and expanded by the day.

A rule says on which days something happens; the time of day is the anchor's and none of its business. Expanding goes
from one period (day, week, month, year) to the next, and begins at any of them without walking there from the anchor:
so the time that a search takes is bounded by the years that it may look ahead, also where no day ever fits.
(python-dateutil walks inside one call until the year 9999; it is the oracle in the tests.)
"""

import calendar
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

MOST_CHARACTERS = 500
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MOST_DAYS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}  # in one period
_FREQUENCIES = tuple(_MOST_DAYS)
_LAST_DAY = date.max.toordinal()


class RuleRefused(ValueError):
    """The text is no rule that we follow; the message is a sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, read. `weekdays` are pairs of an ordinal (0: each) and a weekday (0: Monday)."""

    frequency: str
    interval: int = 1
    weekdays: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    count: int | None = None
    until: date | datetime | None = None
    week_start: int = 0
    text: str = field(default="", compare=False)

    @property
    def ends(self) -> bool:
        """Tell whether the rule itself says when it is over."""
        return self.count is not None or self.until is not None


def parse(text: str) -> Rule:
    """Read a rule such as `FREQ=WEEKLY;BYDAY=MO,TH`. Raises RuleRefused."""
    if len(text) > MOST_CHARACTERS:
        raise RuleRefused(f"A rule has at most {MOST_CHARACTERS} characters.")
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in _READERS:
            raise RuleRefused(f"A rule is made of {', '.join(_READERS)}, such as FREQ=WEEKLY;BYDAY=MO,TH.")
        if name in parts:
            raise RuleRefused(f"{name} may stand in a rule once.")
        parts[name] = value
    if "FREQ" not in parts:
        raise RuleRefused("A rule needs FREQ.")
    members = {_MEMBERS[name]: _READERS[name](name, value) for name, value in parts.items()}
    rule = Rule(**members, text=text.upper())
    _refuse_nonsense(rule)
    return rule


def _refuse_nonsense(rule: Rule) -> None:
    """Refuse what RFC 5545 forbids, and what it leaves without a meaning."""
    if rule.count is not None and rule.until is not None:
        raise RuleRefused("A rule has COUNT or UNTIL, not both.")
    if rule.frequency == "WEEKLY" and rule.month_days:
        raise RuleRefused("BYMONTHDAY means nothing in a weekly rule.")
    if rule.frequency in ("DAILY", "WEEKLY") and any(ordinal for ordinal, _ in rule.weekdays):
        raise RuleRefused("BYDAY takes numbers, such as 2TU, in monthly and yearly rules only.")
    most = _MOST_DAYS[rule.frequency]
    if any(abs(position) > most for position in rule.positions):
        raise RuleRefused(f"BYSETPOS takes numbers up to {most} here: there are no more days to choose from.")
    if rule.positions and not (rule.weekdays or rule.month_days or rule.months):
        raise RuleRefused("BYSETPOS chooses among the days of BYDAY, BYMONTHDAY or BYMONTH: it needs one of them.")


# --- Reading --------------------------------------------------------------------------------------


def _frequency(name: str, value: str) -> str:
    if value not in _FREQUENCIES:
        raise RuleRefused(f"FREQ is one of {', '.join(_FREQUENCIES)}.")
    return value


def _number(first: int, last: int) -> Callable[[str, str], int]:
    def read(name: str, value: str) -> int:
        if re.fullmatch(r"[0-9]{1,4}", value) is None or not first <= int(value) <= last:
            raise RuleRefused(f"{name} is a number from {first} to {last}.")
        return int(value)

    return read


def _numbers(last: int, *, signed: bool) -> Callable[[str, str], tuple[int, ...]]:
    def read(name: str, value: str) -> tuple[int, ...]:
        found = value.split(",")
        if not all(re.fullmatch(r"[+-]?[0-9]{1,3}" if signed else r"[0-9]{1,2}", each) for each in found):
            raise RuleRefused(f"{name} is a list of numbers, such as 1,15.")
        numbers = [int(each) for each in found]
        if not all(1 <= abs(number) <= last for number in numbers):
            raise RuleRefused(f"{name} takes numbers from {f'-{last} to -1 and ' if signed else ''}1 to {last}.")
        return tuple(sorted(set(numbers)))

    return read


def _days(name: str, value: str) -> tuple[tuple[int, int], ...]:
    days = set()
    for each in value.split(","):
        match = re.fullmatch(r"([+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)", each)
        if match is None or abs(int(match[1] or 0)) > 53:
            raise RuleRefused("BYDAY is a list of MO, TU, WE, TH, FR, SA, SU, in monthly rules also 2TU or -1FR.")
        days.add((int(match[1] or 0), _WEEKDAYS.index(match[2])))
    return tuple(sorted(days))


def _weekday(name: str, value: str) -> int:
    if value not in _WEEKDAYS:
        raise RuleRefused(f"{name} is one of {', '.join(_WEEKDAYS)}.")
    return _WEEKDAYS.index(value)


def _until(name: str, value: str) -> date | datetime:
    try:
        if re.fullmatch(r"[0-9]{8}", value):
            return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC).date()
        if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", value):
            return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise RuleRefused("UNTIL is a day such as 20261231, or for instants 20261231T170000Z.")


# From a rule's parts to their members and how they are read.
_MEMBERS = {
    "FREQ": "frequency",
    "INTERVAL": "interval",
    "BYDAY": "weekdays",
    "BYMONTHDAY": "month_days",
    "BYMONTH": "months",
    "BYSETPOS": "positions",
    "COUNT": "count",
    "UNTIL": "until",
    "WKST": "week_start",
}
_READERS: dict[str, Callable[[str, str], Any]] = {
    "FREQ": _frequency,
    "INTERVAL": _number(1, 999),
    "BYDAY": _days,
    "BYMONTHDAY": _numbers(31, signed=True),
    "BYMONTH": _numbers(12, signed=False),
    "BYSETPOS": _numbers(366, signed=True),
    "COUNT": _number(1, 999),
    "UNTIL": _until,
    "WKST": _weekday,
}


# --- Expanding ------------------------------------------------------------------------------------


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
        spend(_MOST_DAYS[rule.frequency])
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
