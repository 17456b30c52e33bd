"""Tasks that recur: rules, the days they name, the series that follow them, and how long computing may take."""

from tasks.recurrence.budget import bounded
from tasks.recurrence.series import Due, Occurrence, Series, moved_on, read, suits_any_due, upcoming, written

__all__ = [
    "Due",
    "Occurrence",
    "Series",
    "bounded",
    "moved_on",
    "read",
    "suits_any_due",
    "upcoming",
    "written",
]
