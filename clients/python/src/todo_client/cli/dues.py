"""What people write for a due: `tomorrow`, `fri`, `+3d`, `2026-12-24`, `tomorrow 17:00`."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AHEAD = re.compile(r"\+(\d{1,4})([dw])")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)")
WAYS = "today, tomorrow, a weekday (fri), +3d, +2w or 2026-12-24; each may be followed by a time (17:00); none clears"


class NotADue(ValueError):
    """The text says no day that is understood."""


@dataclass(frozen=True, slots=True)
class Due:
    """A day, or an instant; neither is none at all."""

    on: date | None = None
    at: datetime | None = None


def parse(text: str, zone: ZoneInfo, now: datetime) -> Due:
    """Read a due, by the clock of the zone. Raises NotADue."""
    words = text.strip().lower().split()
    if words in (["none"], ["never"], []):
        return Due()
    if (moment := _instant(text.strip())) is not None:
        return Due(at=moment if moment.tzinfo else moment.replace(tzinfo=zone))
    day = _day(words[0], now.astimezone(zone).date())
    if day is None or len(words) > 2:
        raise NotADue(f"“{text}” is no day. Write {WAYS}.")
    if len(words) == 1:
        return Due(on=day)
    return Due(at=datetime.combine(day, _clock(words[1]), zone))


def _instant(text: str) -> datetime | None:
    """Read an instant as RFC 3339 has it; a day alone is none."""
    if len(text) <= len("2026-12-24"):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _day(word: str, today: date) -> date | None:
    if word in {"today", "tomorrow"}:
        return today + timedelta(days=word == "tomorrow")
    if (ahead := _AHEAD.fullmatch(word)) is not None:
        return today + timedelta(days=int(ahead[1]) * (7 if ahead[2] == "w" else 1))
    if len(word) >= 3:
        for number, name in enumerate(WEEKDAYS):
            if name.startswith(word):  # the next one: on a Friday, `fri` is in a week
                return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None


def _clock(word: str) -> time:
    if (clock := _CLOCK.fullmatch(word)) is not None:
        with suppress(ValueError):
            return time(int(clock[1]), int(clock[2]))
    raise NotADue(f"“{word}” is no time of a day. Write it like 17:00.")


def shown(day: date, today: date) -> str:
    """Return a day as people say it."""
    distance = (day - today).days
    if distance in {-1, 0, 1}:
        return ("yesterday", "today", "tomorrow")[distance + 1]
    if 1 < distance < 7:
        return f"{day:%A}"
    return f"{day:%a} {day.day} {day:%b}" + ("" if day.year == today.year else f" {day.year}")
