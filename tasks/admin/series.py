"""Series as staff see them, and move them: by the present occurrence, as the API does."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks import recurrence
from tasks.models import Task
from todoproject.admin import words

# What changes when a series moves on, for the audit.
MOVED = ("occurrence", "due_on", "due_at", "starts_on")


def is_open_series(task: Task) -> bool:
    """Tell whether completing this task means its present occurrence."""
    return task.recurrence is not None and not task.is_completed


def complete_occurrence(task: Task) -> None:
    """Complete the present occurrence of a series, whose owner's row is locked; bring the task up to date."""
    task.refresh_from_db()
    if is_open_series(task):
        done_at = timezone.now()
        following = recurrence.moved_on(_document(task), task.series or {}, done_at)
        values: list[Any] = [task.user_id, task.id, task.version, following and json.dumps(following), done_at, uuid7()]
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM move_series(%s, %s, %s, %s::jsonb, %s, %s)", values)
        task.refresh_from_db()


def _document(task: Task) -> dict[str, Any]:
    """Return what of a task its next occurrence is computed from, as the API shows it."""
    texts = {name: _text(getattr(task, name)) for name in ("due_on", "due_at", "starts_on")}
    return {"recurrence": task.recurrence, "occurrence": task.occurrence, **texts}


def _text(moment: date | datetime | None) -> str | None:
    return None if moment is None else recurrence.written(moment)


def described(task: Task) -> str:
    """Return how a task recurs, in a line."""
    if task.recurrence is None:
        return ""
    how = task.recurrence
    begins = "counted from completion" if how["from"] == "completion" else "in its rhythm"
    missed = "what was missed is skipped" if how["missed"] == "skip" else "each is to be done"
    return f"{how['rule']}, {begins}, {missed} ({how['timezone']}); now {occurrence(task.occurrence)}"


def occurrence(text: str | None) -> str:
    """Return which occurrence is meant as staff read days and times: they are in UTC."""
    field = Task._meta.get_field("due_at" if text and "T" in text else "due_on")
    return words.value(field, text)


def reminders(given: Iterable[dict[str, Any]]) -> str:
    """Return when an owner is reminded, in a line."""
    return ", ".join(map(reminder, given))


def reminder(given: dict[str, Any]) -> str:
    """Return when an owner is reminded, as it can be typed (forms.py)."""
    if "at" not in given:
        return f"{given['minutes_before']} minutes before"
    moment = datetime.fromisoformat(given["at"]).astimezone(UTC).replace(tzinfo=None)
    is_short = moment.second == moment.microsecond == 0
    return f"{moment.isoformat(' ', 'minutes' if is_short else 'auto')} UTC"
