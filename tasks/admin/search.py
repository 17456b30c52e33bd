"""What staff look for among everybody's tasks, by the indexes that there are."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Lower

from accounts.models import User
from tasks.models import Task

# More people than this with the same beginning of their e-mails are no longer a search for one of them.
MOST_OWNERS = 200
# Words that so large a part of so many of the newest tasks hold are looked for from the newest on.
_SAMPLE, _COMMON = 400, 0.25
_CLOCKS_DIFFER_BY = timedelta(days=1)  # a key has its time from the process that made it, a row from the database


class _Comparison(Func):
    """Whether `left` stands in `operator` to `right`."""

    template = "(%(expressions)s)"
    output_field = BooleanField()
    conditional = True

    def __init__(self, left: Any, operator: str, right: Any) -> None:
        super().__init__(left, Func(right, template="(%(expressions)s)"), arg_joiner=f" {operator} ")


def search(tasks: "QuerySet[Task]", text: str, *, most: int | None = None) -> "QuerySet[Task]":
    """Return the tasks that `text` finds: an id, or words and the beginning of an owner's e-mail (it has an @).

    Words are found as in the API: all of them, in title, description or labels, the last one may be only begun,
    "phrases", and none with a - before it. Who needs no more than the newest `most` of them is answered quickly where a
    word is in every task.
    """
    try:
        key = uuid.UUID(text)
    except ValueError:
        words, owners = _apart(text.replace("\0", " "))
        for owner in owners:
            tasks = tasks.filter(_of_owner(owner))
        if owners:
            return tasks.filter(_with_words(words)) if words else tasks
        newest = None if most is None else _newest_with_common(tasks, words, most)
        return tasks.filter(_with_words(words) if newest is None else Q(pk__in=newest))
    return tasks.filter(Q(id=key) | Q(key=key))


def _apart(text: str) -> tuple[str, list[str]]:
    """Return the words of a text, and what in it is of an e-mail."""
    parts = text.split()
    return " ".join(part for part in parts if "@" not in part), [part for part in parts if "@" in part]


def is_searchable(text: str) -> bool:
    """Tell whether there is anything in a text to search for; of exclusions alone there is not."""
    try:
        uuid.UUID(text)
    except ValueError:
        with connection.cursor() as cursor:
            cursor.execute("SELECT template IS NOT NULL FROM asked(%s)", [text.replace("\0", " ")])
            return "@" in text or cursor.fetchone() == (True,)
    return True


def _newest_with_common(tasks: "QuerySet[Task]", text: str, most: int) -> list[Any] | None:
    """Return the newest `most` keys of tasks that hold these words, where that many of the newest do; else None.

    The index can only give all that hold a word, which takes half a second for a million.
    """
    newest = tasks.order_by("-pk").values_list("pk", flat=True)
    share = len(_holding(newest[:_SAMPLE], text)) / _SAMPLE
    if share < _COMMON:
        return None
    found = _holding(newest[: round(1.2 * most / share)], text)
    return sorted(found, reverse=True)[:most] if len(found) >= most else None


def _holding(keys: "QuerySet[Task, Any]", text: str) -> list[Any]:
    """Return those of the keys whose tasks hold these words. That they are somebody's does not matter here."""
    nobody = Value(uuid.UUID(int=0))
    stored = Func(nobody, F("title"), F("description"), F("labels"), function="task_terms")
    asked = Func(nobody, Value(text), template="SELECT query_terms(%(expressions)s)")
    found = Task.objects.filter(_Comparison(stored, "@@", asked), _says(text), pk__in=list(keys))
    return list(found.values_list("pk", flat=True))


def _with_words(text: str) -> _Comparison:
    """Find tasks that hold all of the words, whoever owns them.

    In the index each word begins with digits of its owner, so the words are asked for once for every such beginning
    that there is. Both sub-selects are evaluated once, before anything else: the planner, which cannot know how few
    rows match, would rather look at every task, newest first.
    """
    stored = Func(F("user"), F("title"), F("description"), F("labels"), function="task_terms")
    asked = Func(Value(text), template="(SELECT staff_terms(%(expressions)s))::tsquery[]")
    found = Task.objects.filter(_Comparison(stored, "@@ ANY", asked), _says(text))
    return _Comparison(F("pk"), "= ANY", ArraySubquery(found.values("pk")))


def _says(text: str) -> Func:
    """Tell whether a task holds the phrases that are asked for, and none that must not be there."""
    phrases = Func(Value(text), template="(SELECT phrases FROM asked(%(expressions)s))")
    unwanted = Func(Value(text), template="(SELECT unwanted FROM asked(%(expressions)s))")
    return Func(
        F("title"), F("description"), F("labels"), phrases, unwanted, function="says", output_field=BooleanField()
    )


def _of_owner(email: str) -> Q:
    # Found first: the planner cannot know how few they are, and would rather read all tasks.
    owners = User.objects.alias(lower=Lower("email")).filter(lower__startswith=email.lower())
    return Q(user_id__in=list(owners.values_list("pk", flat=True)[:MOST_OWNERS]))


def key_at(instant: datetime, comparison: str) -> uuid.UUID:
    """Return a key (UUIDv7, RFC 9562) that leaves out only tasks made long before or after `instant`."""
    is_lower_end = comparison.startswith("g")
    # In numbers: the calendar has a first and a last day, and staff may ask for them.
    widened = instant.timestamp() + (-1 if is_lower_end else 1) * _CLOCKS_DIFFER_BY.total_seconds()
    milliseconds = max(0, round(widened * 1000))
    return uuid.UUID(int=min(milliseconds, 2**48 - 1) << 80 | (0 if is_lower_end else 2**80 - 1))


def is_overdue(task: Any, now: datetime) -> bool:
    """Tell whether an open task's time is over; a day is over when it is over in UTC."""
    if task.due_at is not None:
        return bool(task.due_at < now)
    return task.due_on is not None and bool(task.due_on < now.astimezone(UTC).date())
