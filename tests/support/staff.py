"""The staff: clients that are logged in to the admin, and the rows they look at."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import AccessToken, Scope, User
from accounts.staff import session_limits
from tasks import webhook_secrets
from tasks.models import Task, TaskList, Webhook
from todoproject.admin.edit_conflicts import field_name


def make_user(name: str = "user", **fields: Any) -> User:
    user = User.objects.create_user(f"{name}-{uuid.uuid4().hex}@example.com", None, **fields)
    user.refresh_from_db()
    return user


def make_task(user: User, title: str = "Buy milk", **fields: Any) -> Task:
    task = Task.objects.create(user=user, title=title, **fields)
    task.refresh_from_db()
    return task


def make_list(user: User, name: str = "Groceries", **fields: Any) -> TaskList:
    row = TaskList.objects.create(user=user, name=name, **fields)
    row.refresh_from_db()
    return row


def make_hook(user: User, **fields: Any) -> Webhook:
    url = "https://hooks.example.com/todo?key=s3cret"
    return Webhook.objects.create(user=user, url=url, events=["task.*"], secret=webhook_secrets.seal(b"s"), **fields)


def make_token(user: User, **fields: Any) -> AccessToken:
    name = fields.pop("name", "phone")
    return AccessToken.objects.create(
        user=user, name=name, digest=uuid.uuid4().bytes * 2, scopes=[Scope.ACCOUNT], **fields
    )


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    session = client.session
    session_limits.begin(session)
    session.save()
    return client


def page(response: Any) -> str:
    assert response.status_code == 200, response.content
    return str(response.content.decode())


def seen(*rows: Any) -> dict[str, str]:
    """Return the hidden fields of a page that shows these rows as they are now."""
    from django.contrib.admin import site

    return {field_name(row): site._registry[type(row)].form_mark(row) for row in rows}  # type: ignore[attr-defined]


def act(client: Client, model: str, action: str, *rows: Any, **more: Any) -> str:
    """Have something done to the rows of a list; return the page that says what was done."""
    return page(order(client, model, action, *rows, follow=True, **more))


def order(client: Client, model: str, action: str, *rows: Any, follow: bool = False, **more: Any) -> Any:
    """Have something done to the rows of a list; return the answer, which only leads to the page that says so."""
    form = {
        "action": action,
        "index": "0",
        "confirmed": "1",
        "_selected_action": [str(row.pk) for row in rows],
        **seen(*rows),
        **more,
    }
    query = "?deleted=all" if model in ("tasks_task", "tasks_tasklist") else ""
    return client.post(reverse(f"admin:{model}_changelist") + query, form, follow=follow)


def editor(*rights: str) -> Client:
    user = make_user("editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return logged_in(user)


def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do it with a database connection of this thread's own, and close that."""
    try:
        return work(*arguments)
    finally:
        connection.close()


def root_client() -> Client:
    return logged_in(make_user("root", is_staff=True, is_superuser=True))
