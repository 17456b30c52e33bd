"""Todoist's JSON: what its sync API answers, or the tasks that its REST API lists.

The line that is told of something is the number of its task in the file.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tasks.formats import documents
from tasks.formats.documents import entries, flag, instant, text
from tasks.formats.drafts import Draft, NoTitle, fitted_name, source_id
from tasks.formats.items import Contents, FileRefused, NamedList, Notice
from tasks.formats.todoist.colors import PALETTE
from tasks.formats.todoist.dates import parse as parse_words
from tasks.formats.todoist.texts import zone_named
from tasks.recurrence import written

_PRIORITIES = {4: "urgent", 3: "high", 2: "medium", 1: "none", None: "none"}


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a file says, to somebody in this zone, today. Raises FileRefused."""
    document, told = documents.load(content)
    if isinstance(document, list):
        document = {"items": document}
    if isinstance(document, dict) and "items" not in document and isinstance(document.get("results"), list):
        document = {**document, "items": document["results"]}
    items = document.get("items", document.get("tasks")) if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise FileRefused("no-tasks", "This is no file of Todoist's: it has no items.")
    reader = _Reader(document, Contents(changed=told), zone, today)
    for number, item in enumerate(items, 1):
        reader.read(number, item)
    return reader.contents


class _Reader:
    """The account as Todoist has it, on its way to items."""

    def __init__(self, document: Mapping[str, Any], contents: Contents, zone: ZoneInfo, today: date) -> None:
        self.contents, self._zone, self._today = contents, zone, today
        self._lists: dict[str, str] = {}
        for project in entries(document, "projects"):
            self._read_project(project)
        self._sections = {text(each.get("id")): text(each.get("name")) for each in entries(document, "sections")}
        self._told_sections: set[str] = set()
        self._notes: dict[str, list[str]] = defaultdict(list)
        for note in [*entries(document, "notes"), *entries(document, "comments")]:
            self._notes[text(note.get("item_id") or note.get("task_id"))].append(text(note.get("content")))
        self._reminders: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for reminder in entries(document, "reminders"):
            self._reminders[text(reminder.get("item_id"))].append(reminder)

    def _read_project(self, project: Mapping[str, Any]) -> None:
        is_inbox = flag(project, "inbox_project") or flag(project, "is_inbox_project")
        name = fitted_name(text(project.get("name")))
        if is_inbox or name is None or flag(project, "is_deleted"):
            return
        self._lists[text(project.get("id"))] = name
        color = PALETTE.get(text(project.get("color")))
        self.contents.lists.append(NamedList(name, color, flag(project, "is_archived")))
        if project.get("parent_id") is not None:
            detail = "Lists are not within lists here: it is one beside the others."
            self.contents.changed.append(Notice(0, name, "list_id", "nested-list", detail))

    def read(self, number: int, item: Any) -> None:
        """Read one task."""
        if not isinstance(item, dict):
            self.contents.leave_out(number, "", "unreadable", "This is no task.")
            return
        title = text(item.get("content"))
        if flag(item, "is_deleted"):
            self.contents.leave_out(number, title, "deleted", "It was deleted there.")
            return
        draft = Draft(number, self._zone)
        self._read_members(draft, item)
        try:
            self.contents.add(*draft.item(title, text(item.get("description"))))
        except NoTitle:
            self.contents.leave_out(number, "", "no-title", "The task has no text.")

    def _read_members(self, draft: Draft, item: Mapping[str, Any]) -> None:
        task_id = text(item.get("id"))
        parent = source_id(item.get("parent_id"))
        draft.members |= {"uuid": source_id(task_id), "parent": parent}
        priority = item.get("priority")
        draft.members["priority"] = _PRIORITIES.get(priority if isinstance(priority, int) else None, "none")
        if name := self._lists.get(text(item.get("project_id"))):
            draft.list_name(name)
        for label in item.get("labels") or ():
            draft.label(text(label))
        self._read_section(draft, text(item.get("section_id")))
        self._read_due(draft, item)
        draft.created(instant(item.get("added_at") or item.get("created_at")))
        if flag(item, "checked") or flag(item, "is_completed"):
            draft.completed(instant(item.get("completed_at")))
        for reminder in self._reminders[task_id]:
            self._read_reminder(draft, reminder)
        for note in self._notes[task_id]:
            draft.note(note)
        self._tell_rest(draft, item)

    def _read_section(self, draft: Draft, section: str) -> None:
        if not (name := self._sections.get(section)):
            return
        draft.label(name)
        if section not in self._told_sections:
            self._told_sections.add(section)
            draft.tell("labels", "section", "There are no sections here: its tasks have a label of this name.")

    def _read_due(self, draft: Draft, item: Mapping[str, Any]) -> None:
        due = item.get("due")
        if not isinstance(due, dict):
            return
        zone = zone_named(text(due.get("timezone"))) or draft.zone
        moment = documents.day_or_instant(due.get("datetime") or due.get("date"), zone)
        words = text(due.get("string"))
        if moment is None:
            draft.keep_as_text("due_on", "date", f"Date: {words or due.get('date')}", "The date was not understood.")
            return
        draft.due(moment, zone)
        if not flag(due, "is_recurring"):
            return
        found = parse_words(words, self._today) if text(due.get("lang"))[:2] in ("", "en") else None
        if found is None or found.rule is None:
            draft.keep_as_text("recurrence", "date", f"Repeats: {words}", "How it repeats was not understood.")
            return
        is_instant = isinstance(moment, datetime)
        draft.recur(found.rule, counts_from=found.counts_from, timezone=zone.key if is_instant else None)

    def _read_reminder(self, draft: Draft, reminder: Mapping[str, Any]) -> None:
        due = reminder.get("due")
        at = documents.day_or_instant(due.get("date"), draft.zone) if isinstance(due, dict) else None
        minutes = reminder.get("minute_offset", reminder.get("mm_offset"))
        if reminder.get("type") == "relative" and isinstance(minutes, int) and "due_time" in draft.members:
            draft.remind({"minutes_before": minutes})
        elif isinstance(at, datetime):
            draft.remind({"at": written(at)})
        else:
            draft.tell("reminders", "not-understood", "A reminder of this kind was left out.")

    def _tell_rest(self, draft: Draft, item: Mapping[str, Any]) -> None:
        duration, deadline = item.get("duration"), item.get("deadline")
        if isinstance(duration, dict):
            words = f"Duration: {duration.get('amount')} {duration.get('unit')}"
            draft.keep_as_text("description", "duration", words, "A task has no duration here.")
        if isinstance(deadline, dict):
            words = f"Deadline: {deadline.get('date')}"
            draft.keep_as_text("description", "deadline", words, "There are no deadlines here.")
        if item.get("responsible_uid") or item.get("assignee_id"):
            draft.tell("description", "responsible", "Nobody else can be responsible here.")
