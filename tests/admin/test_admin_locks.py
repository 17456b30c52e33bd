"""What staff write locks the owners first, in the order of their ids, as the API does: nobody waits in a circle.

Shown by holding a row: who waits for the first owner holds nothing of anybody yet, in whatever order the page had them.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AccessToken, User
from tasks.models import Task, TaskList
from tests.support.postgres.databases import connect, lock_queue
from tests.support.staff import act, in_thread, make_list, make_task, make_token, make_user, root_client, seen

pytestmark = pytest.mark.usefixtures("orm")

Write = Callable[[Client, list[Any]], object]


def save_in_the_list(client: Client, tasks: list[Any]) -> None:
    form = {"_save": "Save", "form-TOTAL_FORMS": len(tasks), "form-INITIAL_FORMS": len(tasks)}
    for number, task in enumerate(tasks):
        form |= {f"form-{number}-id": task.pk, f"form-{number}-key": task.pk, f"form-{number}-priority": 4}
    form |= {name: value for task in tasks for name, value in seen(task).items()}
    assert client.post(reverse("admin:tasks_task_changelist"), form).status_code == 302


def page_of(model: str, view: str, **form: Any) -> Write:
    def write(client: Client, rows: list[Any]) -> None:
        (row, *_) = rows
        assert client.post(reverse(f"admin:{model}_{view}", args=[row.pk]), form | seen(row)).status_code == 302

    return write


def deed(name: str) -> Write:
    def write(client: Client, users: list[Any]) -> None:
        assert client.post(reverse("admin:accounts_user_do", args=[users[0].pk, name])).status_code == 302

    return write


def action(model: str, name: str) -> Write:
    return lambda client, rows: act(client, model, name, *rows)


# By what is written: the rows of which kind, and of how many people at once.
WRITES: dict[str, tuple[Callable[[User], Any], int, Write]] = {
    "save in the list": (make_task, 2, save_in_the_list),
    "complete": (make_task, 2, action("tasks_task", "complete")),
    "remove": (make_task, 2, action("tasks_task", "remove")),
    "revoke": (make_token, 2, action("accounts_accesstoken", "revoke")),
    "remove lists": (make_list, 2, action("tasks_tasklist", "remove_with_tasks")),
    "revoke on the token's page": (make_token, 1, page_of("accounts_accesstoken", "revoke")),
    "delete on the task's page": (make_task, 1, page_of("tasks_task", "delete", post="yes")),
    "delete on the list's page": (make_list, 1, page_of("tasks_tasklist", "delete", post="yes")),
    "revoke tokens": (lambda user: user, 1, deed("revoke-tokens")),
    "deactivate": (lambda user: user, 1, deed("deactivate")),
}


def belongings(make: Callable[[User], Any], count: int) -> tuple[Client, list[User], list[Any]]:
    """Return a client, people in the order of their ids, and what each has, the last one's first."""
    users = sorted((make_user() for _ in range(count)), key=lambda user: user.pk)
    for user in users:
        make_task(user), make_token(user), make_list(user)
    return root_client(), users, [make(user) for user in reversed(users)]


@pytest.mark.parametrize("name", WRITES)
async def test_staff_who_wait_for_an_owner_hold_nothing_yet(name: str) -> None:
    make, count, write = WRITES[name]
    client, users, rows = await asyncio.to_thread(in_thread, belongings, make, count)
    people = [user.pk for user in users]

    with connect() as holder, connect() as looker:
        holder.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [people[0]])
        writing = asyncio.create_task(asyncio.to_thread(in_thread, write, client, rows))
        await lock_queue(1)
        for kind, column in ((Task, "user_id"), (TaskList, "user_id"), (AccessToken, "user_id"), (User, "id")):
            whose = people[1:] if kind is User else people
            query = f"SELECT FROM {kind._meta.db_table} WHERE {column} = ANY (%s)"
            free = looker.execute(f"{query} FOR NO KEY UPDATE SKIP LOCKED", [whose]).fetchall()
            assert len(free) == len(looker.execute(query, [whose]).fetchall()), f"{kind.__name__}: held already"
        looker.rollback()
        holder.rollback()

    await writing
