"""JSON of other programs: read whole, and its members only as what they must be."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from tasks.formats import encoding
from tasks.formats.items import FileRefused, Notice


def load(content: bytes) -> tuple[Any, list[Notice]]:
    """Return the document, and what reading it told. Raises FileRefused."""
    text, told = encoding.text(content)
    try:
        return json.loads(text, parse_constant=_refuse_constant), told
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text.rstrip()) or "Unterminated" in error.msg
        detail = "The file ends in the middle of its JSON." if is_cut else "The file is not JSON."
        raise FileRefused("cut-off" if is_cut else "not-json", detail, error.lineno) from None
    except (ValueError, RecursionError):
        raise FileRefused("not-json", "The file is not JSON.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def entries(document: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array; nothing where there is none."""
    found = document.get(name)
    yield from (each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def text(value: object) -> str:
    """Return a text, a number as one, and nothing for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    # Half of a pair of surrogates is no character, and nothing can store it.
    return str(value).encode("utf-8", "replace").decode()


def flag(document: Mapping[str, Any], name: str) -> bool:
    """Tell whether a member is true, or 1."""
    return document.get(name) in (True, 1)


def instant(value: object) -> datetime | None:
    """Return an instant; one without an offset is in UTC."""
    found = day_or_instant(value, UTC)
    return found if isinstance(found, datetime) else None


def day_or_instant(value: object, zone: ZoneInfo | Any) -> date | None:
    """Return a day, or an instant; one without an offset is in `zone`. None for what is neither."""
    if not isinstance(value, str):
        return None
    try:
        if len(value) == len("2026-11-22"):
            return date.fromisoformat(value)
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
