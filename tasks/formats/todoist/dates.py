"""Dates as people write them in Todoist, in English: `27 Jan 2027 at 9am`, `every! other mon, wed`, `tomorrow`.

What is not understood for certain is not guessed: a date whose order of day and month could be either is none.
"""

import re
from dataclasses import dataclass
from datetime import date, time, timedelta

from tasks.recurrence.days import days
from tasks.recurrence.rules import RuleRefused
from tasks.recurrence.rules import parse as parse_rule

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_NUMBERS = {"other": 2, "second": 2, "third": 3, "fourth": 4}
_UNITS = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_ADVERBS = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year", "annually": "year"}
_PARTS_OF_DAY = {"morning": time(9), "afternoon": time(12), "evening": time(19), "night": time(22)}
_TODAY = {"today": 0, "tod": 0, "tomorrow": 1, "tom": 1, "tmr": 1, "yesterday": -1}
_FAR = timedelta(days=366 * 9)  # 29 February comes at the latest after eight years
_MOST_INTERVAL = 999

_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? +(?P<year>\d{4}))?"
_NAMED = (re.compile(rf"{_DAY} +(?:of +)?{_MONTH}{_YEAR}"), re.compile(rf"{_MONTH} +{_DAY}{_YEAR}"))
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SLASHES = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_TIMES = (
    re.compile(r"(?:(?:^| )(?:at|@) *| |^)(?P<hour>\d{1,2})(?::(?P<minute>\d\d))? ?(?P<half>[ap])\.?m\.?$"),
    re.compile(r"(?:(?:^| )(?:at|@) *| |t|^)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.0+)?)?$"),
    re.compile(r"(?:^| )at +(?P<hour>\d{1,2})$"),
)
_WORD_TIMES = {"at noon": time(12), "at midnight": time(0), "noon": time(12), "midnight": time(0)}
_STARTING = re.compile(r" (?:starting|beginning|from)(?: on)? (.+)$")
_UNTIL = re.compile(r" (?:until|till|ending)(?: on)? (.+)$")
_EVERY = re.compile(r"(?:every|each|ev)(!?) (.+)")
_NTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")


@dataclass(frozen=True, slots=True)
class When:
    """What a text says: a day, a time of day, how it recurs. `is_reckoned`: the day counts from that of reading."""

    day: date
    at: time | None = None
    rule: str | None = None
    counts_from: str = "due"
    is_reckoned: bool = False


def parse(text: str, today: date) -> When | None:
    """Return what a text says, to somebody for whom it is `today`; None where it is not understood."""
    words = " ".join(text.lower().replace("\N{NO-BREAK SPACE}", " ").split())
    try:
        return _recurring(words, today) or _once(words, today)
    except (ValueError, OverflowError):  # a day that no month has
        return None


def _once(words: str, today: date) -> When | None:
    rest, at = _without_time(words)
    found = _day(rest, today)
    if found is None and not rest and at is not None:
        found = today, True
    return None if found is None else When(found[0], at, is_reckoned=found[1])


def _day(words: str, today: date) -> tuple[date, bool] | None:
    """Return a day, and whether it is reckoned from today."""
    if match := _ISO.fullmatch(words):
        return date(*map(int, match.groups())), False
    if match := _SLASHES.fullmatch(words):
        first, second, year = map(int, match.groups())
        if first > 12 or second > 12 or first == second:
            return (date(year, second, first) if first > 12 else date(year, first, second)), False
        return None
    for form in _NAMED:
        if match := form.fullmatch(words):
            return _named(match, today)
    return _reckoned(words, today)


def _named(match: re.Match[str], today: date) -> tuple[date, bool]:
    month, number = _MONTHS.index(match["month"][:3]) + 1, int(match["day"])
    if match["year"]:
        return date(int(match["year"]), month, number), False
    found = _first(f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={number}", today)
    if not found:
        raise ValueError(match[0])
    return found[0], True


def _reckoned(words: str, today: date) -> tuple[date, bool] | None:
    if words in _TODAY:
        return today + timedelta(days=_TODAY[words]), True
    if words == "next week":
        return today + timedelta(days=7 - today.weekday()), True
    if match := re.fullmatch(r"(?:in )?(\d{1,4}) (day|week)s?", words):
        return today + timedelta(days=int(match[1]) * (7 if match[2] == "week" else 1)), True
    weekday = _weekday(words.removeprefix("this ").removeprefix("next ").removeprefix("on "))
    if weekday is None:
        return None
    ahead = (weekday - today.weekday()) % 7
    return today + timedelta(days=ahead or 7 * words.startswith("next ")), True


def _without_time(words: str) -> tuple[str, time | None]:
    """Split off a time of day at the end."""
    for name, at in _WORD_TIMES.items():
        if words == name or words.endswith(f" {name}"):
            return words[: -len(name)].strip(), at
    for form in _TIMES:
        if (match := form.search(words)) and (found := _time(match.groupdict())) is not None:
            return words[: match.start()].strip(" ,"), found
    return words, None


def _time(parts: dict[str, str | None]) -> time | None:
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


# --- What recurs ----------------------------------------------------------------------------------


def _recurring(words: str, today: date) -> When | None:
    first, _, others = words.partition(" ")
    if first in _ADVERBS:
        words = f"every {_ADVERBS[first]} {others}".strip()
    words = re.sub(r"^after ", "every! ", words)
    if (match := _EVERY.fullmatch(words)) is None:
        return None
    rest, start = _cut(match[2], _STARTING, today)
    rest, until = _cut(rest, _UNTIL, today)
    rest, late = (rest, start) if start else _cut(rest, _STARTING, today)
    rest, at = _without_time(rest)
    found = _rule(rest)
    if found is None:
        return None
    rule, part_of_day = found
    begin = start or late or today
    # `every other mon` begins on the next Monday, not on that of the week after.
    day = next(iter(_first(re.sub(r";INTERVAL=\d+(?=.*BYDAY)", "", rule), begin)), None)
    if day is None:
        return None
    if until is not None:
        rule += f";UNTIL={until:%Y%m%d}"
    counts_from = "completion" if match[1] else "due"
    return When(day, at or part_of_day, rule, counts_from, is_reckoned=start is None and late is None)


def _cut(words: str, form: re.Pattern[str], today: date) -> tuple[str, date | None]:
    """Split off a day that a word leads in, with everything behind it."""
    if (match := form.search(words)) is None:
        return words, None
    tail, until = match[1], _UNTIL.search(match[1])
    kept = ""
    if until is not None and form is not _UNTIL:
        tail, kept = tail[: until.start()], tail[until.start() :]
    tail, at = _without_time(tail)
    found = _day(tail, today)
    if found is None:
        raise ValueError(words)
    at_again = "" if at is None else f" at {at:%H:%M}"
    return f"{words[: match.start()]}{at_again}{kept}", found[0]


def _first(rule: str, begin: date) -> list[date]:
    """Return the first day of a rule, from `begin` on."""
    try:
        found = days(parse_rule(rule), begin, begin - timedelta(days=1), begin + _FAR)
    except RuleRefused:
        return []
    return [day for day, _ in zip(found, (None,), strict=False)]


def _rule(words: str) -> tuple[str, time | None] | None:
    """Return the rule that follows `every`, and the time of day that it says by a word."""
    if words in _PARTS_OF_DAY:
        return "FREQ=DAILY", _PARTS_OF_DAY[words]
    for read in (_of_units, _of_weekdays, _of_month_days, _of_year_days):
        if (rule := read(words)) is not None:
            return rule, None
    return None


def _of_units(words: str) -> str | None:
    if words in ("weekday", "workday", "weekdays", "workdays"):
        return "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    if words in ("weekend", "weekends"):
        return "FREQ=WEEKLY;BYDAY=SA"
    if words in ("last day", "last day of the month", "last day of month"):
        return "FREQ=MONTHLY;BYMONTHDAY=-1"
    match = re.fullmatch(
        r"(?:(\d{1,3}|other|second|third|fourth)(?:st|nd|rd|th)? )?(day|week|month|year|quarter)s?", words
    )
    if match is None:
        return None
    number, unit = _number(match[1]), match[2]
    if unit == "quarter":
        number, unit = number * 3, "month"
    return _freq(_UNITS[unit], number)


def _of_weekdays(words: str) -> str | None:
    match = re.fullmatch(r"(?:(\d{1,3}|other|[a-z]+|\d{1,2}(?:st|nd|rd|th)) )?(.+)", words)
    names = [_weekday(name) for name in _parts(words)]
    if names and None not in names:
        return f"FREQ=WEEKLY;BYDAY={_codes(names)}"
    if match is None or match[1] is None:
        return None
    names = [_weekday(name) for name in _parts(match[2].removesuffix(" of the month").removesuffix(" of month"))]
    if not names or None in names:
        return None
    ordinal = _ORDINALS.get(match[1]) or (int(nth[1]) if (nth := _NTH.fullmatch(match[1])) else None)
    if ordinal is not None and match[1] != "other":
        return f"FREQ=MONTHLY;BYDAY={','.join(f'{ordinal}{_CODES[name]}' for name in names if name is not None)}"
    if match[1] == "other" or match[1].isdigit():
        return f"{_freq('WEEKLY', _number(match[1]))};BYDAY={_codes(names)}"
    return None


def _of_month_days(words: str) -> str | None:
    numbers = []
    for part in _parts(words.removesuffix(" of the month").removesuffix(" of every month")):
        if part == "last day":
            numbers.append(-1)
        elif (match := re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", part)) and 1 <= int(match[1]) <= 31:
            numbers.append(int(match[1]))
        else:
            return None
    return f"FREQ=MONTHLY;BYMONTHDAY={','.join(map(str, numbers))}" if numbers else None


def _of_year_days(words: str) -> str | None:
    for form in _NAMED:
        if (match := form.fullmatch(words)) and not match["year"]:
            return f"FREQ=YEARLY;BYMONTH={_MONTHS.index(match['month'][:3]) + 1};BYMONTHDAY={int(match['day'])}"
    return None


def _parts(words: str) -> list[str]:
    return [part for part in re.split(r" *(?:,|&| and ) *(?:and )?", words) if part]


def _weekday(name: str) -> int | None:
    found = [number for number, short in enumerate(_WEEKDAYS) if re.fullmatch(f"{short}[a-z]*", name)]
    full = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    is_name = found and (full[found[0]].startswith(name.removesuffix("s")) or full[found[0]] == name)
    return found[0] if is_name else None


def _codes(names: list[int | None]) -> str:
    return ",".join(_CODES[name] for name in sorted({name for name in names if name is not None}))


def _number(word: str | None) -> int:
    number = 1 if word is None else _NUMBERS.get(word) or int(word)
    if not 1 <= number <= _MOST_INTERVAL:
        raise ValueError(word)
    return number


def _freq(frequency: str, interval: int) -> str:
    return f"FREQ={frequency}" + (f";INTERVAL={interval}" if interval > 1 else "")
