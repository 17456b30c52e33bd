"""Figures about an account's tasks, in one statement: what is open, and what was completed of late.

An index serves each half: the open tasks, and the owner's completed ones by the time of completion. How many tasks were
done before that costs nothing.
"""

from functools import lru_cache

from django.db.models import Count, F, Q

from accounts.models import Scope
from tasks.models import Priority
from tasks.queries import filters
from tasks.queries.documents import own
from todoproject.database.client import sql
from todoproject.database.client.replica import replica
from todoproject.database.client.statement import Credentials, Statement

_DAYS = {"today": 1, "days_7": 7, "days_30": 30}  # the present one among them


def _counts(rows: Q, figures: dict[str, Q]) -> str:
    """Return a SELECT of one row with these figures, or of none where there is nothing to count."""
    counts = {name: Count("pk", filter=figure) for name, figure in figures.items()}
    # By owner, because an aggregate without groups is run at once and not compiled.
    return sql.select(own().live().filter(rows).values(owner=F("user")).annotate(**counts).order_by())


def _row(names: dict[str, str]) -> str:
    """Return a JSON object of these members, each of which is a column."""
    members = ", ".join(f"coalesce({column}, 0) AS {name}" for name, column in names.items())
    return f"(SELECT row_to_json(figures) FROM (SELECT {members}) AS figures)"  # noqa: S608 -- names of ours


@lru_cache
def _statistics() -> Statement:
    by_priority = {f"of_{priority.name.lower()}": Q(priority=priority) for priority in Priority}
    due_today = filters.CONDITIONS["due_on today"]
    opened = _counts(
        Q(is_completed=False),
        {"tasks": Q(), "overdue": filters.CONDITIONS["overdue"], "due_today": due_today, **by_priority},
    )
    since = {name: Q(completed_at__gte=filters.beginning_of_day(1 - days)) for name, days in _DAYS.items()}
    completed = _counts(since["days_30"], since)
    text = f"""
        SELECT row_to_json(statistics)
          FROM (SELECT coalesce(tasks, 0) AS open, coalesce(overdue, 0) AS overdue, coalesce(due_today, 0) AS due_today,
                       {_row({name: f"completed.{name}" for name in _DAYS})} AS completed,
                       json_build_array({_row_of_inbox()}) AS by_list,
                       {_row({p.name.lower(): f"of_{p.name.lower()}" for p in Priority})} AS by_priority
                  FROM (SELECT) AS one LEFT JOIN ({opened}) AS opened ON true
                  LEFT JOIN ({completed}) AS completed ON true) AS statistics
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


def _row_of_inbox() -> str:
    """Return all that is open as the inbox's, which it is while there are no lists."""
    return "(SELECT row_to_json(inbox) FROM (SELECT NULL AS list_id, coalesce(tasks, 0) AS open) AS inbox)"


async def statistics(credentials: Credentials) -> bytes:
    """Return the figures as JSON."""
    return (await replica.execute(_statistics(), {}, credentials)).bytes(0, 0)
