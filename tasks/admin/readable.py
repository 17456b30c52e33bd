"""Columns and their values in the words that staff know, as a page of history shows them."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Model

from tasks.admin import series
from tasks.models import Task, TaskList
from todoproject.admin import words

EVENTS = {"occurrence_completed": "completed an occurrence", "occurrence_skipped": "skipped an occurrence"}
_LABELS = {"list_id": "list", "parent_id": "belongs under", "recurrence": "recurs", "position": "place"}


def event(name: str) -> str:
    return EVENTS.get(name, name)


def label(model: type[Model], column: str) -> str:
    return _LABELS.get(column) or words.label(model, column)


def value(model: type[Model], column: str, held: Any, names: Mapping[UUID, str]) -> str:
    """Return what a column holds, be it from a row or from the log's JSON; `names` are what ids are called."""
    field = next(field for field in model._meta.concrete_fields if field.column == column)
    if column == "reminders" and held:
        return series.reminders(held)
    if column == "occurrence":
        return series.occurrence(held)
    if column == "recurrence" and held:
        return str(held["rule"])
    if column.endswith("_id") and held:
        return names.get(_id(held), str(held))
    return words.value(field, held)


def names(owner: UUID, held: Iterable[tuple[str, Any]]) -> dict[UUID, str]:
    """Return what the lists and tasks are called whose ids are among these columns and values of an owner's rows."""
    ids = {_id(value) for column, value in held if value and column in ("list_id", "parent_id")}
    if not ids:
        return {}
    lists = TaskList.objects.filter(user_id=owner, id__in=ids).values_list("id", "name")
    tasks = Task.objects.filter(user_id=owner, id__in=ids).values_list("id", "title")
    return {**dict(lists), **dict(tasks)}


def _id(held: Any) -> UUID:
    return held if isinstance(held, UUID) else UUID(str(held))
