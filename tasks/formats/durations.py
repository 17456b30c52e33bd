"""Durations as RFC 5545 (section 3.3.6) and ISO 8601 write them, of weeks to seconds."""

import re
from datetime import timedelta

_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?", re.ASCII
)


def duration(text: str) -> timedelta | None:
    """Return how long `-PT15M` and the like say; None for what is none."""
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None or not any(match.groups()[1:]):
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    found = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -found if match[1] == "-" else found


def written(length: timedelta) -> str:
    """Write a number of whole minutes, before if it is negative."""
    minutes = round(abs(length).total_seconds() / 60)
    return f"{'-' if length < timedelta(0) else ''}PT{minutes}M"
