"""Columns and their values in the words that staff know, as a page of history shows them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import DateField, DateTimeField, Model
from django.utils import timezone
from django.utils.formats import date_format

from tasks.admin import series
from tasks.models import Task, TaskList

EVENTS = {"occurrence_completed": "completed an occurrence", "occurrence_skipped": "skipped an occurrence"}
_LABELS = {"list_id": "list", "parent_id": "belongs under", "recurrence": "recurs", "position": "place"}
_NOTHING = "–"


def event(name: str) -> str:
    return EVENTS.get(name, name)


def label(column: str) -> str:
    return _LABELS.get(column, column.replace("_", " "))


def value(model: type[Model], column: str, held: Any, names: Mapping[UUID, str]) -> str:
    """Return what a column holds, be it from a row or from the log's JSON; `names` are what ids are called."""
    field = next(field for field in model._meta.concrete_fields if field.column == column)
    if held is None or held in ("", []):
        return _NOTHING
    if field.flatchoices:
        return str(dict(field.flatchoices).get(held, held))
    if isinstance(field, DateTimeField):
        return date_format(timezone.localtime(_moment(held)), "DATETIME_FORMAT")
    if isinstance(field, DateField):
        return date_format(held if isinstance(held, date) else date.fromisoformat(held), "DATE_FORMAT")
    if isinstance(held, bool):
        return "yes" if held else "no"
    if column == "reminders":
        return series.reminders(held)
    if column == "recurrence":
        return str(held["rule"])
    if isinstance(held, list):
        return ", ".join(held)
    return names.get(_id(held), str(held)) if column.endswith("_id") else str(held)


def names(owner: UUID, held: Iterable[tuple[str, Any]]) -> dict[UUID, str]:
    """Return what the lists and tasks are called whose ids are among these columns and values of an owner's rows."""
    ids = {_id(value) for column, value in held if value and column in ("list_id", "parent_id")}
    if not ids:
        return {}
    lists = TaskList.objects.filter(user_id=owner, id__in=ids).values_list("id", "name")
    tasks = Task.objects.filter(user_id=owner, id__in=ids).values_list("id", "title")
    return {**dict(lists), **dict(tasks)}


def _moment(held: Any) -> datetime:
    return held if isinstance(held, datetime) else datetime.fromisoformat(held)


def _id(held: Any) -> UUID:
    return held if isinstance(held, UUID) else UUID(str(held))
