"""iCalendar (RFC 5545): its to-dos. Events and journals are none.

What the standard has no place for travels in properties of ours, which begin with X-TODO-: the list, how a series
counts, days that something starts on beside an instant that it is due at, reminders as they were given.
"""

from tasks.formats.ical.reading import parse
from tasks.formats.ical.writing import write

__all__ = ["parse", "write"]
