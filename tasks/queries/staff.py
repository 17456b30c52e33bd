"""What staff look for among everybody's tasks, by the indexes that there are."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Lower

from accounts.models import User
from tasks.models import Task

# More people than this with the same beginning of their e-mails are no longer a search for one of them.
MOST_OWNERS = 200
_CLOCKS_DIFFER_BY = timedelta(days=1)  # a key has its time from the process that made it, a row from the database


class _Any(Func):
    """Whether `left` stands in `operator` to any element of the array `right`."""

    template = "(%(expressions)s)"
    output_field = BooleanField()
    conditional = True

    def __init__(self, left: Any, operator: str, right: Any) -> None:
        super().__init__(left, Func(right, template="(%(expressions)s)"), arg_joiner=f" {operator} ANY ")


def search(tasks: "QuerySet[Task]", text: str) -> "QuerySet[Task]":
    """Return the tasks that `text` finds: an id, the beginning of an owner's e-mail (it has an @), or words.

    Words are found as in the API: all of them, in title or description, the last one may be only begun.
    """
    try:
        key = uuid.UUID(text)
    except ValueError:
        return tasks.filter(_of_owner(text) if "@" in text else _with_words(text.replace("\0", " ")))
    return tasks.filter(Q(id=key) | Q(key=key))


def _with_words(text: str) -> _Any:
    """Find tasks that hold all of the words, whoever owns them.

    In the index each word begins with digits of its owner, so the words are asked for once for every such beginning
    that there is. Both sub-selects are evaluated once, before anything else: the planner, which cannot know how few
    rows match, would rather look at every task, newest first.
    """
    stored = Func(F("user"), F("title"), F("description"), function="task_words")
    asked = Func(Value(text), template="(SELECT staff_queries(%(expressions)s))::tsquery[]")
    found = Task.objects.filter(_Any(stored, "@@", asked))
    return _Any(F("pk"), "=", ArraySubquery(found.values("pk")))


def _of_owner(email: str) -> Q:
    # Found first: the planner cannot know how few they are, and would rather read all tasks.
    owners = User.objects.alias(lower=Lower("email")).filter(lower__startswith=email.lower())
    return Q(user_id__in=list(owners.values_list("pk", flat=True)[:MOST_OWNERS]))


def key_at(instant: datetime, comparison: str) -> uuid.UUID:
    """Return a key (UUIDv7, RFC 9562) that leaves out only tasks made long before or after `instant`."""
    is_lower_end = comparison.startswith("g")
    widened = instant - _CLOCKS_DIFFER_BY if is_lower_end else instant + _CLOCKS_DIFFER_BY
    milliseconds = max(0, round(widened.timestamp() * 1000))
    return uuid.UUID(int=min(milliseconds, 2**48 - 1) << 80 | (0 if is_lower_end else 2**80 - 1))


def is_overdue(task: Any, now: datetime) -> bool:
    """Tell whether an open task's time is over; a day is over when it is over in UTC."""
    if task.due_at is not None:
        return bool(task.due_at < now)
    return task.due_on is not None and bool(task.due_on < now.astimezone(UTC).date())
