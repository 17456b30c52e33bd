"""Lines of iCalendar (RFC 5545, section 3.1): their values and folds, to the byte as the icalendar package has them.

The package makes an object of each value, which is 0.2 ms for a task. It still writes what is hard; the rest is put
together here, and the tests hold the one to the other.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import vDDDTypes

_MOST_OCTETS = 74  # in a line; section 3.1 allows one more


def text(name: str, value: str) -> str:
    """Return the line of a text: what means something in iCalendar is escaped (section 3.3.11)."""
    return folded(f"{name}:{_escaped(value)}")


def texts(name: str, values: Iterable[str]) -> str:
    """Return the line of several texts."""
    return folded(f"{name}:{','.join(map(_escaped, values))}")


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")


def instant(written: str) -> str:
    """Return an instant, which we write as `2026-12-01T09:00:00.000000Z` (section 3.3.5)."""
    return f"{_digits(written)}Z"


def _digits(written: str) -> str:
    return written[:19].replace("-", "").replace(":", "")


def moment(name: str, value: date | datetime) -> str:
    """Return the line of a day, or of a time in UTC or by the clock of a zone (sections 3.3.4 and 3.3.5)."""
    written = _digits(value.isoformat())
    if not isinstance(value, datetime):
        return f"{name};VALUE=DATE:{written}\r\n"
    if value.tzinfo is UTC:
        return f"{name}:{written}Z\r\n"
    parameters, suffix = _clock(str(value.tzinfo))
    return folded(f"{name}{parameters}:{written}{suffix}")


@lru_cache(maxsize=1024)  # more zones than there are
def _clock(zone: str) -> tuple[str, str]:
    """Return what stands before a time by a zone's clock, and behind it: some zones are UTC by another name."""
    sample = vDDDTypes(datetime(2000, 1, 1, tzinfo=ZoneInfo(zone)))
    parameters = bytes(sample.params.to_ical()).decode()
    return f";{parameters}" if parameters else "", "Z" if sample.to_ical().endswith(b"Z") else ""


@lru_cache(maxsize=1024)  # people's reminders are the same few
def before(minutes: int) -> str:
    """Return so many minutes before something (section 3.3.6)."""
    return vDDDTypes(timedelta(minutes=-minutes)).to_ical().decode()


def folded(line: str) -> str:
    """Return a line with its end, folded where that cuts no character and no escape (section 3.1)."""
    if len(line) <= _MOST_OCTETS and line.isascii():
        return f"{line}\r\n"
    octets = line.encode()
    parts, begin = [], 0
    while len(octets) - begin > _MOST_OCTETS:
        end = begin + _MOST_OCTETS
        while octets[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        end -= octets[end - 1] in b"\\^"
        parts.append(octets[begin:end])
        begin = end
    return b"\r\n ".join([*parts, octets[begin:] + b"\r\n"]).decode()
