"""Time zones of a calendar: by their own names, by those that Windows has, or as the file itself explains them."""

from collections.abc import Callable
from datetime import tzinfo
from zoneinfo import ZoneInfo, available_timezones

import icalendar
from icalendar.timezone import windows_to_olson

from tasks.formats.ical.blocks import Block

_OLSON: dict[str, str] = windows_to_olson.WINDOWS_TO_OLSON


class Zones:
    """The zones that a file's times are in. `owners` is whose the file becomes."""

    def __init__(self, owners: ZoneInfo) -> None:
        self.owners = owners
        self._explained: dict[str, Callable[[], tzinfo | None]] = {}
        self._found: dict[str, tuple[tzinfo, str]] = {}

    def add(self, block: Block) -> None:
        """Remember how the file explains a zone."""
        name = next((line.partition(":")[2].strip() for line in block.lines if line.upper().startswith("TZID")), "")
        self._explained[name] = lambda: _explained(block)

    def find(self, name: str) -> tuple[tzinfo, str]:
        """Return a zone, and what to tell of it; one that nobody knows is the owner's."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> tuple[tzinfo, str]:
        plain = name.strip('"').removeprefix("/freeassociation.sourceforge.net/").removeprefix("/")
        if plain in available_timezones():
            return ZoneInfo(plain), ""
        if plain in _OLSON:
            return ZoneInfo(_OLSON[plain]), f"The time zone was taken for {_OLSON[plain]}."
        if name in self._explained and (found := self._explained[name]()) is not None:
            what = found.key if isinstance(found, ZoneInfo) else "what the file says of it"
            return found, f"The time zone was taken for {what}."
        return self.owners, "The time zone is unknown, so yours was taken."


def _explained(block: Block) -> tzinfo | None:
    location = next((line.partition(":")[2].strip() for line in block.lines if line.startswith("X-LIC-LOCATION")), "")
    if location in available_timezones():
        return ZoneInfo(location)
    try:
        found = icalendar.Timezone.from_ical(block.text)
        return found.to_tz() if isinstance(found, icalendar.Timezone) else None
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        return None
