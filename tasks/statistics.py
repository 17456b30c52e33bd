"""What an account's statistics look like."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from todoproject.http.field_types import Output

Count = Annotated[int, Field(ge=0)]
_BY_PRIORITY = {"none": 21, "low": 7, "medium": 8, "high": 5, "urgent": 1}
_EXAMPLE: dict[str, Any] = {
    "open": 42,
    "overdue": 3,
    "due_today": 5,
    "completed": {"today": 4, "days_7": 19, "days_30": 63},
    "by_list": [{"list_id": None, "open": 30}, {"list_id": "019aaab2-4c00-7c3e-9d52-7a3f6d1b8e05", "open": 12}],
    "by_priority": _BY_PRIORITY,
}


class Completed(Output):
    """How many tasks were completed: today, and in the last 7 and 30 days with today."""

    today: Count
    days_7: Count
    days_30: Count


class OpenInList(Output):
    """How many open tasks a list has."""

    list_id: UUID | None = Field(description="null is the inbox.")
    open: Count


class OpenByPriority(Output):
    """How many open tasks have each priority."""

    none: Count
    low: Count
    medium: Count
    high: Count
    urgent: Count


class Statistics(Output):
    """Figures about the tasks that are not deleted; a day is the owner's."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    open: Count
    overdue: Count = Field(description="Open, and its instant or its day is over.")
    due_today: Count = Field(description="Open and due today, or at an instant of today, also one that has passed.")
    completed: Completed
    by_list: list[OpenInList] = Field(description="The inbox, and the lists that have open tasks, archived ones too.")
    by_priority: OpenByPriority
