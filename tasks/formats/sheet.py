"""Our own table: a row a task, with columns that are called as the members are. For spreadsheets, and back."""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from tasks.formats import encoding, tables
from tasks.formats.drafts import fitted_name
from tasks.formats.items import Contents, of_task
from tasks.formats.tables import Row

COLUMNS = (
    *("list", "title", "description", "priority", "labels", "due_on", "due_at", "starts_on", "is_completed"),
    *("completed_at", "created_at", "rule", "from", "timezone", "missed", "occurrence", "reminders", "parent_id"),
    *("id", "external_id"),
)
NEEDED = ("list", "title", "due_on")
# What a spreadsheet would take for a formula has an apostrophe before it, and so has what begins with that.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_RECURRENCE = ("rule", "from", "timezone", "missed")


def parse(content: bytes, zone: ZoneInfo, today: date) -> Contents:
    """Return what a table says, to somebody in this zone. Raises FileRefused."""
    text, told = encoding.text(content)
    contents = Contents(changed=told)
    for row in tables.rows(text, NEEDED)[1]:
        if not row.is_empty:
            _read(row, contents, zone)
    return contents


def _read(row: Row, contents: Contents, zone: ZoneInfo) -> None:
    title = _plain(row, "title").strip()
    try:
        task = _task(row, title)
        name = fitted_name(_plain(row, "list"))
        item = replace(of_task(task, {} if name is None else {"list": name}, zone), line=row.line)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        contents.leave_out(row.line, title, "unreadable", "A cell of the row is not what it must be.")
        return
    if item.title:
        contents.add(item)
    else:
        contents.leave_out(row.line, "", "no-title", "The row has no title.")


def _task(row: Row, title: str) -> dict[str, Any]:
    """Return the row as the API would show the task. Raises ValueError."""
    recurrence = {name: row[name] for name in _RECURRENCE if row[name]}
    is_completed = row["is_completed"].lower()
    if is_completed not in ("", "true", "false"):
        raise ValueError(is_completed)
    nullable = ("due_on", "due_at", "starts_on", "completed_at", "created_at", "occurrence", "parent_id")
    return {
        **{name: row[name] or None for name in nullable},
        "title": title,
        "description": _plain(row, "description"),
        "priority": row["priority"] or "none",
        "labels": [label for label in _plain(row, "labels").split("\n") if label.strip()],
        "is_completed": is_completed == "true",
        "recurrence": {"from": "due", **recurrence} if "rule" in recurrence else None,
        "reminders": json.loads(row["reminders"] or "[]"),
        "list_id": "list",
        "id": row["id"] or None,
        "external_id": _plain(row, "external_id") or None,
    }


def _plain(row: Row, column: str) -> str:
    text = row.cells.get(column, "")
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def head() -> str:
    """Return the line with the names of the columns."""
    return _line(COLUMNS)


def write(task: Mapping[str, Any], list_name: str | None) -> str:
    """Return the row that says a task, as the API shows it, with its end."""
    recurrence = task["recurrence"] or {}
    cells = {
        **{name: task[name] for name in COLUMNS if name in task},
        **{name: recurrence.get(name) for name in _RECURRENCE},
        "list": list_name,
        "labels": "\n".join(task["labels"]),
        "is_completed": "true" if task["is_completed"] else "false",
        "reminders": json.dumps(task["reminders"]) if task["reminders"] else None,
        "occurrence": task["occurrence"] if recurrence and not task["is_completed"] else None,
    }
    return _line([_safe(str(cells[name] or "")) for name in COLUMNS])


def _safe(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _line(cells: Any) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
