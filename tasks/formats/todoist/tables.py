"""Todoist's CSV: a project, a row a task, a note or a section."""

from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from tasks.formats import encoding, tables
from tasks.formats.drafts import Draft, NoTitle
from tasks.formats.items import Contents, Notice
from tasks.formats.tables import Row
from tasks.formats.todoist.texts import labelled, understand, zone_named

COLUMNS = ("TYPE", "CONTENT")
_PRIORITIES = {"1": "urgent", "2": "high", "3": "medium", "4": "none", "": "none"}


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a file says, to somebody in this zone, today. Raises FileRefused."""
    text, told = encoding.text(content)
    reader = _Reader(Contents(changed=told), zone, today)
    reader.read(tables.rows(text, COLUMNS)[1])
    return reader.contents


class _Reader:
    """The rows on their way to items. A task is complete only when the next one begins: its notes follow it."""

    def __init__(self, contents: Contents, zone: ZoneInfo, today: date) -> None:
        self.contents, self._zone, self._today = contents, zone, today
        self._draft: Draft | None = None
        self._row: Row | None = None
        self._section = ""
        self._above: list[str] = []  # the keys of the tasks that the next one may be under

    def read(self, rows: Iterator[Row]) -> None:
        for row in rows:
            match row["type"].lower():
                case "task":
                    self._finish()
                    self._begin(row)
                case "note":
                    self._note(row)
                case "section":
                    self._finish()
                    self._begin_section(row)
                case "" | "meta":
                    pass
                case _:
                    self.contents.leave_out(row.line, row["content"], "unknown-row", "This kind of row is unknown.")
        self._finish()

    def _begin(self, row: Row) -> None:
        draft = Draft(row.line, self._zone)
        self._draft, self._row = draft, row
        draft.members |= {"priority": _PRIORITIES.get(row["priority"], "none"), "key": f"row {row.line}"}
        if row["priority"] not in _PRIORITIES:
            draft.tell("priority", "not-understood", "The priority was not understood.")
        self._place(draft, row)
        if self._section:
            draft.label(self._section)
        timezone = zone_named(row["timezone"])
        if row["timezone"] and timezone is None:
            draft.tell("due_at", "timezone", "The time zone is unknown, so yours was taken.")
        understand(draft, row["date"], row["date_lang"], self._today, timezone)
        self._tell_rest(draft, row)

    def _place(self, draft: Draft, row: Row) -> None:
        indent = int(row["indent"]) if row["indent"].isdecimal() and len(row["indent"]) < 3 else 1
        if indent > len(self._above) + 1:
            draft.tell("parent_id", "no-parent", "It is deeper than the row before allows: put right under that.")
        del self._above[max(indent, 1) - 1 :]
        if self._above:
            draft.members["parent"] = self._above[-1]
        self._above.append(draft.members["key"])

    def _tell_rest(self, draft: Draft, row: Row) -> None:
        if row["duration"] not in ("", "None"):
            text = f"Duration: {row['duration']} {row['duration_unit']}".strip()
            draft.keep_as_text("description", "duration", text, "A task has no duration here.")
        if row["deadline"]:
            draft.keep_as_text(
                "description", "deadline", f"Deadline: {row['deadline']}", "There are no deadlines here."
            )
        if row["responsible"]:
            detail = "Nobody else can be responsible here."
            draft.keep_as_text("description", "responsible", f"Responsible: {row['responsible']}", detail)

    def _begin_section(self, row: Row) -> None:
        self._section, self._above = row["content"], []
        if self._section:
            self.contents.changed.append(_section_notice(row))

    def _note(self, row: Row) -> None:
        if self._draft is None:
            detail = "A comment on the project belongs to no task."
            self.contents.leave_out(row.line, row["content"], "no-task", detail)
        else:
            self._draft.note(row["content"])

    def _finish(self) -> None:
        if self._draft is None or self._row is None:
            return
        draft, row, self._draft = self._draft, self._row, None
        title, labels = labelled(row["content"])
        for label in labels:
            draft.label(label)
        try:
            self.contents.add(*draft.item(title, row["description"]))
        except NoTitle:
            self.contents.leave_out(draft.line, "", "no-title", "The row has no text.")


def _section_notice(row: Row) -> Notice:
    detail = "There are no sections here: its tasks have a label of this name."
    return Notice(row.line, row["content"], "labels", "section", detail)
