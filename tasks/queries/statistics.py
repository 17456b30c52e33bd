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


def _counts(rows: Q, figures: dict[str, Q], by: str) -> str:
    """Return a SELECT of these figures for each value of a column."""
    counts = {name: Count("pk", filter=figure) for name, figure in figures.items()}
    return sql.select(own().live().filter(rows).values(group=F(by)).annotate(**counts).order_by())


def _row(names: dict[str, str]) -> str:
    """Return a JSON object of these members, each the sum of a column."""
    members = ", ".join(f"coalesce(sum({column}), 0) AS {name}" for name, column in names.items())
    return f"SELECT row_to_json(figures) FROM (SELECT {members}"  # noqa: S608 -- names of ours


@lru_cache
def _statistics() -> Statement:
    by_priority = {f"of_{priority.name.lower()}": Q(priority=priority) for priority in Priority}
    figures = {"overdue": filters.CONDITIONS["overdue"], "due_today": filters.CONDITIONS["due_on today"], **by_priority}
    opened = _counts(Q(is_completed=False), {"tasks": Q(), **figures}, "list_id")
    since = {name: Q(completed_at__gte=filters.beginning_of_day(1 - days)) for name, days in _DAYS.items()}
    # By owner, which is one group: an aggregate without any is run at once by Django, and not compiled.
    completed = _counts(since["days_30"], since, "user")
    text = f"""
        WITH opened AS MATERIALIZED ({opened}), completed AS ({completed})
        SELECT row_to_json(statistics)
          FROM (SELECT coalesce(sum(tasks), 0) AS open, coalesce(sum(overdue), 0) AS overdue,
                       coalesce(sum(due_today), 0) AS due_today,
                       ({_row({name: name for name in _DAYS})} FROM completed) AS figures) AS completed,
                       (SELECT json_agg(list ORDER BY list.list_id NULLS FIRST)
                          FROM (SELECT "group" AS list_id, tasks AS open FROM opened
                                UNION ALL
                                SELECT NULL, 0 WHERE NOT EXISTS (SELECT FROM opened WHERE "group" IS NULL)) AS list)
                       AS by_list,
                       ({_row({p.name.lower(): f"of_{p.name.lower()}" for p in Priority})} FROM opened) AS figures)
                       AS by_priority
                  FROM opened) AS statistics
    """  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_READ, repeatable=True)


async def statistics(credentials: Credentials) -> bytes:
    """Return the figures as JSON."""
    return (await replica.execute(_statistics(), {}, credentials)).bytes(0, 0)
