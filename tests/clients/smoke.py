"""A day with the client that openapi-python-client has generated as `todo_client`; run by test_clients.py."""

import datetime
import sys
from http import HTTPStatus
from uuid import uuid4

from todo_client import AuthenticatedClient, Client
from todo_client.api.accounts import login, register
from todo_client.api.changes import list_changes, undo_change
from todo_client.api.lists import create_list, patch_list
from todo_client.api.tasks import complete_task, create_task, delete_task, get_task, list_tasks, patch_task
from todo_client.api.webhooks import create_webhook, delete_webhook, get_webhook
from todo_client.models import (
    ChangesPage,
    CompletedCopy,
    Completion,
    Events,
    ListCreate,
    ListPatch,
    Login,
    Missed,
    NewWebhook,
    Priority,
    Problem,
    Recurrence,
    RecurrenceDocument,
    Register,
    Session,
    Task,
    TaskCreate,
    TaskList,
    TaskPage,
    TaskPatch,
    Undone,
    WebhookCreate,
)

url, email = sys.argv[1:]
password = "correct horse battery staple"

open_client = Client(base_url=url)
register.sync(client=open_client, body=Register(email=email, password=password))
session = login.sync(client=open_client, body=Login(email=email, password=password))
assert isinstance(session, Session)
assert isinstance(session.expires_at, datetime.datetime)
client = AuthenticatedClient(base_url=url, token=session.token)

body = TaskCreate(title="Buy milk", priority=Priority.HIGH, due_on=datetime.date(2026, 12, 24))
key = str(uuid4())
created = create_task.sync_detailed(client=client, body=body, idempotency_key=key)
again = create_task.sync_detailed(client=client, body=body, idempotency_key=key)
task = created.parsed
assert isinstance(task, Task)
assert (created.status_code, again.parsed) == (HTTPStatus.CREATED, task)
assert again.headers["Idempotency-Replayed"] == "true"
assert (task.priority, task.due_on, task.due_at) == (Priority.HIGH, datetime.date(2026, 12, 24), None)

page = list_tasks.sync(client=client, limit=10, priority=Priority.HIGH)
assert isinstance(page, TaskPage)
assert (page.items, page.next_cursor) == ([task], None)

patched = patch_task.sync(task.id, client=client, body=TaskPatch(title="Buy oat milk", due_on=None))
assert isinstance(patched, Task)
# What the patch left out is as it was: the client has filled in no default.
assert (patched.title, patched.priority, patched.due_on) == ("Buy oat milk", Priority.HIGH, None)

completed = complete_task.sync(task.id, client=client)
assert isinstance(completed, Task)
assert isinstance(completed.completed_at, datetime.datetime)

# A list; in it a task, and under that a labelled one that recurs and does not begin before a day.
home = create_list.sync(client=client, body=ListCreate(name="Home", color="#3366cc"))
assert isinstance(home, TaskList)
sent_back = patch_list.sync(home.id, client=client, body=ListPatch.from_dict(home.to_dict() | {"name": "House"}))
assert isinstance(sent_back, TaskList)
assert (sent_back.name, sent_back.color, sent_back.version) == ("House", "#3366cc", 2)
parent = create_task.sync(client=client, body=TaskCreate(title="Garden", list_id=home.id))
assert isinstance(parent, Task)
for due, second in (
    (datetime.date(2027, 1, 4), datetime.date(2027, 1, 5)),
    (
        datetime.datetime(2027, 1, 4, 8, tzinfo=datetime.UTC),
        datetime.datetime(2027, 1, 5, 8, tzinfo=datetime.UTC),
    ),
):
    body = TaskCreate(
        title="Water the plants",
        parent_id=parent.id,
        labels=["plants", "before work"],
        starts_on=datetime.date(2027, 1, 3),
        recurrence=Recurrence(rule="FREQ=DAILY;COUNT=3", timezone="UTC", missed=Missed.KEEP),
        **({"due_at": due} if isinstance(due, datetime.datetime) else {"due_on": due}),
    )
    series = create_task.sync(client=client, body=body)
    assert isinstance(series, Task)
    assert isinstance(series.recurrence, RecurrenceDocument)
    assert (series.list_id, series.parent_id, series.labels) == (home.id, parent.id, ["plants", "before work"])
    assert (series.occurrence, series.starts_on) == (due, datetime.date(2027, 1, 3))

    # By its occurrence, so that a repeat completes no second one; and undone.
    done = complete_task.sync_detailed(series.id, client=client, body=Completion(occurrence=series.occurrence))
    moved = done.parsed
    assert isinstance(moved, Task)
    assert isinstance(moved.completed, CompletedCopy)
    assert (moved.occurrence, moved.starts_on) == (second, datetime.date(2027, 1, 4))
    assert (moved.completed.recurrence_of, moved.completed.occurrence) == (series.id, due)
    again = complete_task.sync(series.id, client=client, body=Completion(occurrence=series.occurrence))
    assert isinstance(again, Task)
    assert (again.version, again.occurrence) == (moved.version, second)
    undone = undo_change.sync(int(done.headers["Change-No"]), client=client)
    assert isinstance(undone, Undone)
    assert {item.id: item.deleted for item in undone.items} == {series.id: False, moved.completed.id: True}
    back = get_task.sync(series.id, client=client)
    assert isinstance(back, Task)
    assert (back.occurrence, back.starts_on, back.is_completed) == (due, datetime.date(2027, 1, 3), False)

feed = list_changes.sync(client=client)
assert isinstance(feed, ChangesPage)
assert (feed.has_more, len({item.id for item in feed.items})) == (False, len(feed.items))
assert [item.list_.name for item in feed.items if isinstance(item.list_, TaskList)] == ["House"]
assert {item.task.title for item in feed.items if isinstance(item.task, Task)} >= {"Garden", "Water the plants"}
rest = list_changes.sync(client=client, cursor=feed.next_cursor)
assert isinstance(rest, ChangesPage)
assert rest.items == []

to = WebhookCreate(url="https://hooks.example.com/todo", events=[Events.TASK_COMPLETED, Events.LIST])
hook = create_webhook.sync(client=client, body=to)
assert isinstance(hook, NewWebhook)
assert (hook.secret[:6], hook.events, hook.is_enabled) == ("whsec_", ["task.completed", "list.*"], True)
assert delete_webhook.sync_detailed(hook.id, client=client).status_code == HTTPStatus.NO_CONTENT
assert isinstance(get_webhook.sync(hook.id, client=client), Problem)

assert delete_task.sync_detailed(task.id, client=client).status_code == HTTPStatus.NO_CONTENT
for who, status, code in ((client, 404, "not-found"), (AuthenticatedClient(url, "todo_wrong"), 401, "unauthenticated")):
    problem = get_task.sync(task.id, client=who)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (status, code)

refused = create_task.sync(client=client, body=TaskCreate(title=" "))
assert isinstance(refused, Problem)
assert refused.errors[0].pointer == "#/title"
