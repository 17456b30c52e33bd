"""Series and reminders as the API takes and gives them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.core import exceptions
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.models import validate_timezone
from tasks.models import FIRST_INSTANT, LAST_INSTANT, MOST_MINUTES_BEFORE, MOST_REMINDERS
from tasks.recurrence import written
from tasks.recurrence.rules import MOST_CHARACTERS, RuleRefused, parse
from todoproject.http.field_types import Instant, Output, Storable, Strict, parse_date, parse_instant


def _rule(text: str) -> str:
    try:
        return parse(text).text
    except RuleRefused as error:
        raise PydanticCustomError("rule", "{reason}", {"reason": str(error)}) from None


def _zone(name: str) -> str:
    try:
        validate_timezone(name)
    except exceptions.ValidationError as error:
        raise PydanticCustomError("timezone", "{reason}", {"reason": error.messages[0]}) from None
    return name


RuleText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MOST_CHARACTERS),
    Storable,
    AfterValidator(_rule),
    Field(
        description="An RRULE (RFC 5545): FREQ of DAILY to YEARLY, INTERVAL up to 999, BYDAY, BYMONTHDAY, BYMONTH,"
        " BYSETPOS, COUNT up to 999, UNTIL (a day for days, an instant in UTC for instants), WKST.",
        examples=["FREQ=WEEKLY;BYDAY=MO,TH"],
    ),
]
CountsFrom = Literal["due", "completion"]
Missed = Literal["skip", "keep"]
Zone = Annotated[str, StringConstraints(max_length=64), Storable, AfterValidator(_zone)]

_FROM = "What the next occurrence is counted from: the rule's rhythm, or the day of completion."
_MISSED = "Whether occurrences that have passed are skipped, or each is to be done."
EXAMPLE: dict[str, Any] = {
    "rule": "FREQ=WEEKLY;BYDAY=MO,TH",
    "from": "due",
    "timezone": "Europe/Berlin",
    "missed": "skip",
}


class Recurrence(Strict):
    """How a task recurs. It begins with the task's due, which is its first occurrence."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    rule: RuleText
    from_: CountsFrom | None = Field("due", alias="from", description=_FROM)
    timezone: Zone | None = Field(None, description="Whose clock its times are by; left out, yours as it is now.")
    missed: Missed | None = Field("skip", description=_MISSED)

    def document(self) -> dict[str, str | None]:
        """Return all members; null is what the database knows better."""
        return self.model_dump(by_alias=True)


def _patch_schema(schema: dict[str, Any]) -> None:
    """Take out the defaults: what is left out stays, and generated clients send defaults."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["example"] = {"missed": "keep"}


class RecurrencePatch(Strict):
    """What changes of how a task recurs, member by member. Another `rule` or `from` begins the series anew."""

    model_config = ConfigDict(json_schema_extra=_patch_schema)

    rule: RuleText = ""
    from_: CountsFrom | None = Field("due", alias="from", description=_FROM)
    timezone: Zone | None = Field(None, description="The present due stays, and so does the wall clock.")
    missed: Missed | None = Field("skip", description=_MISSED)

    def document(self) -> dict[str, str | None]:
        """Return the members that are named; null clears one."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class RecurrenceDocument(Output):
    """How a task recurs."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    rule: str
    from_: CountsFrom = Field(alias="from")
    timezone: str
    missed: Missed


# --- Reminders ------------------------------------------------------------------------------------

_FORMS = ("minutes_before", "at")


def _reminder_schema(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)
    schema |= {"oneOf": [{"required": [name]} for name in _FORMS], "example": {"minutes_before": 15}}


class Reminder(Strict):
    """When to be reminded: so many minutes before the task is due, or at an instant."""

    model_config = ConfigDict(json_schema_extra=_reminder_schema)

    minutes_before: Annotated[int, Field(ge=0, le=MOST_MINUTES_BEFORE)] = 0
    at: Annotated[Instant, Field(ge=FIRST_INSTANT, le=LAST_INSTANT)] = FIRST_INSTANT

    @model_validator(mode="after")
    def _one_form(self) -> "Reminder":
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_reminder", "Give minutes_before or at, one of them.")
        return self

    def document(self) -> dict[str, int | str]:
        """Return it as it is stored and answered."""
        return {"at": written(self.at)} if "at" in self.model_fields_set else {"minutes_before": self.minutes_before}


Reminders = Annotated[list[Reminder], Field(max_length=MOST_REMINDERS)]


class ReminderDocument(Output):
    """When to be reminded: one of the two."""

    model_config = ConfigDict(json_schema_extra=_reminder_schema)

    minutes_before: int = Field(0, ge=0, le=MOST_MINUTES_BEFORE)
    at: str = Field("", json_schema_extra={"format": "date-time"})


# --- Moving on ------------------------------------------------------------------------------------


def _day_or_instant(value: Any) -> Any:
    if isinstance(value, str) and len(value) == len("2026-11-22"):
        return written(parse_date(value))
    return written(parse_instant(value))


OCCURRENCE_FORMS: list[dict[str, Any]] = [
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date-time"},
]
# As it is answered: a day, or an instant in UTC.
OccurrenceText = Annotated[
    str,
    BeforeValidator(_day_or_instant, json_schema_input_type=date | datetime),
    Field(description="The occurrence that is meant, as the task's `occurrence` has named it."),
]


class Skipping(Strict):
    """Which occurrence is skipped."""

    model_config = ConfigDict(json_schema_extra={"example": {"occurrence": "2026-11-22"}})

    occurrence: OccurrenceText | None = None


class Completion(Strict):
    """Which occurrence of a series is completed, and when that was. Any task may be completed with a time."""

    model_config = ConfigDict(json_schema_extra={"example": {"completed_at": "2026-11-22T08:00:00Z"}})

    occurrence: OccurrenceText | None = None
    completed_at: Annotated[Instant, Field(ge=FIRST_INSTANT, le=LAST_INSTANT)] | None = Field(
        default=None, description="When it was done; now where it is left out, and never later than now."
    )
