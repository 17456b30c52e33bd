"""Recurrence rules: the part of RFC 5545 (section 3.3.10) that tasks need, read strictly."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

MOST_CHARACTERS = 500
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MOST_DAYS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}  # in one period
_FREQUENCIES = tuple(MOST_DAYS)


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
    most = MOST_DAYS[rule.frequency]
    if any(abs(position) > most for position in rule.positions):
        raise RuleRefused(f"BYSETPOS takes numbers up to {most} here: there are no more days to choose from.")
    if rule.positions and not (rule.weekdays or rule.month_days or rule.months):
        raise RuleRefused("BYSETPOS chooses among the days of BYDAY, BYMONTHDAY or BYMONTH: it needs one of them.")


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
