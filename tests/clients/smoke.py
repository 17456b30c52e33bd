"""A day with the client that openapi-python-client has generated as `todo_client`; run by test_clients.py."""

import datetime
import sys
from http import HTTPStatus
from uuid import uuid4

from todo_client import AuthenticatedClient, Client
from todo_client.api.accounts import login, register
from todo_client.api.tasks import complete_task, create_task, delete_task, get_task, list_tasks, patch_task
from todo_client.models import Login, Priority, Problem, Register, Session, Task, TaskCreate, TaskPage, TaskPatch

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

assert delete_task.sync_detailed(task.id, client=client).status_code == HTTPStatus.NO_CONTENT
for who, status, code in ((client, 404, "not-found"), (AuthenticatedClient(url, "todo_wrong"), 401, "unauthenticated")):
    problem = get_task.sync(task.id, client=who)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (status, code)

refused = create_task.sync(client=client, body=TaskCreate(title=" "))
assert isinstance(refused, Problem)
assert refused.errors[0].pointer == "#/title"
