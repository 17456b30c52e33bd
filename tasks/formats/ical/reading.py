"""From the to-dos of a calendar to items."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar

from tasks.formats.drafts import Draft, NoTitle, source_id
from tasks.formats.ical.blocks import Block, blocks
from tasks.formats.ical.writing import TEXTS
from tasks.formats.ical.zones import Zones
from tasks.formats.items import Contents
from tasks.recurrence import written

_OURS = ("LIST", "PRIORITY", "RECURRENCE", "STARTS-ON", "OCCURS", "REMIND", "EXTERNAL-ID", "DUE-AT")
# What a to-do may say that has no place here, and what is told of it.
_WITHOUT_PLACE = ("LOCATION", "URL", "GEO", "CONTACT", "ATTENDEE", "ORGANIZER", "RESOURCES", "COMMENT")


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a calendar says, to somebody in this zone. Raises FileRefused."""
    found, told = blocks(content)
    reader = _Reader(Contents(changed=told), Zones(zone))
    for block in found:
        if block.name == "VTIMEZONE":
            reader.zones.add(block)
    for block in found:
        if block.name == "VTODO":
            reader.read(block)
    others = [block for block in found if block.name not in ("VTODO", "VTIMEZONE")]
    if others:
        detail = f"{len(others)} events and other things that are no to-dos were left out."
        reader.contents.leave_out(others[0].line, "", "no-to-do", detail)
    return reader.contents


class _Reader:
    def __init__(self, contents: Contents, zones: Zones) -> None:
        self.contents, self.zones = contents, zones

    def read(self, block: Block) -> None:
        """Read one to-do."""
        try:
            todo = icalendar.Todo.from_ical(block.text)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError):
            self.contents.leave_out(block.line, _title_of(block), "unreadable", "The to-do cannot be read.")
            return
        summary, uid = _text(todo, "SUMMARY"), source_id(_text(todo, "UID"))
        if refusal := _refusal(todo, summary, uid):
            self.contents.leave_out(block.line, summary, *refusal)
            return
        with self.contents.unreadable_left_out(block.line, summary):
            self._add(block, todo, summary, uid)

    def _add(self, block: Block, todo: Any, summary: str, uid: str | None) -> None:
        draft = Draft(block.line, self.zones.owners)
        draft.members |= {"uuid": uid, "key": None if uid else f"line {block.line}", "parent": _parent(todo)}
        for name, _ in todo.errors:
            draft.tell("", "unreadable", f"{name} cannot be read, and was left out.")
        _Members(draft, todo, self.zones, block).read()
        try:
            self.contents.add(*draft.item(summary, _text(todo, "DESCRIPTION")))
        except NoTitle:
            draft.tell("title", "no-title", "It has no title.")
            self.contents.add(*draft.item("Untitled", _text(todo, "DESCRIPTION")))


def _refusal(todo: Any, summary: str, uid: str | None) -> tuple[str, str] | None:
    if not summary.strip() and uid is None:
        return "no-title", "It has neither a title nor an id."
    if _text(todo, "STATUS").upper() == "CANCELLED":
        return "cancelled", "It was cancelled there."
    if "RECURRENCE-ID" in todo:
        return "override", "It is a change of one occurrence of a series, which goes on by its rule."
    return None


class _Members:
    """What a to-do says, member by member, on its way to a draft."""

    def __init__(self, draft: Draft, todo: Any, zones: Zones, block: Block) -> None:
        self._draft, self._todo, self._zones, self._block = draft, todo, zones, block
        self._ours = {name: found for name in _OURS if (found := _text(todo, f"X-TODO-{name}"))}
        self._ours |= {name: _unescaped(self._ours[name]) for name in TEXTS if name in self._ours}
        self._recurs_in: str | None = None

    def read(self) -> None:
        draft, todo = self._draft, self._todo
        draft.list_name(self._ours.get("LIST") or self._block.calendar)
        draft.members["priority"] = _priority(_text(todo, "PRIORITY"), self._ours.get("PRIORITY", ""))
        draft.members["external_id"] = self._ours.get("EXTERNAL-ID")
        for label in _categories(todo):
            draft.label(label)
        self._read_times()
        self._read_state()
        self._read_reminders()
        self._tell_rest()

    def _read_times(self) -> None:
        draft, todo = self._draft, self._todo
        start, due = self._moment("DTSTART"), self._moment("DUE")
        length = _first(todo, "DURATION")
        if due is None and start is not None and isinstance(getattr(length, "td", None), timedelta):
            due = start + length.td
        if due is None and start is not None and "RRULE" in todo:
            due = start
            draft.tell("due_on", "start", "It recurs and has no due, so it is due when it starts.")
        if due is not None:
            draft.due(due)
        if "DUE-AT" in self._ours:  # iCalendar knows nothing finer than a second
            draft.due(datetime.fromisoformat(self._ours["DUE-AT"]))
        if "STARTS-ON" in self._ours:
            draft.starts_on(date.fromisoformat(self._ours["STARTS-ON"]))
        elif start is not None and start != due:
            draft.starts_on(start)
        self._read_rule(due)
        draft.created(self._moment("CREATED"))

    def _read_rule(self, due: date | None) -> None:
        rule = _first(self._todo, "RRULE")
        if rule is None:
            return
        more = dict(part.partition("=")[::2] for part in self._ours.get("RECURRENCE", "").split(";") if part)
        timezone = more.get("timezone") or (self._recurs_in if isinstance(due, datetime) else None)
        text = rule.to_ical().decode()
        self._draft.recur(text, counts_from=more.get("from", "due"), timezone=timezone)
        if "recurrence" in self._draft.members and "missed" in more:
            self._draft.members["recurrence"]["missed"] = more["missed"]
        if "recurrence" in self._draft.members and "OCCURS" in self._ours:
            self._draft.members["occurrence"] = self._ours["OCCURS"]
        if "EXDATE" in self._todo or "RDATE" in self._todo:
            self._draft.tell(
                "recurrence", "exceptions", "Single days that the series leaves out or adds were left out."
            )

    def _moment(self, name: str) -> date | None:
        """Return a day, or an instant; a time without a zone is in the owner's."""
        prop = _first(self._todo, name)
        moment = getattr(prop, "dt", None)
        if not isinstance(moment, datetime):
            return moment if isinstance(moment, date) else None
        zone_name = str(prop.params.get("TZID", ""))
        if zone_name and zone_name.upper() != "UTC":
            zone, told = self._zones.find(zone_name)
            if told:
                self._draft.tell("due_at", "timezone", told)
            moment = moment.replace(tzinfo=zone)
            if name in ("DUE", "DTSTART"):
                self._recurs_in = zone.key if isinstance(zone, ZoneInfo) else None
        found = moment if moment.tzinfo else moment.replace(tzinfo=self._zones.owners)
        return datetime.fromisoformat(found.isoformat())

    def _read_state(self) -> None:
        progress = _text(self._todo, "PERCENT-COMPLETE")
        status = _text(self._todo, "STATUS").upper()
        if status == "COMPLETED" or "COMPLETED" in self._todo or progress == "100":
            self._draft.completed(self._moment("COMPLETED"))
        elif progress not in ("", "0"):
            self._draft.tell("description", "progress", f"There is no progress here: it was {progress} % done.")

    def _read_reminders(self) -> None:
        if "REMIND" in self._ours:
            for part in self._ours["REMIND"].split(","):
                self._draft.remind({"minutes_before": int(part)} if part.isdecimal() else {"at": part})
            return
        for alarm in self._todo.walk("VALARM"):
            trigger = _first(alarm, "TRIGGER")
            moment = getattr(trigger, "dt", None)
            if isinstance(moment, datetime):
                at = moment if moment.tzinfo else moment.replace(tzinfo=self._zones.owners)
                self._draft.remind({"at": written(at)})
            elif isinstance(moment, timedelta):
                self._draft.remind_before(self._before_due(moment, str(trigger.params.get("RELATED", "START"))))
            else:
                self._draft.tell("reminders", "not-understood", "A reminder was not understood.")

    def _before_due(self, offset: timedelta, related: str) -> timedelta:
        start, due = self._moment("DTSTART"), self._moment("DUE")
        if related.upper() == "END" or start is None or due is None or type(start) is not type(due):
            return -offset
        return (due - start) - offset

    def _tell_rest(self) -> None:
        for name in _WITHOUT_PLACE:
            for prop in _all(self._todo, name):
                what = name.capitalize()
                self._draft.keep_as_text("description", name.lower(), f"{what}: {prop}", f"{what} has no place here.")
        if "ATTACH" in self._todo:
            self._draft.tell("description", "attachments", "Its attachments were left out.")


def _all(component: Any, name: str) -> list[Any]:
    found = component.get(name)
    return [] if found is None else found if isinstance(found, list) else [found]


def _first(component: Any, name: str) -> Any:
    return next(iter(_all(component, name)), None)


def _text(component: Any, name: str) -> str:
    found = _first(component, name)
    return "" if found is None or type(found).__name__ == "vBrokenProperty" else str(found)


def _unescaped(text: str) -> str:
    """Return what a text of ours says (RFC 5545, section 3.3.11); the library leaves what it does not know as it is."""
    return re.sub(r"\\(.)", lambda escaped: "\n" if escaped[1] in "nN" else escaped[1], text)


def _title_of(block: Block) -> str:
    return next((line.partition(":")[2] for line in block.lines if line.upper().startswith("SUMMARY")), "")


def _parent(todo: Any) -> str | None:
    """Return the id of the to-do that it belongs under: a relation is to a parent unless it says otherwise."""
    for relation in _all(todo, "RELATED-TO"):
        if str(getattr(relation, "params", {}).get("RELTYPE", "PARENT")).upper() == "PARENT":
            return source_id(relation)
    return None


def _priority(text: str, ours: str) -> str:
    if ours == "urgent":
        return ours
    number = int(text) if re.fullmatch(r"\d", text) else 0
    return "none" if not number else "high" if number < 5 else "medium" if number == 5 else "low"


def _categories(todo: Any) -> Iterator[str]:
    for prop in _all(todo, "CATEGORIES"):
        yield from map(str, getattr(prop, "cats", [prop]))
