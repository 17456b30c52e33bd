"""The paths of Todoist's REST API v1, and what answers each."""

from collections.abc import Mapping

from django.urls import URLPattern, URLResolver, path

import tasks.api  # noqa: F401 -- registers the converters of paths
from doors.todoist import labels, projects, refused, schemas, sync
from doors.todoist import tasks as of_tasks
from doors.todoist.operations import Operation, view
from todoproject.http.routing import template

ROOT = "api/v1"

_TASK = "tasks/<any_case_uuid:task_id>"
_PROJECT = "projects/<str:project_id>"
_LABEL = "labels/<str:label_id>"
_SECTION = "sections/<str:section_id>"


def _refusing(reason: str, *methods: str) -> dict[str, Operation]:
    return {method: Operation(refused.refuse(reason), refuses=True) for method in methods}


def _all_refused(name: str, reason: str) -> dict[str, dict[str, Operation]]:
    """Return the paths of a kind of thing that is not here."""
    return {name: _refusing(reason, "GET", "POST"), f"{name}/<str:id>": _refusing(reason, "GET", "POST", "DELETE")}


OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "tasks": {
        "GET": Operation(of_tasks.find, schemas.TasksQuery),
        "POST": Operation(of_tasks.add, body=schemas.NewTask),
    },
    "tasks/filter": {"GET": Operation(of_tasks.by_filter, schemas.FilterQuery)},
    "tasks/quick": _refusing(refused.QUICK_ADD, "POST"),
    "tasks/completed/by_completion_date": {"GET": Operation(of_tasks.completed, schemas.CompletedQuery)},
    "tasks/completed/by_due_date": {"GET": Operation(of_tasks.completed_by_due, schemas.CompletedByDueQuery)},
    _TASK: {
        "GET": Operation(of_tasks.get),
        "POST": Operation(of_tasks.update, body=schemas.TaskChange),
        "DELETE": Operation(of_tasks.delete),
    },
    f"{_TASK}/close": {"POST": Operation(of_tasks.close)},
    f"{_TASK}/reopen": {"POST": Operation(of_tasks.reopen)},
    f"{_TASK}/move": {"POST": Operation(of_tasks.move, body=schemas.TaskPlace)},
    "projects": {
        "GET": Operation(projects.find, schemas.Paging),
        "POST": Operation(projects.add, body=schemas.NewProject),
    },
    "projects/search": {"GET": Operation(projects.search, schemas.SearchQuery)},
    "projects/archived": {"GET": Operation(projects.archived, schemas.Paging)},
    _PROJECT: {
        "GET": Operation(projects.get),
        "POST": Operation(projects.update, body=schemas.ProjectChange),
        "DELETE": Operation(projects.delete),
    },
    f"{_PROJECT}/archive": {"POST": Operation(projects.archive)},
    f"{_PROJECT}/unarchive": {"POST": Operation(projects.unarchive)},
    f"{_PROJECT}/collaborators": {"GET": Operation(projects.collaborators, schemas.Paging)},
    "labels": {"GET": Operation(labels.find, schemas.Paging), **_refusing(refused.LABELS, "POST")},
    "labels/search": {"GET": Operation(labels.search, schemas.SearchQuery)},
    "labels/shared": {"GET": Operation(labels.shared, schemas.SharedLabelsQuery)},
    "labels/shared/rename": {"POST": Operation(labels.rename_shared, schemas.LabelQuery, schemas.NewLabelName)},
    "labels/shared/remove": {"POST": Operation(labels.remove_shared, body=schemas.LabelNamed)},
    _LABEL: {
        "GET": Operation(labels.get),
        "POST": Operation(labels.update, body=schemas.LabelChange),
        "DELETE": Operation(labels.delete),
    },
    "sections": {
        "GET": Operation(refused.sections, schemas.SectionsQuery),
        **_refusing(refused.SECTIONS, "POST"),
    },
    "sections/search": {"GET": Operation(refused.sections, schemas.SectionsQuery)},
    _SECTION: {
        "GET": Operation(refused.section),
        **_refusing(refused.SECTIONS, "POST", "DELETE"),
    },
    **_all_refused("comments", refused.COMMENTS),
    **_all_refused("reminders", refused.REMINDERS),
    **_all_refused("location_reminders", refused.LOCATION_REMINDERS),
    "sync": {"POST": Operation(sync.synchronize, body=sync.SyncRequest, reads=sync.read_body)},
}

patterns: list[URLPattern | URLResolver] = [
    path(f"{ROOT}/{route}", view(operations)) for route, operations in OPERATIONS.items()
]

# For each path template and method, the query parameters that it knows: what the API's handler asks for.
parameters: Mapping[str, Mapping[str, Mapping[str, bool]]] = {
    template(f"{ROOT}/{route}"): {method: operation.parameters for method, operation in operations.items()}
    for route, operations in OPERATIONS.items()
}
