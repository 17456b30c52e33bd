"""Moving tasks to the trash in the admin: asked with their number, told as what it is, undone by one button."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tasks.admin import tasks as admin_tasks
from tasks.models import Task
from tests.support.staff import editor, make_task, make_user, page, seen
from todoproject.admin import questions

LIST, UNDO = "/admin/tasks/task/", "/admin/tasks/task/undo/"


def choose(client: Client, action: str, *tasks: Task, where: str = "", **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [str(task.pk) for task in tasks], "index": "0"}
    return client.post(LIST + where, {**chosen, **seen(*tasks), **more})


def is_deleted(*tasks: Task) -> list[bool]:
    return [Task.objects.get(pk=task.pk).deleted_at is not None for task in tasks]


def confirm(client: Client, asked: Any, where: str = "") -> Any:
    """Send what the page that asks would send."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page(asked)):
        fields.setdefault(name, []).append(value)
    return client.post(LIST + where, fields, follow=True)


def test_it_is_asked_with_the_number_done_and_undone(staff: Client) -> None:
    tasks = [make_task(make_user()) for _ in range(3)]

    asked = choose(staff, "remove", *tasks)
    assert "Move 3 tasks to the trash?" in page(asked)
    assert is_deleted(*tasks) == [False] * 3

    told = page(confirm(staff, asked))
    assert "3 tasks moved to the trash." in told
    assert f'<form action="{UNDO}" method="post"' in told
    assert is_deleted(*tasks) == [True] * 3

    assert "3 tasks restored." in page(staff.post(UNDO, follow=True))
    assert is_deleted(*tasks) == [False] * 3
    assert "could be restored" in page(staff.post(UNDO, follow=True))  # once


def test_one_that_changed_after_the_question_is_left_alone(staff: Client) -> None:
    first, second = (make_task(make_user()) for _ in range(2))
    asked = choose(staff, "remove", first, second)
    Task.objects.filter(pk=first.pk).update(title="Changed meanwhile")

    told = page(confirm(staff, asked))

    assert "1 task changed meanwhile" in told
    assert "1 task moved to the trash." in told
    assert is_deleted(first, second) == [False, True]


def test_a_single_one_goes_to_the_trash_in_plain_words(staff: Client) -> None:
    task = make_task(make_user(), "Water <b>plants</b>")
    address = reverse("admin:tasks_task_delete", args=[task.pk])

    text = page(staff.get(address))
    assert "Move “Water &lt;b&gt;plants&lt;/b&gt;”" in text
    assert "Are you sure" not in text
    told = page(staff.post(address, {"post": "yes"}, follow=True))

    assert "“Water &lt;b&gt;plants&lt;/b&gt;” is in the trash." in told
    page(staff.post(UNDO, follow=True))
    assert is_deleted(task) == [False]


def test_undo_is_a_post_and_needs_the_right(staff: Client) -> None:
    task = make_task(make_user())
    assert staff.get(UNDO).status_code == 405
    reader = editor("view_task", "change_task")
    session = reader.session
    session["undo_rows"] = [str(task.pk)]
    session.save()

    assert reader.post(UNDO).status_code == 403


@pytest.mark.parametrize("action", ["complete", "remove"])
def test_all_that_match_are_asked_for_with_their_number(
    staff: Client, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(admin_tasks.TaskAdmin, "list_per_page", 2)
    word, owner = f"w{uuid.uuid4().hex[:8]}", make_user()
    tasks = [make_task(owner, f"Errand {number} {word}") for number in range(3)]
    other = make_task(owner)
    where = f"?q={word}"
    assert "Select all 3 tasks" in page(staff.get(LIST + where))

    asked = choose(staff, action, *tasks[:2], where=where, select_across="1")
    assert "3 tasks" in page(asked)
    assert not any(Task.objects.get(pk=task.pk).is_completed for task in tasks)
    told = page(confirm(staff, asked, where))

    assert "3 tasks" in told
    done = [task.is_completed or task.deleted_at is not None for task in Task.objects.filter(user=owner).order_by("pk")]
    assert done == [True, True, True, False]
    assert not Task.objects.get(pk=other.pk).is_completed


def test_too_many_at_once_are_refused(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_COUNTED", 2)
    word, owner = f"w{uuid.uuid4().hex[:8]}", make_user()
    tasks = [make_task(owner, f"Errand {number} {word}") for number in range(3)]

    for more in ({}, {"confirmed": "1"}):
        chosen = {"action": "remove", "_selected_action": [str(tasks[0].pk)], "index": "0", "select_across": "1"}
        told = page(staff.post(f"{LIST}?q={word}", {**chosen, **more}, follow=True))
        assert "More than 2 match" in told

    assert is_deleted(*tasks) == [False] * 3
