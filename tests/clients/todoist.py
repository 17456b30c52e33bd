"""Todoist's own SDK, unmodified, at a server of ours: every method that it has. Run by test_todoist.py."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
from todoist_api_python._core import endpoints
from todoist_api_python.api import TodoistAPI

url, token = sys.argv[1:]
endpoints.API_URL = f"{url}/api/v1"
api = TodoistAPI(token)
tried: set[str] = set()


def call(name: str, /, *values: Any, **members: Any) -> Any:
    """Call a method; of one that pages, read all pages."""
    tried.add(name)
    answer = getattr(api, name)(*values, **members)
    return [each for page in answer for each in page] if hasattr(answer, "__next__") else answer


def refused(name: str, /, *values: Any, status: int = 404, tag: str = "NOT_SUPPORTED", **members: Any) -> None:
    """Call a method that has to be refused in Todoist's words."""
    try:
        call(name, *values, **members)
    except httpx.HTTPStatusError as error:
        answer = error.response
    else:
        raise AssertionError(f"{name} was answered")
    assert (answer.status_code, answer.json()["error_tag"]) == (status, tag), answer.text


# --- Projects ---

home = call("add_project", "Home", color="teal")
assert (home.name, home.color, home.is_archived, home.is_inbox_project) == ("Home", "teal", False, False)
assert call("get_project", home.id) == home
inbox, first = call("get_projects", limit=1)
assert (inbox.is_inbox_project, first) == (True, home)
assert inbox.url == "https://app.todoist.com/app/inbox"
assert call("search_projects", "hom") == [home]
assert call("update_project", home.id, name="House").name == "House"
assert call("archive_project", home.id).is_archived
assert not call("unarchive_project", home.id).is_archived
assert call("get_collaborators", home.id) == []
refused("add_project", "Garden", description="Green", status=400, tag="INVALID")

# --- Tasks ---

at = datetime(2026, 12, 24, 18, 30, tzinfo=UTC)
task = call("add_task", "Buy milk", description="Two litres", labels=["errand"], priority=4, due_date=date(2026, 12, 1))
assert (task.content, task.description, task.labels, task.priority) == ("Buy milk", "Two litres", ["errand"], 4)
assert (task.project_id, task.due.date, task.due.is_recurring) == (inbox.id, date(2026, 12, 1), False)
assert (task.is_completed, task.completed_at, task.section_id, task.deadline) == (False, None, None, None)
assert call("get_task", task.id) == task
child = call("add_task", "Find a bag", parent_id=task.id)
timed = call("add_task", "Call", project_id=home.id, due_datetime=at)
assert (child.parent_id, timed.project_id, timed.due.date) == (task.id, home.id, at)
assert call("add_task", "By the clock", due_datetime=datetime(2026, 12, 24, 18, 30)).due.date == at  # noqa: DTZ001 -- as users do
assert [each.id for each in call("get_tasks", limit=2)][:3] == [task.id, child.id, timed.id]
assert [each.id for each in call("get_tasks", project_id=home.id)] == [timed.id]
assert [each.id for each in call("get_tasks", ids=[timed.id, child.id])] == [timed.id, child.id]
assert [each.id for each in call("get_tasks", label="errand")] == [task.id]
assert [each.id for each in call("filter_tasks", query="p1 & @errand")] == [task.id]
refused("filter_tasks", query="shared & /section", status=400, tag="INVALID")
changed = call("update_task", task.id, content="Buy oat milk", due_string="no date", priority=1)
assert (changed.content, changed.due, changed.priority, changed.labels) == ("Buy oat milk", None, 1, ["errand"])
refused("update_task", task.id, due_string="tomorrow at 10", status=400, tag="INVALID")
refused("add_task_quick", "Buy milk tomorrow #Home p1")
assert call("move_task", task.id, project_id=home.id)
assert [each.project_id for each in call("get_tasks", ids=[task.id, child.id])] == [home.id, home.id]
assert call("complete_task", timed.id)
around = {"since": datetime.now(UTC) - timedelta(hours=1), "until": datetime.now(UTC) + timedelta(hours=1)}
(done,) = call("get_completed_tasks_by_completion_date", **around)
assert (done.id, done.is_completed) == (timed.id, True)
around = {"since": at - timedelta(hours=1), "until": at + timedelta(hours=1)}
assert [each.id for each in call("get_completed_tasks_by_due_date", **around)] == [timed.id]
assert call("uncomplete_task", timed.id)
assert not call("get_task", timed.id).is_completed
assert call("delete_task", timed.id)
refused("get_task", timed.id, tag="NOT_FOUND")

# --- A series, made with our own API: Todoist's words for one are not read ---

with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as ours:
    daily = {"rule": "FREQ=DAILY", "missed": "keep"}
    series = ours.post("/v1/tasks", json={"title": "Water", "due_on": "2026-12-01", "recurrence": daily}).json()
assert call("get_task", series["id"]).due.string == "every day"
assert call("complete_task", series["id"])
assert call("get_task", series["id"]).due.date == date(2026, 12, 2)

# --- Labels ---

(label,) = call("get_labels")
assert (label.name, call("get_label", label.id), call("search_labels", "err")) == ("errand", label, [label])
renamed = call("update_label", label.id, name="shop")
assert (renamed.name, call("get_task", task.id).labels) == ("shop", ["shop"])
assert call("get_shared_labels") == ["shop"]
assert call("rename_shared_label", "shop", "town")
assert call("remove_shared_label", "town")
call("update_task", task.id, labels=["a"])
assert call("delete_label", call("get_labels")[0].id)
refused("add_label", "b")

# --- What is not here ---

assert call("get_sections") == call("search_sections", "a") == []
refused("get_section", "1", tag="NOT_FOUND")
refused("add_section", "A", home.id)
refused("update_section", "1", name="A")
refused("delete_section", "1")
refused("get_comments", task_id=task.id)
refused("add_comment", "A", task_id=task.id)
for kind in ("comment", "reminder", "location_reminder"):
    refused(f"get_{kind}", "1")
    refused(f"delete_{kind}", "1")
refused("update_comment", "1", "A")
refused("get_reminders")
refused("add_reminder", task.id, minute_offset=30)
refused("update_reminder", "1", minute_offset=30)
refused("get_location_reminders")
refused("add_location_reminder", task.id, "Home", "1", "1", "on_enter")
refused("update_location_reminder", "1", name="Home")

assert call("delete_project", home.id)
assert call("get_projects") == [inbox]

methods: dict[str, Callable[..., Any]] = {
    name: method for name, method in vars(TodoistAPI).items() if callable(method) and not name.startswith("_")
}
assert methods.keys() == tried, methods.keys() ^ tried
