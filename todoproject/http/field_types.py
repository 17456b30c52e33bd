"""What input may look like, whatever the resource: strict types, storable text, RFC 3339 times, problem documents.

Plain pydantic models, not `ninja.Schema`: that one validates twice and wraps every object.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """Input in which nothing is coerced and every member is known."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Output(BaseModel):
    """Output as the document describes it; answers are made by PostgreSQL and held to this by the tests."""

    model_config = ConfigDict(extra="forbid")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("nul", "The NUL character cannot be stored.")
    # A lone surrogate. Pydantic itself refuses one only where another rule has it look at the characters.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("string_unicode", "This is not valid Unicode text.")
    return text


# Where a text has a length, this comes after it: pydantic then counts characters, and says so.
Storable = AfterValidator(_storable)
Text = Annotated[str, Storable]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# RFC 3339, section 5.6: the offset is required. Go and Java write nanoseconds; the database keeps microseconds.
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
# A bare + in a URL is a space: nothing else could be meant by one before an offset.
_LOST_PLUS = re.compile(r"\S+ \d{2}:\d{2}", re.ASCII)
_LEAP_SECOND = 60


def parse_date(value: Any) -> Any:
    """Return the date that a string names (RFC 3339, section 5.6). Raises PydanticCustomError."""
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        raise PydanticCustomError("date", "A date is a string like 2026-11-22.")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("date", "There is no such day in the calendar.") from None


def parse_instant(value: Any) -> Any:
    """Return the instant that a string names, in UTC; what is finer than a microsecond is cut off.

    A leap second (RFC 3339, section 5.7) is the next second, as PostgreSQL reads it. Raises PydanticCustomError.
    """
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and _LOST_PLUS.fullmatch(value):
            raise PydanticCustomError("instant", "The + of an offset must be sent as %2B; it has arrived as a space.")
        raise PydanticCustomError("instant", "A time is a string like 2026-11-22T08:00:00Z, with Z or an offset.")
    day, minute, second, fraction, offset = match.groups()
    leap = int(second) == _LEAP_SECOND
    try:
        text = f"{day}T{minute}:{'59' if leap else second}.{(fraction or '')[:6]:0<6}{offset.upper()}"
        return datetime.fromisoformat(text).astimezone(UTC) + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        raise PydanticCustomError("instant", "There is no such time, or it is out of range in UTC.") from None


# An RFC 3339 full-date, and a date-time with an offset. Combine them with the range that can be stored.
Day = Annotated[date, BeforeValidator(parse_date, json_schema_input_type=date)]
Instant = Annotated[datetime, BeforeValidator(parse_instant, json_schema_input_type=datetime)]


def open_words(words: Iterable[str]) -> dict[str, Any]:
    """Return a JSON schema of known words to which others may come: generators make it a choice of both."""
    return {"anyOf": [{"type": "string", "enum": [*words]}, {"type": "string"}]}


class FieldError(Output):
    """One broken rule: where (a JSON pointer into the body, or the name of a query parameter) and why."""

    pointer: str | None = Field(None, examples=["#/title"])
    parameter: str | None = Field(None, examples=["limit"])
    code: str
    detail: str


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 describes it."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["/docs/errors/not-found"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str | None
    errors: list[FieldError]
