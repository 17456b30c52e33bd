"""Two people, one row: whoever comes second is told, on every page that writes."""

import asyncio
import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from tasks.models import Task
from tests.support.people import Person
from tests.support.staff import act, editor, in_thread, make_task, make_user, page, root_client, seen
from todoproject.admin.edit_conflicts import field_name

pytestmark = pytest.mark.usefixtures("orm")

CHANGED = "somebody else has changed this"
LIST = "/admin/tasks/task/"


def list_form(*rows: Task, **changes: Any) -> dict[str, Any]:
    """What a browser sends back when `rows` were on the page and somebody presses Save; changes by field's name."""
    form: dict[str, Any] = {"_save": "Save", "form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows)}
    for number, row in enumerate(rows):
        prefix = f"form-{number}"
        fields = {"priority": row.priority, **({"is_completed": "on"} if row.is_completed else {})}
        form |= {f"{prefix}-key": str(row.pk), f"initial-{prefix}-priority": row.priority}
        form |= {f"initial-{prefix}-is_completed": row.is_completed}
        form |= {f"{prefix}-{name}": value for name, value in fields.items()}
    return {**form, **seen(*rows), **changes}


def test_rows_are_edited_in_the_list(staff: Client) -> None:
    first, second = make_task(make_user()), make_task(make_user())
    form = list_form(first, second, **{"form-0-priority": "4", "form-1-is_completed": "on"})
    assert "2 tasks were changed" in page(staff.post(LIST, form, follow=True))
    for row in (first, second):
        row.refresh_from_db()
    assert (first.priority, first.is_completed, first.version) == (4, False, 2)
    assert (second.priority, second.is_completed, second.version) == (0, True, 2)
    assert second.completed_at == second.updated_at


def test_a_row_that_changed_meanwhile_is_not_overwritten_from_the_list(staff: Client) -> None:
    first, second = make_task(make_user()), make_task(make_user())
    form = list_form(first, second, **{"form-0-priority": "4", "form-1-priority": "1"})
    Task.objects.filter(pk=first.pk).update(title="by its owner")
    assert CHANGED in page(staff.post(LIST, form))
    assert [Task.objects.get(pk=row.pk).priority for row in (first, second)] == [0, 0]


def test_a_row_that_one_has_not_touched_is_neither_changed_back_nor_in_the_way(staff: Client) -> None:
    first, second = make_task(make_user()), make_task(make_user())
    form = list_form(first, second, **{"form-1-priority": "1"})
    Task.objects.filter(pk=first.pk).update(priority=3)
    assert "1 task was changed" in page(staff.post(LIST, form, follow=True))
    assert [Task.objects.get(pk=row.pk).priority for row in (first, second)] == [3, 1]


def test_a_refused_list_shows_the_rows_that_were_sent(staff: Client) -> None:
    first, second = make_task(make_user(), "Sent first"), make_task(make_user(), "Sent second")
    form = list_form(first, second, **{"form-1-priority": "77"})
    newer = make_task(make_user(), "Came later")
    text = page(staff.post(LIST, form))
    assert "Select a valid choice" in text
    assert text.index("Sent first") < text.index("Sent second")
    assert newer.title not in text


def test_a_deleted_task_is_not_edited_in_the_list(staff: Client) -> None:
    row = make_task(make_user())
    form = list_form(row, **{"form-0-priority": "4"})
    Task.objects.filter(pk=row.pk).update(deleted_at=row.created_at)
    staff.post(LIST, form)
    assert Task.objects.get(pk=row.pk).priority == 0


def test_nobody_edits_a_list_without_the_right() -> None:
    row, client = make_task(make_user()), editor("view_task")
    assert "form-0-priority" not in page(client.get(LIST))
    assert client.post(LIST, list_form(row, **{"form-0-priority": "4"})).status_code == 403
    assert Task.objects.get(pk=row.pk).version == 1


def test_an_action_leaves_alone_what_has_changed_since_the_list_was_shown(staff: Client) -> None:
    first, second = make_task(make_user()), make_task(make_user())
    Task.objects.filter(pk=first.pk).update(title="by its owner")
    text = act(staff, "tasks_task", "complete", first, second)
    assert "1 task changed meanwhile, so nothing was done to them" in text
    assert "1 task completed." in text
    assert [Task.objects.get(pk=row.pk).is_completed for row in (first, second)] == [False, True]


def test_an_action_without_marks_does_nothing(staff: Client) -> None:
    row = make_task(make_user())
    form = {"action": "complete", "index": "0", "_selected_action": [str(row.pk)]}
    assert "changed meanwhile" in page(staff.post(LIST, form, follow=True))
    assert not Task.objects.get(pk=row.pk).is_completed


def test_the_list_carries_the_marks(staff: Client) -> None:
    row = make_task(make_user())
    text = page(staff.get(LIST, {"q": str(row.id)}))
    assert f'<input type="hidden" name="{field_name(row)}" value="1">' in text


def test_a_user_that_changed_meanwhile_is_not_overwritten(staff: Client) -> None:
    user = make_user()
    form = {"email": user.email, "timezone": "Asia/Tokyo", "is_active": "on", **seen(user)}
    type(user).objects.filter(pk=user.pk).update(timezone="Europe/Berlin")
    assert CHANGED in page(staff.post(reverse("admin:accounts_user_change", args=[user.pk]), form))
    user.refresh_from_db()
    assert user.timezone == "Europe/Berlin"


def test_a_users_own_tasks_are_no_conflict(staff: Client) -> None:
    user = make_user()
    form = {"email": user.email, "timezone": "Asia/Tokyo", "is_active": "on", **seen(user)}
    make_task(user)  # moves change_no
    page(staff.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    user.refresh_from_db()
    assert (user.timezone, user.change_no) == ("Asia/Tokyo", 1)


def test_a_refused_page_is_refused_again(staff: Client) -> None:
    task = make_task(make_user())
    mark = seen(task)
    Task.objects.filter(pk=task.pk).update(description="by its owner")
    form = {"title": "Mine", "priority": "0", "due_on": "", "due_at_0": "", "due_at_1": "", **mark}
    text = page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), form))
    assert f'name="{field_name(task)}" value="1"' in text


async def test_a_write_waits_for_the_one_under_way_and_then_gives_way(alice: Person) -> None:
    """The comparison is made under the row's lock: a write of the same moment is neither lost nor overtaken."""
    identity = (await alice.task())["id"]
    is_held, answers = threading.Event(), []

    def hold_the_row() -> None:
        with transaction.atomic():
            Task.objects.filter(id=identity).update(title="By its owner")
            is_held.set()
            while not somebody_waits():
                time.sleep(0.01)

    def save() -> None:
        task = Task.objects.get(id=identity)
        form = {"title": "By staff", "priority": "0", "due_on": "", "due_at_0": "", "due_at_1": "", **seen(task)}
        client = root_client()
        is_held.wait()
        answers.append(page(client.post(reverse("admin:tasks_task_change", args=[task.pk]), form)))

    await asyncio.gather(*(asyncio.to_thread(in_thread, work) for work in (save, hold_the_row)))
    assert CHANGED in answers[0]
    assert (await alice.http.get(f"/v1/tasks/{identity}")).json()["title"] == "By its owner"


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])
