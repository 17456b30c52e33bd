"""Which tasks a client asks for, in which order: the parameters of a list, read and checked."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from tasks.models import FIRST_DATE, FIRST_INSTANT, LAST_DATE, LAST_INSTANT
from tasks.schemas import DueDay, ExternalId, Flag, Label, PriorityWord
from todoproject.http.field_types import Instant, Storable, Strict, parse_date, parse_instant

_DAYS = {"today": 0, "tomorrow": 1}
_RELATIVE = re.compile(r"[+ -](\d{1,4})d", re.ASCII)
_DAY_FORMS = "a day like 2026-11-22, or today, tomorrow or +7d"
_RELATIVE_PATTERN = r"^(today|tomorrow|[+-][0-9]{1,4}d)$"


@dataclass(frozen=True)
class RelativeDay:
    """A day so many days from the owner's today."""

    days: int


def _relative(value: str) -> RelativeDay | None:
    if value in _DAYS:
        return RelativeDay(_DAYS[value])
    if (match := _RELATIVE.fullmatch(value)) is None:
        return None
    if value.startswith(" "):  # a bare + in a URL is a space
        raise PydanticCustomError("day", "The + must be sent as %2B, as in %2B7d; it has arrived as a space.")
    return RelativeDay(int(match[1]) if value.startswith("+") else -int(match[1]))


def _day(value: Any) -> Any:
    if isinstance(value, str) and (relative := _relative(value)) is not None:
        return relative
    if not isinstance(value, str) or re.match(r"\d{4}-\d{2}-\d{2}$", value) is None:
        raise PydanticCustomError("date", f"Give {_DAY_FORMS}.")
    return parse_date(value)


def _day_or_instant(value: Any) -> Any:
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}[Tt]", value):
        try:
            return _day(value)
        except PydanticCustomError as error:
            if error.type != "date":
                raise
            if re.match(r"\d{4}-\d{2}-\d{2}$", value):
                raise
            raise PydanticCustomError(
                "moment", f"Give {_DAY_FORMS}, or a time like 2026-11-22T08:00:00Z, with Z or an offset."
            ) from None
    return parse_instant(value)


def _in_range(moment: date | datetime | RelativeDay) -> date | datetime | RelativeDay:
    if isinstance(moment, RelativeDay):
        return moment
    is_instant = isinstance(moment, datetime)
    first, last = (FIRST_INSTANT, LAST_INSTANT) if is_instant else (FIRST_DATE, LAST_DATE)
    if not first <= moment <= last:
        raise PydanticCustomError("range", "This is out of range.")
    return moment


_A_DAY = {"type": "string", "format": "date"}
_AN_INSTANT = {"type": "string", "format": "date-time"}
_A_RELATIVE_DAY = {"type": "string", "pattern": _RELATIVE_PATTERN}
AnyDay = Annotated[
    date | RelativeDay,
    BeforeValidator(_day),
    AfterValidator(_in_range),
    WithJsonSchema({"anyOf": [_A_DAY, _A_RELATIVE_DAY]}),
]
Moment = Annotated[
    date | datetime | RelativeDay,
    BeforeValidator(_day_or_instant),
    AfterValidator(_in_range),
    WithJsonSchema({"anyOf": [_A_DAY, _AN_INSTANT, _A_RELATIVE_DAY]}),
]
SORTS = ("created_at", "updated_at", "due", "priority", "title", "position")
MOST_SORTS = 3


def _sort(value: str) -> str:
    keys = value.split(",")
    names = [key.removeprefix("-") for key in keys]
    if unknown := [name for name in names if name not in SORTS]:
        raise PydanticCustomError(
            "sort", "Sort by {known}, each with or without a -.", {"known": ", ".join(SORTS), "unknown": len(unknown)}
        )
    if len(keys) > MOST_SORTS or len(set(names)) < len(names):
        raise PydanticCustomError("sort", f"Sort by up to {MOST_SORTS} keys, each once, with commas between them.")
    return value


def _forms(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return one key, and several, in JSON Schema."""
    key = rf"-?({'|'.join(names)})"
    return [
        {"type": "string", "enum": [f"{sign}{name}" for name in names for sign in ("", "-")]},
        # No key twice: `-?` before its second time, whichever comes between.
        {"type": "string", "pattern": rf"^(?!.*\b(\w+)\b.*\b\1\b){key}(,{key}){{1,{MOST_SORTS - 1}}}$"},
    ]


# What was promised before there were positions stands as it is.
Sort = Annotated[
    str,
    StringConstraints(max_length=100),
    AfterValidator(_sort),
    WithJsonSchema({"anyOf": [*_forms(SORTS[:5]), *_forms(SORTS)]}),
]
_PRIORITY = {"type": "string", "enum": ["none", "low", "medium", "high", "urgent"]}
# `| None` inside: Django Ninja finds lists among parameters by the outermost type.
Priorities = Annotated[
    list[PriorityWord] | None,
    Field(max_length=5),
    WithJsonSchema({"anyOf": [_PRIORITY, {"type": "array", "items": _PRIORITY, "minItems": 1, "maxItems": 5}]}),
]


ListFilter = Annotated[UUID, Field(strict=False)] | Literal["null"]
_LABEL = {"type": "string", "minLength": 1, "maxLength": 50, "pattern": r"\S"}
LabelsFilter = Annotated[
    list[Label] | None,
    Field(max_length=20),
    WithJsonSchema({"anyOf": [_LABEL, {"type": "array", "items": _LABEL, "minItems": 1, "maxItems": 20}]}),
]


class TaskListQuery(Strict):
    """Which tasks to list, in which order, and how many of them at a time. All filters must hold."""

    limit: Annotated[int, Field(strict=False, ge=1, le=200)] = 50
    cursor: Annotated[str, StringConstraints(max_length=4096), Storable] | None = Field(
        None, description="`next_cursor` of the page before, with the same filters and sort."
    )
    sort: Sort = Field(
        "-created_at",
        description="Up to three keys with commas between them, such as `priority,-due`. `-` is the exact reverse."
        " What is equal in all of them goes by id. `due`: a day stands where it begins in UTC, whatever your time zone,"
        " and a task that is never due after all others. `title`: by code point, whatever the case."
        " `position`: as tasks were put by hand, those of one list and parent together; the inbox is first.",
    )
    include: Literal["total"] | None = Field(None, description="`total` counts the tasks on all pages.")
    is_completed: Flag | None = None
    priority: Priorities = Field(None, description="Any of these; may be given more than once.")
    has_due: Flag | None = Field(None, description="Due on a day or at an instant; or `false` for never.")
    due_before: Moment | None = Field(
        None, description="Due before this day begins in your time zone, or before this instant."
    )
    due_after: Moment | None = Field(
        None, description="Due after this day, when it is over in your time zone, or after this instant."
    )
    due_on: AnyDay | None = Field(
        None,
        description="Due on this day, or at an instant within it in your time zone. `today`, `tomorrow` and `+7d` are"
        " found out once, for the first page; the cursor keeps them.",
    )
    overdue: Flag | None = Field(
        None, description="Open, and its instant or, in your time zone, its day is over; or `false` for all others."
    )
    created_after: Instant | None = None
    updated_after: Instant | None = None
    completed_after: Instant | None = None
    completed_before: Instant | None = None
    q: Annotated[str, StringConstraints(min_length=1, max_length=200), Storable] | None = Field(
        None,
        description="Tasks with all these words in title, description or labels; the last one may be only begun. Case,"
        " accents and width do not matter. Chinese, Japanese, Korean, Thai and the like are found by any of their"
        ' characters that follow one another. `"two words"` are a phrase, `-word` must not be there, and signs such as'
        " `C++` and emoji count. A query without anything to search for is a 422.",
    )
    label: LabelsFilter = Field(None, description="All of these, whatever their case; may be given more than once.")
    external_id: ExternalId | None = None
    starts_before: DueDay | None = Field(None, description="Starts before this day.")
    list_id: ListFilter | None = Field(None, description="In this list; `null`: in the inbox.")
    parent_id: ListFilter | None = Field(None, description="Right under this task; `null`: at the top.")
    is_recurring: Flag | None = Field(None, description="Tasks that recur; or `false` for all others.")
    in_archived_list: Flag | None = Field(
        None, description="`false` leaves out the tasks of archived lists, `true` all others."
    )
    deleted: Flag = Field(False, description="`true` lists the deleted tasks, and only those.")
