"""An item on its way from another program's file: what cannot be kept as it is is mended, and told."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError

from tasks.formats.items import Item, Notice, fitted
from tasks.formats.todotxt.words import folded
from tasks.models import (
    FIRST_DATE,
    LABEL_MAX_LENGTH,
    LAST_DATE,
    MOST_LABELS,
    MOST_MINUTES_BEFORE,
    MOST_REMINDERS,
    NAME_MAX_LENGTH,
    validate_label,
    validate_name,
)
from tasks.recurrence import written
from tasks.recurrence.rules import RuleRefused
from tasks.recurrence.rules import parse as parse_rule
from todoproject import text as characters

_BREAKS = re.compile(rf"(?:\0|{characters.BREAK})+")
_CONTROLS = re.compile(rf"(?:\0|{characters.CONTROL})+")
_UNTIL = re.compile(r"UNTIL=(\d{8})(T\d{6}Z?)?", re.ASCII)
_DAY = timedelta(days=1)


class NoTitle(ValueError):
    """There is nothing to call the task by."""


class Draft:
    """What a file says of one task, member by member. `zone` is the owner's."""

    def __init__(self, line: int, zone: ZoneInfo) -> None:
        self.line, self.zone = line, zone
        self.members: dict[str, Any] = {}
        self._labels: list[str] = []
        self._reminders: list[Mapping[str, Any]] = []
        self._notes: list[str] = []
        self._told: list[tuple[str, str, str]] = []

    def tell(self, member: str, code: str, detail: str) -> None:
        """Say what could not be kept as it was."""
        if (member, code, detail) not in self._told:
            self._told.append((member, code, detail))

    def keep_as_text(self, member: str, code: str, note: str, detail: str) -> None:
        """Put into the description what has no place of its own, and say so."""
        self._notes.append(note)
        self.tell(member, code, f"{detail} It stands in the description.")

    def note(self, text: str) -> None:
        """Add to the description."""
        self._notes.append(text)

    def label(self, name: str) -> None:
        """Add a label; one that cannot be is told."""
        name = _BREAKS.sub(" ", name).strip()
        if not name or folded(name) in map(folded, self._labels):
            return
        try:
            validate_label(name)
        except ValidationError as error:
            self.keep_as_text("labels", "no-label", f"Label: {name}", str(error.message))
            return
        if len(name) > LABEL_MAX_LENGTH:
            self._notes.append(f"Label: {name}")
            self.tell("labels", "too-long", "A label was too long: it was cut, and the whole is in the description.")
            name = name[:LABEL_MAX_LENGTH].strip()
        if len(self._labels) == MOST_LABELS:
            detail = f"A task has at most {MOST_LABELS} labels."
            self.keep_as_text("labels", "too-many", f"Label: {name}", detail)
            return
        self._labels.append(name)

    def list_name(self, name: str) -> None:
        """Say which list it is in."""
        if (found := fitted_name(name)) is None:
            return
        if found != name.strip():
            self.tell("list_id", "list-renamed", "The list's name was shortened, or lost its control characters.")
        self.members["list_name"] = found

    def due(self, due: date, zone: ZoneInfo | None = None) -> None:
        """Say when it is due: a day, or an instant."""
        if not _is_in_range(due):
            self.keep_as_text("due_on", "range", f"Due: {due}", "The due is out of range.")
            return
        if isinstance(due, datetime):
            at = due.astimezone(zone or self.zone)
            self.members["due_on"], self.members["due_time"] = _day(at), _fixed(at).timetz()
        else:
            self.members["due_on"] = due

    def starts_on(self, day: date) -> None:
        """Say before which day it does not begin."""
        day = day.astimezone(self.zone).date() if isinstance(day, datetime) else day
        if _is_in_range(day):
            self.members["starts_on"] = day
        else:
            self.keep_as_text("starts_on", "range", f"Starts: {day}", "The day that it starts on is out of range.")

    def completed(self, at: date | None) -> None:
        """Say that it is completed, and when if that is known."""
        self.members["is_completed"] = True
        self._moment("completed", at)

    def created(self, at: date | None) -> None:
        """Say when it was made."""
        self._moment("created", at)

    def _moment(self, name: str, at: date | None) -> None:
        if isinstance(at, datetime):
            self.members[f"{name}_at"] = at
        elif at is not None:
            self.members[f"{name}_on"] = at

    def recur(self, rule: str, *, counts_from: str = "due", timezone: str | None = None) -> None:
        """Say how it recurs, after its due; what is no rule of ours is kept as text."""
        if "due_on" not in self.members:
            self.keep_as_text("recurrence", "no-due", f"Repeats: {rule}", "What recurs needs a due.")
            return
        try:
            text = parse_rule(self._with_fitting_end(rule, timezone)).text
        except RuleRefused as error:
            self.keep_as_text("recurrence", "rule", f"Repeats: {_BREAKS.sub(' ', rule)[:500]}", str(error))
            return
        zone = {} if timezone is None else {"timezone": timezone}
        self.members["recurrence"] = {"rule": text, "from": counts_from, **zone}

    def _with_fitting_end(self, rule: str, timezone: str | None) -> str:
        """Say UNTIL as a day for days, and in UTC for instants, whatever the file makes of it."""
        is_instant = "due_time" in self.members
        zone = ZoneInfo(timezone) if timezone else self.zone

        def fit(match: re.Match[str]) -> str:
            day, time = match.groups()
            if not is_instant:
                return f"UNTIL={day}"
            if time and time.endswith("Z"):
                return match[0]
            try:
                end = datetime.strptime(day + (time or "T235959"), "%Y%m%dT%H%M%S").replace(tzinfo=zone)
                return f"UNTIL={end.astimezone(UTC):%Y%m%dT%H%M%SZ}"
            except (ValueError, OverflowError):
                return match[0]

        return _UNTIL.sub(fit, rule.upper())

    def remind(self, reminder: Mapping[str, Any]) -> None:
        """Add a reminder: so many minutes before, or at an instant."""
        minutes = reminder.get("minutes_before")
        if len(self._reminders) == MOST_REMINDERS:
            self.tell("reminders", "too-many", f"A task has at most {MOST_REMINDERS} reminders: one was left out.")
        elif minutes is not None and not 0 <= minutes <= MOST_MINUTES_BEFORE:
            self.tell("reminders", "range", "A reminder is up to 28 days before the due: one was left out.")
        elif reminder not in self._reminders:
            self._reminders.append(reminder)

    def remind_before(self, before: timedelta) -> None:
        """Add a reminder so long before the due; on a due day without a time, before its midnight."""
        minutes, rest = divmod(int(before.total_seconds()), 60)
        if rest:
            self.tell("reminders", "rounded", "Reminders are by the minute: one comes a little earlier.")
            minutes += 1
        if "due_on" not in self.members:
            self.tell("reminders", "no-due", "A reminder means nothing without a due: one was left out.")
        elif "due_time" in self.members:
            self.remind({"minutes_before": minutes})
        else:
            midnight = datetime.combine(self.members["due_on"], datetime.min.time(), self.zone)
            self.remind({"at": written(midnight.astimezone(UTC) - before)})
            if "recurrence" in self.members:
                detail = "A reminder of a day without a time is at an instant, so it is for this occurrence only."
                self.tell("reminders", "once", detail)

    def item(self, title: str, description: str = "") -> tuple[Item, list[Notice]]:
        """Return the item and what was told. Raises NoTitle where neither text has anything to be seen."""
        title = self._title(title, description)
        description = self._plain(description)
        if self._notes:
            description = "\n\n".join(filter(None, [description.strip(), *map(self._plain, self._notes)]))
        title, description, done = fitted(title, description)
        if done:
            kept = "the whole is in the description" if done == "too-long" else "the description was cut, too"
            self.tell("title" if done == "too-long" else "description", done, f"Too long: it was cut, and {kept}.")
        found = Item(
            title,
            description,
            labels=tuple(self._labels),
            reminders=tuple(self._reminders),
            line=self.line,
            **self.members,
        )
        return found, [Notice(self.line, title, *told) for told in self._told]

    def _title(self, title: str, description: str) -> str:
        found = _BREAKS.sub(" ", title).strip()
        if not characters.is_visible(found):
            found = next((line for line in _BREAKS.split(description) if characters.is_visible(line)), "").strip()
            if not found:
                raise NoTitle
            self.tell("title", "no-title", "It has no title, so the first line of its description is its title.")
        elif found != title.strip():
            self.tell("title", "control-characters", "Line breaks and control characters of the title became spaces.")
        return found

    def _plain(self, description: str) -> str:
        found = _CONTROLS.sub("", description.replace("\r\n", "\n").replace("\r", "\n"))
        if _CONTROLS.search(description):
            self.tell("description", "control-characters", "The description lost its control characters.")
        return found


def fitted_name(name: str) -> str | None:
    """Return a name that a list can have; None where there is nothing to be seen in it."""
    found = _BREAKS.sub(" ", name).strip()[:NAME_MAX_LENGTH].strip()
    try:
        validate_name(found)
    except ValidationError:
        return None
    return found


def source_id(value: object) -> str | None:
    """Return the id that a file has for a task, if it has one that can be kept."""
    found = _BREAKS.sub("", str(value or "")).strip()
    return found or None


def _is_in_range(moment: date) -> bool:
    return FIRST_DATE + _DAY <= _day(moment) <= LAST_DATE - _DAY


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _fixed(moment: datetime) -> datetime:
    """Return the same instant with an offset instead of a zone: whoever reads it may be in another one."""
    return datetime.fromisoformat(moment.isoformat())
