"""What both of Todoist's formats write in words: labels within a title, and dates in a language."""

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo, available_timezones

from tasks.formats.drafts import Draft
from tasks.formats.todoist.dates import When, parse

_LABEL = re.compile(r"(?<!\S)@(\S+)")
_ENGLISH = ("", "en")


def labelled(content: str) -> tuple[str, list[str]]:
    """Return a title without its `@label`s, and those."""
    labels = _LABEL.findall(content)
    return (" ".join(_LABEL.sub("", content).split(" ")).strip() if labels else content), labels


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone of this name, if there is one."""
    return ZoneInfo(name) if name in available_timezones() else None


def understand(draft: Draft, text: str, language: str, today: date, zone: ZoneInfo | None) -> None:
    """Take over a date in words; what is not understood stands in the description."""
    if not text:
        return
    found = parse(text, today) if language.lower()[:2] in _ENGLISH or text[:4].isdecimal() else None
    if found is None:
        draft.keep_as_text("due_on", "date", f"Date: {text}", "The date was not understood.")
        return
    zone = zone or draft.zone
    draft.due(_due(found, zone), zone)
    if found.is_reckoned:
        draft.members["is_due_reckoned"] = True
        draft.tell("due_on", "reckoned", f"The day was reckoned from that of the import: {found.day}.")
    if found.rule is not None:
        draft.recur(found.rule, counts_from=found.counts_from, timezone=zone.key if found.at else None)


def _due(found: When, zone: ZoneInfo) -> date:
    return found.day if found.at is None else datetime.combine(found.day, found.at, zone)
