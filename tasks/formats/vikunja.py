"""Vikunja's export: `data.json`, alone or in the zip archive that Vikunja makes.

The line that is told of something is the number of its task in the file.
"""

import html
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tasks.formats import documents
from tasks.formats.documents import entries, flag, text
from tasks.formats.drafts import Draft, NoTitle, fitted_name, source_id
from tasks.formats.items import MOST_BYTES, Contents, FileRefused, NamedList, Notice
from tasks.models import COLOR
from tasks.recurrence import written

# Not by the library's parser, to which some hundred kilobytes of `<a ` are minutes. No tag goes over another `<`, and
# nothing is tried twice: so this takes time as the text is long, whatever stands in it.
_TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*+)(?P<attributes>(?:"[^"<]*+"|'[^'<]*+'|[^<>"'])*+)>|<!--[^<>]*+>"""
)
_HREF = re.compile(r"""\bhref\s*+=\s*+(["'])(.*?)\1""", re.IGNORECASE)
_BLOCKS = frozenset(("p", "li", "div", "h1", "h2", "h3", "ul", "ol", "pre", "blockquote"))
ARCHIVE = b"PK\x03\x04"
_PRIORITIES = {1: "low", 2: "medium", 3: "high", 4: "urgent", 5: "urgent"}
_DAY = 86_400
# What reading an archive raises: the zip format itself, each way to compress, a place before its start, encryption.
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error),
    *(KeyError, RuntimeError, NotImplementedError),
)


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a file says, to somebody in this zone. Raises FileRefused."""
    document, told = documents.load(unpacked(content))
    projects = document if isinstance(document, list) else [document]
    if not all(isinstance(each, dict) and isinstance(each.get("tasks", []), list | None) for each in projects):
        raise FileRefused("no-projects", "This is no export of Vikunja's: it is no list of projects.")
    reader = _Reader(Contents(changed=told), zone)
    for project in projects:
        reader.read(project)
    return reader.contents


def unpacked(content: bytes) -> bytes:
    """Return `data.json` of an archive; what is none stays as it is. Raises FileRefused."""
    if not content.startswith(ARCHIVE):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("data.json") as file:
            found = file.read(MOST_BYTES + 1)
    except _DAMAGES:
        raise FileRefused("archive", "The archive is damaged, or has no data.json.") from None
    if len(found) > MOST_BYTES:
        raise FileRefused("too-large", f"A file has at most {MOST_BYTES // 2**20} MiB.")
    return found


class _Reader:
    def __init__(self, contents: Contents, zone: ZoneInfo) -> None:
        self.contents, self._zone = contents, zone
        self._number = 0

    def read(self, project: Mapping[str, Any]) -> None:
        name = fitted_name(text(project.get("title")))
        if name is not None:
            color = f"#{text(project.get('hex_color')).removeprefix('#').lower()}"
            known = color if re.fullmatch(COLOR, color) else None
            self.contents.lists.append(NamedList(name, known, flag(project, "is_archived")))
        if text(project.get("parent_project_id")) not in ("", "0"):
            detail = "Lists are not within lists here: it is one beside the others."
            self.contents.changed.append(Notice(0, name or "", "list_id", "nested-list", detail))
        for task in project.get("tasks") or ():
            self._number += 1
            with self.contents.unreadable_left_out(self._number, _title_of(task)):
                self._read(task, name)
        for child in entries(project, "child_projects"):
            self.read(child)

    def _read(self, task: Any, list_name: str | None) -> None:
        if not isinstance(task, dict):
            self.contents.leave_out(self._number, "", "unreadable", "This is no task.")
            return
        draft = Draft(self._number, self._zone)
        if list_name:
            draft.list_name(list_name)
        priority = task.get("priority") or 0
        draft.members |= {"uuid": source_id(task.get("id")), "parent": _parent(task)}
        draft.members["priority"] = _PRIORITIES.get(priority if isinstance(priority, int) else 0, "none")
        for label in entries(task, "labels"):
            draft.label(text(label.get("title")))
        self._read_times(draft, task)
        _tell_rest(draft, task)
        title = _title_of(task)
        try:
            self.contents.add(*draft.item(title, _plain(draft, text(task.get("description")))))
        except NoTitle:
            self.contents.leave_out(self._number, title, "no-title", "The task has no title.")

    def _read_times(self, draft: Draft, task: Mapping[str, Any]) -> None:
        due, start, end = (_instant(task.get(name)) for name in ("due_date", "start_date", "end_date"))
        if due is not None:
            draft.due(due)
        if start is not None:
            draft.starts_on(start)
        if end is not None:
            detail = "There are no end dates here."
            draft.keep_as_text("description", "end-date", f"End: {end.astimezone(self._zone).isoformat()}", detail)
        if (found := _rule(task)) is not None:
            rule, counts_from = found
            draft.recur(rule, counts_from=counts_from, timezone=self._zone.key)
        elif task.get("repeat_after") or task.get("repeat_mode"):
            seconds = text(task.get("repeat_after"))
            detail = "It recurs by something else than days."
            draft.keep_as_text("recurrence", "rule", f"Repeats: every {seconds} seconds", detail)
        for reminder in entries(task, "reminders"):
            _remind(draft, reminder)
        draft.created(_instant(task.get("created")))
        if flag(task, "done"):
            draft.completed(_instant(task.get("done_at")))


def _title_of(task: Any) -> str:
    return text(task.get("title")) if isinstance(task, dict) else ""


def _instant(value: object) -> datetime | None:
    """Return an instant; Vikunja writes the year 1 for none."""
    found = documents.instant(value)
    return None if found is None or found.year <= 1 else found


def _parent(task: Mapping[str, Any]) -> str | None:
    related = task.get("related_tasks")
    above = next(entries(related, "parenttask"), None) if isinstance(related, dict) else None
    return None if above is None else source_id(above.get("id"))


def _rule(task: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the rule of a task that recurs, and what it counts from: 0 its due, 1 a month, 2 its completion."""
    seconds, mode = task.get("repeat_after") or 0, task.get("repeat_mode") or 0
    if mode == 1:
        return "FREQ=MONTHLY", "due"
    if not isinstance(seconds, int) or seconds <= 0 or seconds % _DAY:
        return None
    number = seconds // _DAY
    frequency, number = ("WEEKLY", number // 7) if number % 7 == 0 else ("DAILY", number)
    return f"FREQ={frequency};INTERVAL={number}".removesuffix(";INTERVAL=1"), "completion" if mode == 2 else "due"


def _remind(draft: Draft, reminder: Mapping[str, Any]) -> None:
    period, at = reminder.get("relative_period"), _instant(reminder.get("reminder"))
    if reminder.get("relative_to") == "due_date" and isinstance(period, int) and period <= 0:
        draft.remind_before(timedelta(seconds=-period))
    elif at is not None:
        draft.remind({"at": written(at)})
    else:
        draft.tell("reminders", "not-understood", "A reminder of this kind was left out.")


def _tell_rest(draft: Draft, task: Mapping[str, Any]) -> None:
    for comment in entries(task, "comments"):
        draft.note(_text_of(text(comment.get("comment"))))
    if people := [text(each.get("username")) for each in entries(task, "assignees")]:
        detail = "Nobody else can be responsible here."
        draft.keep_as_text("description", "responsible", f"Responsible: {', '.join(people)}", detail)
    if files := [*entries(task, "attachments")]:
        draft.tell("description", "attachments", f"Its {len(files)} attachments were left out.")
    if (done := task.get("percent_done")) and not flag(task, "done"):
        draft.tell("description", "progress", f"There is no progress here: it was {float(done):.0%} done.")
    related = task.get("related_tasks")
    if isinstance(related, dict) and {*related} - {"parenttask", "subtask"}:
        draft.tell("description", "relations", "Relations other than to its parent were left out.")


def _plain(draft: Draft, description: str) -> str:
    found = _text_of(description)
    if found != description.strip():
        draft.tell("description", "html", "The description was HTML; its text was kept.")
    return found


def _text_of(description: str) -> str:
    """Return the text of a piece of HTML, with line breaks where blocks end."""
    if not re.search(r"</?[a-z]", description):
        return description.strip()
    pieces: list[str] = []
    at = 0
    for tag in _TAG.finditer(description):
        pieces += html.unescape(description[at : tag.start()]), _in_place_of(tag)
        at = tag.end()
    pieces.append(html.unescape(description[at:]))
    return re.sub(r"\n{3,}", "\n\n", "".join(pieces)).strip()


def _in_place_of(tag: re.Match[str]) -> str:
    is_end, name = tag["end"], (tag["name"] or "").lower()
    if is_end:
        return "\n" if name in _BLOCKS else ""
    if name == "a" and (address := _HREF.search(tag["attributes"])):
        return f"{html.unescape(address[2])} "
    return {"br": "\n", "li": "- "}.get(name, "")


def projects_of(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what may be a project of Vikunja's."""
    found = document if isinstance(document, list) else [document]
    yield from (each for each in found if isinstance(each, dict) and "tasks" in each and "title" in each)
