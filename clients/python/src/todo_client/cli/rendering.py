"""How tasks look on a terminal."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from todo_client.cli.dues import shown
from todo_client.models import Task, TaskList

_PRIORITY_STYLE = {"urgent": "bold red", "high": "red", "medium": "yellow", "low": "dim", "none": ""}


def due_text(task: Task, zone: ZoneInfo, now: datetime) -> Text:
    """Return a task's due, red if it is over."""
    today = now.astimezone(zone).date()
    if task.due_at is not None:
        local = task.due_at.astimezone(zone)
        text, day = f"{shown(local.date(), today)} {local:%H:%M}", local.date()
    elif task.due_on is not None:
        text, day = shown(task.due_on, today), task.due_on
    else:
        return Text()
    is_over = is_late(task, today, now)
    style = "dim" if task.is_completed else "red" if is_over else "yellow" if day == today else ""
    return Text(text + (" ↻" if task.recurrence is not None else ""), style)


def is_late(task: Task, today: date, now: datetime) -> bool:
    """Tell whether a task is open, and its moment or its day over."""
    if task.is_completed:
        return False
    return task.due_at < now if task.due_at else task.due_on is not None and task.due_on < today


def task_table(
    numbered: Sequence[tuple[int, Task]], lists: Mapping[str, TaskList], zone: ZoneInfo, now: datetime, width: int
) -> Table:
    """Return the table of a list; a column that nobody uses, or that has no place beside the titles, is left out."""
    rows = [_row(number, task, lists, zone, now) for number, task in numbered]
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    columns = _columns(rows, width)
    for column in columns:
        if column == _TITLE:
            table.add_column(_HEADS[column], overflow="fold", min_width=_LEAST_TITLE)
        else:
            justify: Literal["left", "right"] = "right" if column == 0 else "left"
            most = _MOST.get(column)
            table.add_column(_HEADS[column], justify=justify, overflow="ellipsis", no_wrap=True, max_width=most)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


_HEADS = ("#", "Task", "Due", "Priority", "List", "Labels")
_TITLE, _PRIORITY = 1, 3
_LEAST_TITLE = 20
_MOST = {4: 16, 5: 18}  # characters of a list's name and of labels: the task itself needs the place


def _columns(rows: Sequence[Sequence[Text]], width: int) -> list[int]:
    used = [column for column in range(len(_HEADS)) if column <= _TITLE or any(row[column].plain for row in rows)]
    while used[-1] > _PRIORITY and sum(_width(column, rows) for column in used) > width:
        used.pop()
    return used


def _width(column: int, rows: Sequence[Sequence[Text]]) -> int:
    if column == _TITLE:
        return _LEAST_TITLE + 2
    widest = max(len(_HEADS[column]), *(row[column].cell_len for row in rows))
    return min(widest, _MOST.get(column, widest)) + 2


def _row(number: int, task: Task, lists: Mapping[str, TaskList], zone: ZoneInfo, now: datetime) -> tuple[Text, ...]:
    title = Text(task.title, "dim strike" if task.is_completed else "")
    if task.is_completed:
        title = Text.assemble(("✓ ", "green"), title)
    home = lists.get(task.list_id or "")
    return (
        Text(str(number), "dim"),
        title,
        due_text(task, zone, now),
        Text("" if task.priority == "none" else task.priority, _PRIORITY_STYLE.get(task.priority, "")),
        Text(home.name if home else "", "cyan"),
        Text(" ".join(f"@{label}" for label in task.labels), "magenta"),
    )


def footer(tasks: Sequence[Task], zone: ZoneInfo, now: datetime, *, has_more: bool) -> Text:
    """Return the line below a list."""
    today = now.astimezone(zone).date()
    late = sum(is_late(task, today, now) for task in tasks)
    line = Text(f"{len(tasks)} {'task' if len(tasks) == 1 else 'tasks'}", "dim")
    if late:
        line.append(f", {late} overdue", "red")
    if has_more:
        line.append("; there are more: --limit", "dim")
    return line


def details(task: Task, lists: Mapping[str, TaskList], zone: ZoneInfo, now: datetime) -> Table:
    """Return all there is to know of a task."""
    home = lists.get(task.list_id or "")
    rule = task.recurrence["rule"] if task.recurrence else ""
    rows: list[tuple[str, Text | str]] = [
        ("Task", Text(task.title, "bold")),
        ("Done", f"{task.completed_at.astimezone(zone):%Y-%m-%d %H:%M}" if task.completed_at else ""),
        ("Due", due_text(task, zone, now)),
        ("Priority", Text("" if task.priority == "none" else task.priority, _PRIORITY_STYLE.get(task.priority, ""))),
        ("List", Text(home.name if home else "inbox", "cyan")),
        ("Labels", Text(", ".join(task.labels), "magenta")),
        ("Starts", str(task.starts_on or "")),
        ("Repeats", Text(rule)),
        ("Notes", Text(printable(task.description))),
        ("Id", task.id),
    ]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, value)
    return table


def printable(text: str) -> str:
    """Return a text without what would move the cursor or change colors: somebody else may have written it."""
    return "".join(character for character in text if character in "\n\t" or character.isprintable())
