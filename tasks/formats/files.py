"""Which format a file has, and what it says."""

import re
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

from tasks.formats import encoding, export, ical, sheet, tables, ticktick, todotxt, vikunja
from tasks.formats.documents import load
from tasks.formats.items import MOST_BYTES, Contents, FileRefused
from tasks.formats.todoist import documents as todoist_documents
from tasks.formats.todoist import tables as todoist_tables

Parse = Callable[[bytes, ZoneInfo, date], Contents]


def _todotxt(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    items, notices = todotxt.parse(content)
    return Contents(items, notices)


PARSERS: dict[str, Parse] = {
    "todo.txt": _todotxt,
    "todoist-csv": todoist_tables.parse,
    "todoist-json": todoist_documents.parse,
    "ticktick-csv": ticktick.parse,
    "vikunja-json": vikunja.parse,
    "ical": ical.parse,
    "csv": sheet.parse,
    "export": export.parse,
}
FORMATS = tuple(PARSERS)
# A page that asks to log in is what a download often brings in place of the file.
_NO_TASKS = re.compile(r"<!doctype|<html|<\?xml|%PDF-", re.IGNORECASE)
_GZIP = b"\x1f\x8b"


def read(content: bytes, format: str | None, zone: ZoneInfo, today: date) -> tuple[str, Contents]:
    """Return the format of a file, told from its content where it is not named, and what it says.

    `zone` is the owner's, and `today` their day. Raises FileRefused.
    """
    if len(content) > MOST_BYTES:
        raise FileRefused("too-large", f"A file has at most {MOST_BYTES // 2**20} MiB.")
    if content.startswith(_GZIP):  # else each of its bytes would be a letter, and each line a task
        raise FileRefused("archive", "The file is compressed with gzip: unpack it first.")
    found = format or format_of(content)
    return found, PARSERS[found](content, zone, today)


def format_of(content: bytes) -> str:
    """Return the format that a file's content is of; what is none of the others is todo.txt.

    Raises FileRefused for what nobody keeps tasks in: any line would be a task.
    """
    if content.startswith(vikunja.ARCHIVE):
        return "vikunja-json"
    text, _ = encoding.text(content)
    begin = text.lstrip()[:100]
    if begin.upper().startswith("BEGIN:VCALENDAR"):
        return "ical"
    if re.match(r"\{|\[\s*[\[{]", begin):
        return _format_of_json(content)
    for name, needed in (
        ("todoist-csv", todoist_tables.COLUMNS),
        ("ticktick-csv", ticktick.COLUMNS),
        ("csv", sheet.NEEDED),
    ):
        if tables.has_columns(text, needed):
            return name
    if "\0" in text or _NO_TASKS.match(begin):
        raise FileRefused("no-tasks", "This is a picture, a page or a program's own file, and not a text of tasks.")
    return "todo.txt"


def _format_of_json(content: bytes) -> str:
    document, _ = load(content)
    if next(vikunja.projects_of(document), None) is not None:
        return "vikunja-json"
    if isinstance(document, list):
        return "todoist-json"
    is_ours = isinstance(document.get("tasks"), list) and "items" not in document
    return "export" if is_ours else "todoist-json"
