"""Rules about tasks that only the database can check; each has the code and the sentence that the schema has for it."""

import orjson

from tasks.models import MOST_LABELS
from tasks.queries.webhooks import MOST_REPLAYED
from todoproject.database.errors import ConstraintViolated
from todoproject.http import problems, validation
from todoproject.http.constraints import Constraints, rule, state
from todoproject.http.problems import Problem

_MOST_CONFLICTS = 20


def _nothing_to_search_for(error: ConstraintViolated) -> Problem:
    detail = "There is nothing in this to search for: give a word, a sign or an emoji that is not excluded by a -."
    return validation.invalid([{"parameter": "q", "code": "nothing", "detail": detail}])


def _undo_conflict(error: ConstraintViolated) -> Problem:
    conflicts = orjson.loads(error.subject or "[]")[:_MOST_CONFLICTS]
    detail = "What this action changed has been changed again since; nothing was undone."
    return Problem(problems.UNDO_CONFLICT, detail, conflicts=conflicts)


_PLACE_GONE = state(problems.PLACE_GONE, "What it is to stand beside is not there, or no longer. Read the place again.")

CONSTRAINTS: Constraints = {
    "tasks_title_not_blank": rule("#/title", "blank", "The title must not be blank."),
    "tasks_title_visible": rule("#/title", "blank", "The title must not be blank."),
    "tasks_title_one_line": rule("#/title", "one_line", "A title is one line, without control characters."),
    "tasks_description_plain": rule(
        "#/description", "plain", "A description has no control characters but tabs and line breaks."
    ),
    "tasks_one_due": rule("#", "one_due", "Give due_on (a day) or due_at (an instant), not both."),
    "tasks_due_on_range": rule("#/due_on", "range", "The date is out of range."),
    "tasks_due_at_range": rule("#/due_at", "range", "The time is out of range."),
    "tasks_most_of_account": rule("#", "too_many_tasks", "The account, its trash included, holds as many as it may."),
    "tasks_most_labels_of_account": rule(
        "#/labels", "too_many_labels", "The account, its trash included, has as many different labels as it may."
    ),
    "lists_most_of_account": rule("#", "too_many_lists", "The account, its trash included, holds as many as it may."),
    "tasks_list_exists": rule("#/list_id", "no-such-place", "There is no such list."),
    "tasks_labels_count": rule("#/labels", "too_long", f"A task has at most {MOST_LABELS} labels."),
    "tasks_labels_distinct": rule("#/labels", "distinct", "A label stands on a task once, whatever its case."),
    "tasks_list_live": rule("#/list_id", "no-such-place", "There is no such list any more."),
    "tasks_parent_exists": rule("#/parent_id", "no-such-place", "There is no such task."),
    "tasks_parent_live": rule("#/parent_id", "no-such-place", "There is no such task any more."),
    "tasks_parent_circle": rule("#/parent_id", "circle", "A task cannot belong under itself or its own subtasks."),
    "tasks_parent_depth": rule("#/parent_id", "too-deep", "Tasks are at most five levels deep."),
    "tasks_parent_elsewhere": rule(
        "#/list_id", "parent_list", "A task is in the same list as the one it belongs under."
    ),
    "tasks_recurrence_due": rule("#/recurrence", "no_due", "What recurs needs a due: its first occurrence."),
    "tasks_recurrence_rule": rule("#/recurrence/rule", "missing", "This member is required."),
    "tasks_recurrence_timezone": rule("#/recurrence/timezone", "timezone", "The database knows no such time zone."),
    "tasks_recurring": rule(
        "#/is_completed",
        "recurring",
        "The task recurs: complete its occurrence, or end the series with a recurrence of null.",
    ),
    "lists_name_one_line": rule("#/name", "one_line", "A name is one line, without control characters."),
    "lists_name_visible": rule("#/name", "blank", "The name must not be blank."),
    "webhooks_replay_size": rule(
        "#/to",
        "too_many_events",
        f"The range holds more than {MOST_REPLAYED:,} events that the webhook wants: ask for it in parts.",
    ),
    "search_for_something": _nothing_to_search_for,
    # About other rows, which may change: what stands in the way, and how to go on.
    "request_changes": state(problems.TOO_MANY_CHANGES, "A request changes at most 20,000 things; nothing was done."),
    "tasks_neighbour_before": _PLACE_GONE,
    "tasks_neighbour_after": _PLACE_GONE,
    "lists_neighbour_before": _PLACE_GONE,
    "lists_neighbour_after": _PLACE_GONE,
    "tasks_external_id_unique": state(problems.EXTERNAL_ID_TAKEN, "Another task has this external id."),
    "change_exists": state(problems.NOT_FOUND, problems.not_found().detail),
    "change_kept": state(problems.NOT_UNDOABLE, "The log holds this no longer, or what it is about is purged."),
    "webhooks_most_of_account": state(problems.TOO_MANY_WEBHOOKS, problems.TOO_MANY_WEBHOOKS.description),
    "webhooks_enabled": state(problems.CONFLICT, "The webhook is disabled: enable it first."),
    "webhooks_queue_of_account": state(
        problems.CONFLICT, "As many deliveries wait as may: try again when some are through."
    ),
    "lists_empty": state(problems.LIST_NOT_EMPTY, "The list holds tasks: say with tasks= what becomes of them."),
    "change_undone": _undo_conflict,
}
