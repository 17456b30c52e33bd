"""An example, or a few, of everything that can be asked behind the doors; each works for who owns what it names.

`{task_id}` and the like stand for things of the one who is asked about. Each member that can name a thing is in one of
an operation's examples: tests/doors/test_doors_matrix.py holds this table to what is mounted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """What is sent: a query, and a body, which of a command are its arguments, and of a tool, too."""

    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


PLAIN = (Example(),)


def _asks(*queries: Mapping[str, str]) -> tuple[Example, ...]:
    return tuple(Example(query) for query in queries)


def _sends(*bodies: Any) -> tuple[Example, ...]:
    return tuple(Example(body=body) for body in bodies)


_PERIOD = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
_WHOLE = {"sync_token": "*", "resource_types": ["all"]}
_NAMED = {"query": {"name": "{label}"}, "body": {"new_name": "b"}}

_TODOIST = {
    "GET tasks": _asks(
        {}, {"project_id": "{list_id}"}, {"parent_id": "{task_id}"}, {"label": "{label}"}, {"ids": "{task_id}"}
    ),
    "POST tasks": _sends(
        {"content": "Buy milk"},
        {"content": "Buy milk", "project_id": "{list_id}"},
        {"content": "Buy milk", "parent_id": "{task_id}"},
    ),
    "GET tasks/filter": _asks({"query": "today"}, {"query": "@{label}"}),
    "POST tasks/quick": PLAIN,
    "GET tasks/completed/by_completion_date": _asks(_PERIOD, {**_PERIOD, "filter_query": "@{label}"}),
    "GET tasks/completed/by_due_date": _asks(
        _PERIOD,
        {**_PERIOD, "filter_query": "@{label}"},
        {**_PERIOD, "project_id": "{list_id}"},
        {**_PERIOD, "parent_id": "{task_id}"},
    ),
    "GET tasks/{task_id}": PLAIN,
    "POST tasks/{task_id}": _sends({"content": "Buy oats"}),
    "DELETE tasks/{task_id}": PLAIN,
    "POST tasks/{task_id}/close": PLAIN,
    "POST tasks/{task_id}/reopen": PLAIN,
    "POST tasks/{task_id}/move": _sends(
        {"project_id": "inbox"}, {"project_id": "{list_id}"}, {"parent_id": "{other_id}"}
    ),
    "GET projects": PLAIN,
    "POST projects": _sends({"name": "Home"}),
    "GET projects/search": _asks({"query": "a"}),
    "GET projects/archived": PLAIN,
    "GET projects/{project_id}": PLAIN,
    "POST projects/{project_id}": _sends({"name": "House"}),
    "DELETE projects/{project_id}": PLAIN,
    "POST projects/{project_id}/archive": PLAIN,
    "POST projects/{project_id}/unarchive": PLAIN,
    "GET projects/{project_id}/collaborators": PLAIN,
    "GET labels": PLAIN,
    "POST labels": PLAIN,
    "GET labels/search": _asks({"query": "a"}),
    "GET labels/shared": PLAIN,
    "POST labels/shared/rename": (Example(**_NAMED), *_sends({"name": "{label}", "new_name": "b"})),
    "POST labels/shared/remove": _sends({"name": "{label}"}),
    "GET labels/{label_id}": PLAIN,
    "POST labels/{label_id}": _sends({"name": "b"}),
    "DELETE labels/{label_id}": PLAIN,
    "GET sections": _asks({}, {"project_id": "{list_id}"}),
    "POST sections": PLAIN,
    "GET sections/search": _asks({}, {"project_id": "{list_id}"}),
    "GET sections/{section_id}": PLAIN,
    "POST sections/{section_id}": PLAIN,
    "DELETE sections/{section_id}": PLAIN,
    **{
        f"{method} {kind}{path}": PLAIN
        for kind in ("comments", "reminders", "location_reminders")
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/{id}"), ("POST", "/{id}"), ("DELETE", "/{id}"))
    },
    "POST sync": _sends(_WHOLE),
    # Its commands, each by its arguments.
    "POST sync item_add": _sends(
        {"content": "Buy milk"},
        {"content": "Buy milk", "project_id": "{list_id}"},
        {"content": "Buy milk", "parent_id": "{task_id}"},
    ),
    "POST sync item_update": _sends({"id": "{task_id}", "content": "Buy oats"}),
    "POST sync item_move": _sends(
        {"id": "{task_id}", "project_id": "{list_id}"}, {"id": "{task_id}", "parent_id": "{other_id}"}
    ),
    "POST sync item_complete": _sends({"id": "{task_id}"}),
    "POST sync item_close": _sends({"id": "{task_id}"}),
    "POST sync item_uncomplete": _sends({"id": "{task_id}"}),
    "POST sync item_delete": _sends({"id": "{task_id}"}),
    "POST sync project_add": _sends({"name": "Home"}),
    "POST sync project_update": _sends({"id": "{list_id}", "name": "House"}),
    "POST sync project_delete": _sends({"id": "{list_id}"}),
    "POST sync project_archive": _sends({"id": "{list_id}"}),
    "POST sync project_unarchive": _sends({"id": "{list_id}"}),
    "POST sync label_update": _sends({"id": "{label_id}", "name": "b"}, {"id": "{label_id}"}),
    "POST sync label_rename": _sends({"name_old": "{label}", "name_new": "b"}),
    "POST sync label_delete": _sends({"id": "{label_id}"}),
}

# What is asked of MCP besides its tools: each by its parameters.
METHODS = {
    "initialize": {"protocolVersion": "2025-11-25"},
    "ping": {},
    "server/discover": {},
    "tools/list": {},
}
_TOOLS = {
    "find_tasks": _sends({}, {"list": "{list_id}"}, {"label": ["{label}"]}, {"parent_id": "{task_id}"}),
    "agenda": _sends({}),
    "add_task": _sends(
        {"title": "Buy milk"},
        {"title": "Buy milk", "list": "{list_id}"},
        {"title": "Buy milk", "parent_id": "{task_id}"},
    ),
    "change_task": _sends({"task_id": "{task_id}", "title": "Buy oats"}),
    "complete_task": _sends({"task_id": "{task_id}"}),
    "move_task": _sends(
        {"task_id": "{task_id}", "first": True},
        {"task_id": "{task_id}", "list": "{list_id}"},
        {"task_id": "{task_id}", "parent_id": "{other_id}"},
        {"task_id": "{task_id}", "before": "{other_id}"},
        {"task_id": "{task_id}", "after": "{other_id}"},
    ),
    "undo": _sends({"change_no": "{change_no}"}),
}

_TODOS = {"GET": PLAIN, "POST": _sends({"title": "Buy milk", "order": 1}), "DELETE": PLAIN}

EXAMPLES: Mapping[str, tuple[Example, ...]] = {
    **{operation.replace(" ", " /api/v1/", 1): found for operation, found in _TODOIST.items()},
    "POST /mcp": _sends({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    **{f"POST /mcp {method}": _sends(parameters) for method, parameters in METHODS.items()},
    **{f"POST /mcp tools/call {tool}": found for tool, found in _TOOLS.items()},
    "GET /calendar/{secret}.ics": PLAIN,
    **{f"{method} /todo-backend/{{secret}}{slash}": each for method, each in _TODOS.items() for slash in ("", "/")},
    "GET /todo-backend/{secret}/{task_id}": PLAIN,
    "PATCH /todo-backend/{secret}/{task_id}": _sends({"title": "Buy oats", "completed": True, "order": 2}),
    "DELETE /todo-backend/{secret}/{task_id}": PLAIN,
}
