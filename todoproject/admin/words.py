"""What stands in the database in the words that staff know: columns, their values, and the facts of an event."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateField, DateTimeField, Field, Model
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import AuditEvent

NOTHING = "–"

_FACTS = {
    "buckets": "limits lifted",
    "bytes": "size",
    "change_no": "change number",
    "done": "what was done",
    "factor": "second factor",
    "filters": "filtered by",
    "rows": "what was erased",
}
_FACTORS = {"app": "a code of the app", "recovery": "a recovery code"}


def label(model: type[Model] | None, name: str) -> str:
    """Return what a field is called, also one that is no more."""
    field = _field(model, name)
    return str(getattr(field, "verbose_name", name)).replace("_", " ")


def value(field: Any, held: Any) -> str:
    """Return what a field holds, be it from a row or from JSON; `field` is None where it is no more."""
    if held is None or held in ("", [], {}):
        return NOTHING
    if choices := getattr(field, "flatchoices", None):
        return str(dict(choices).get(held, held))
    if isinstance(field, DateTimeField):
        moment = held if isinstance(held, datetime) else datetime.fromisoformat(held)
        return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
    if isinstance(field, DateField):
        return date_format(held if isinstance(held, date) else date.fromisoformat(held), "DATE_FORMAT")
    if isinstance(held, bool):
        return "yes" if held else "no"
    return ", ".join(map(str, held)) if isinstance(held, list) else str(held)


def changes(event: AuditEvent) -> list[tuple[str, str, str]]:
    """Return what an event has changed: what it is called, what it was, what it became. Best with `detail` selected."""
    model = _model(event.object_type)
    changed = getattr(getattr(event, "detail", None), "changes", {}).items()
    held = ((name, _field(model, name), before, after) for name, (before, after) in changed)
    return [(label(model, name), value(field, before), value(field, after)) for name, field, before, after in held]


def fields(event: AuditEvent) -> str:
    """Return which fields an event has changed, whose values may be gone with the person."""
    return ", ".join(label(_model(event.object_type), name) for name in event.facts.get("fields", []))


def facts(event: AuditEvent) -> list[tuple[str, str]]:
    """Return what else is known about an event."""
    told = ((name, held) for name, held in event.facts.items() if name != "fields")
    return [(_FACTS.get(name, name.replace("_", " ")), _fact(name, held)) for name, held in told]


def _fact(name: str, held: Any) -> str:
    match name:
        case "rows" if isinstance(held, Mapping):
            return ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in held.items() if count) or NOTHING
        case "list":
            model = _model(held)
            return str(model._meta.verbose_name_plural) if model else str(held)
        case "bytes":
            return filesizeformat(held)
        case "factor":
            return _FACTORS.get(held, str(held))
        case "format":
            return str(held).upper()
        case "filters":
            return value(None, [str(one).replace("_", " ") for one in held])
    return value(None, held)


def _model(label_lower: str) -> type[Model] | None:
    try:
        return apps.get_model(label_lower)
    except (LookupError, ValueError):  # about nothing, or of a model that is no more
        return None


def _field(model: type[Model] | None, name: str) -> "Field[Any, Any] | None":
    try:
        return None if model is None else model._meta.get_field(name)  # type: ignore[return-value]  # of ours only
    except FieldDoesNotExist:
        return None
