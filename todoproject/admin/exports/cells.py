"""What a value of the database becomes in a file."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Model

# What a spreadsheet takes for the start of a formula (OWASP, "CSV Injection"); = + - @ in fullwidth, too. A cell starts
# where the text does, and, for a reader whose separator is not our comma, after each of what may be theirs: there our
# quotation marks quote nothing. Spaces and quotation marks before the sign do not help.
_FORMULA = re.compile("(^|[;|\t\r\n\v\f\x1c-\x1f\x85\u2028\u2029])([ \xa0\u3000\"']*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
_ALONE = ("\t", "\r", "\n")  # what may be skipped at the start, by some, however the text goes on


def plain(value: Any) -> Any:
    """Return `value` as JSON has it: instants in UTC, ids as text, lists as lists."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def text(value: Any) -> str:
    """Return `value` as a cell of CSV: no text of a user's can become a formula of the reader's spreadsheet."""
    if isinstance(value, str):
        harmless = _FORMULA.sub(r"\1'\2", value)
        return f"'{harmless}" if harmless.startswith(_ALONE) else harmless
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return text(line(value))
    return "" if value is None else str(plain(value))


def line(value: list[Any] | dict[str, Any]) -> str:
    """Return what has parts as one line."""
    return " ".join(map(str, value)) if isinstance(value, list) else orjson.dumps(value).decode()


def converter(model: type[Model], path: str) -> Callable[[Any], Any] | None:
    """Return what makes the API's word of a column that is a number with choices; None where there is nothing to do."""
    field: Any = None if "__" in path else model._meta.get_field(path)
    if field is None or not field.choices or "Integer" not in field.get_internal_type():
        return None
    words = {number: str(label).lower() for number, label in field.flatchoices}
    return lambda number: words.get(number, number)
