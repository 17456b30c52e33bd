"""TickTick's CSV backup. What its statuses mean, its first lines say."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from tasks.formats import encoding, tables
from tasks.formats.drafts import Draft, NoTitle, source_id
from tasks.formats.durations import duration
from tasks.formats.items import Contents, FileRefused, Item, Notice
from tasks.formats.tables import Row
from tasks.formats.todoist.texts import zone_named

COLUMNS = ("List Name", "Title", "Status")
_PRIORITIES = {"0": "none", "": "none", "1": "low", "3": "medium", "5": "high"}
_STATUS = re.compile(r"^\s*(-?\d+)[\s:]+(\w+)", re.MULTILINE)
_DONE, _ABANDONED = {"completed", "archived"}, {"abandoned", "won"}
_CHECKS = ("▫", "▪")  # an open and a done line of a check list


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a file says, to somebody in this zone. Raises FileRefused."""
    text, told = encoding.text(content)
    before, rows = tables.rows(text, COLUMNS)
    reader = _Reader(Contents(changed=told), zone, _statuses(before))
    reader.read(rows)
    return reader.contents


def _statuses(before: Sequence[Sequence[str]]) -> dict[str, str]:
    found = {number: word.lower() for cells in before for number, word in _STATUS.findall("\n".join(cells))}
    if not {*found.values()} & _DONE:
        raise FileRefused("no-statuses", "The first lines of the file do not say what the numbers of Status mean.", 1)
    return found


class _Reader:
    def __init__(self, contents: Contents, zone: ZoneInfo, statuses: dict[str, str]) -> None:
        self.contents, self._zone, self._statuses = contents, zone, statuses
        self._folders: set[tuple[str, str]] = set()

    def read(self, rows: Iterator[Row]) -> None:
        for row in rows:
            if not row.is_empty and (why := self._refusal(row)) is None:
                with self.contents.unreadable_left_out(row.line, row["title"]):
                    self._read(row)
            elif not row.is_empty and why is not None:
                self.contents.leave_out(row.line, row["title"], *why)

    def _refusal(self, row: Row) -> tuple[str, str] | None:
        status = self._statuses.get(row["status"] or "0", "normal" if row["status"] in ("", "0") else "")
        if row["kind"].upper() == "NOTE":
            return "note", "It is a note, and no task."
        if status in _ABANDONED:
            return "abandoned", "It was abandoned there."
        return None if status else ("status", "The first lines of the file do not know its status.")

    def _read(self, row: Row) -> None:
        draft = Draft(row.line, self._zone)
        task_id = source_id(row["taskid"])
        draft.members |= {"uuid": task_id, "key": None if task_id else f"row {row.line}"}
        draft.members |= {"parent": source_id(row["parentid"]), "priority": _PRIORITIES.get(row["priority"], "none")}
        if row["priority"] not in _PRIORITIES:
            draft.tell("priority", "not-understood", "The priority was not understood.")
        draft.list_name(row["list name"])
        self._tell_folder(row)
        for label in row["tags"].split(","):
            draft.label(label)
        if row["column name"] not in ("", "Not Sectioned"):
            draft.label(row["column name"])
            draft.tell("labels", "section", "There are no columns here: it has a label of this name.")
        self._read_times(draft, row)
        self._add(draft, row)

    def _tell_folder(self, row: Row) -> None:
        folder = row["folder name"], row["list name"]
        if folder[0] and folder not in self._folders:
            self._folders.add(folder)
            detail = f"There are no folders here: {folder[1]} was in {folder[0]}."
            self.contents.changed.append(Notice(row.line, row["title"], "list_id", "folder", detail))

    def _read_times(self, draft: Draft, row: Row) -> None:
        zone = zone_named(row["timezone"]) or draft.zone
        is_all_day, is_floating = row["is all day"].lower() == "true", row["is floating"].lower() == "true"
        start, due = (
            _moment(row[name], zone, draft.zone, is_all_day, is_floating) for name in ("start date", "due date")
        )
        for name, found in (("start date", start), ("due date", due)):
            if found is None and row[name]:
                draft.keep_as_text("due_on", "date", f"{name.capitalize()}: {row[name]}", "A date was not understood.")
        due = due or start
        if due is not None:
            draft.due(due, zone)
        if start is not None and due is not None and _day(start, zone) != _day(due, zone):
            draft.starts_on(_day(start, zone))
        if row["repeat"]:
            is_instant = isinstance(due, datetime)
            key = (draft.zone if is_floating else zone).key
            rule = re.sub(r";TT_[A-Z]+=[^;]*", "", row["repeat"].removeprefix("RRULE:"))
            if rule != row["repeat"].removeprefix("RRULE:"):
                draft.tell("recurrence", "extension", "A part of the rule that only TickTick knows was left out.")
            draft.recur(rule, timezone=key if is_instant else None)
        for trigger in row["reminder"].split():
            _remind(draft, trigger)
        draft.created(_instant(row["created time"]))
        if self._statuses.get(row["status"]) in _DONE:
            draft.completed(_instant(row["completed time"]))

    def _add(self, draft: Draft, row: Row) -> None:
        lines = row["content"].split("\n")
        is_list = row["kind"].upper() == "CHECKLIST" or row["is check list"].upper() == "Y"
        checks = [line for line in lines if is_list and line.startswith(_CHECKS)]
        text = "\n".join(line for line in lines if line not in checks)
        try:
            item, told = draft.item(row["title"], text)
        except NoTitle:
            self.contents.leave_out(row.line, "", "no-title", "The row has no title.")
            return
        self.contents.add(item, told)
        for number, line in enumerate(checks, 1):
            self._add_check(item, number, line)

    def _add_check(self, above: Item, number: int, line: str) -> None:
        draft = Draft(above.line, self._zone)
        parent = above.uuid or above.key
        own = f"{parent}#{number}"
        draft.members |= {"parent": parent, "uuid": own if above.uuid else None, "key": None if above.uuid else own}
        draft.members["list_name"] = above.list_name
        if line.startswith(_CHECKS[1]) or above.is_completed:
            draft.completed(above.completed_at)
        try:
            self.contents.add(*draft.item(line[1:]))
        except NoTitle:
            self.contents.leave_out(above.line, "", "no-title", "A line of its check list has no text.")


def _moment(text: str, zone: ZoneInfo, owners: ZoneInfo, is_all_day: bool, is_floating: bool) -> date | None:
    """Return a day, which an all-day task writes as its midnight in its own zone, or an instant."""
    at = _instant(text)
    if at is None:
        return None
    there = at.astimezone(zone)
    if is_all_day:
        return there.date()
    return there.replace(tzinfo=owners) if is_floating else at


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _day(moment: date, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date() if isinstance(moment, datetime) else moment


def _remind(draft: Draft, trigger: str) -> None:
    found = duration(trigger.removeprefix("TRIGGER:"))
    if found is None:
        draft.tell("reminders", "not-understood", "A reminder was not understood.")
    else:
        draft.remind_before(-found)
