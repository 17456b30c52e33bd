"""The changes of a task or a list on its page of history, and the button that undoes one."""

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tasks.models import Change, Task, TaskList
from tests.support.staff import act, logged_in, make_list, make_task, make_token, make_user, page
from tests.tasks.test_admin_tasks import task_form

pytestmark = pytest.mark.usefixtures("orm")


def change(client: Client, task: Task, **fields: str) -> Task:
    """Change a task in its form."""
    page(client.post(reverse("admin:tasks_task_change", args=[task.pk]), task_form(task, **fields), follow=True))
    return Task.objects.get(pk=task.pk)


def undo(client: Client, row: Task | TaskList, number: int) -> str:
    address = reverse(f"admin:tasks_{row._meta.model_name}_undo_change", args=[row.pk, number])
    return page(client.post(address, follow=True))


def test_changes_are_shown_with_who_made_them_and_undone(staff: Client) -> None:
    task = change(staff, make_task(make_user(), title="Before"), title="After")
    Task.objects.filter(pk=task.pk).update(priority=3)
    text = page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))
    log = Change.objects.get(user_id=task.user_id, change_no=task.change_no)

    assert (log.event, log.actor_kind, log.before) == ("updated", "staff", {"title": "Before"})
    assert log.request_id
    assert "Before → After" in text
    assert "system" in text

    assert "Undone, with all that" in undo(staff, task, task.change_no)
    assert Task.objects.get(pk=task.pk).title == "Before"
    last = Change.objects.filter(user_id=task.user_id).latest("change_no")
    assert (last.before, last.actor_kind) == ({"title": "After"}, "staff")


def test_who_has_changed_it_is_named(staff: Client) -> None:
    """A token by its name, staff by e-mail."""
    owner = make_user()
    task = make_task(owner)
    token = make_token(owner, name="kitchen tablet")
    Change.objects.filter(user_id=owner.pk, change_no=task.change_no).update(actor_kind="token", actor_id=token.pk)
    change(staff, Task.objects.get(pk=task.pk), title="After")
    email = User.objects.get(pk=staff.session["_auth_user_id"]).email

    text = page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))

    table = text.partition("Changes</h2>")[2].partition("What staff have done")[0]
    by = re.findall(r"<td[^>]*>([^<]+)</td>\s*<td[^>]*whitespace-nowrap[^>]*>(updated|created)<", table)
    assert by == [(email, "updated"), ("token “kitchen tablet”", "created")]


def test_changes_are_told_in_the_words_of_staff(staff: Client) -> None:
    owner = make_user()
    home = make_list(owner, name="Home")
    task = make_task(owner, title="Plants")
    own = Task.objects.filter(pk=task.pk)
    own.update(list_id=home.id, priority=3, labels=["green", "tall"], due_on="2026-12-01", is_completed=True)
    own.update(recurrence=None, description="Not the cactus", reminders=[{"minutes_before": 15}], due_on=None)

    text = page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))

    told = {
        "list": "– → Home",
        "priority": "None → High",
        "labels": "– → green, tall",
        "completed": "no → yes",
        "description": "– → Not the cactus",
        "reminders": "– → 15 minutes before",
    }
    for label, change in {**told, "due on": "1 Dec 2026 → –"}.items():
        assert f"{label}</strong>: {change}" in text.replace("\xa0", " ")


def test_what_has_changed_since_is_told_and_left(staff: Client) -> None:
    task = change(staff, make_task(make_user(), title="First"), title="Second")
    later = change(staff, task, title="Third")

    assert "has been changed again since" in undo(staff, task, task.change_no)
    assert Task.objects.get(pk=task.pk).title == "Third"
    undo(staff, task, later.change_no)
    assert Task.objects.get(pk=task.pk).title == "Second"


def test_an_action_on_several_is_one_for_each_owner(staff: Client) -> None:
    owner = make_user()
    tasks = [make_task(owner, title=f"Task {number}") for number in range(3)]
    act(staff, "tasks_task", "complete", *tasks)
    done = Change.objects.filter(user=owner, event="completed")
    assert {entry.action for entry in done} == {min(entry.change_no for entry in done)}

    undo(staff, tasks[1], done.get(entity_id=tasks[1].id).change_no)
    assert not Task.objects.filter(user=owner, is_completed=True).exists()


def test_lists_have_the_button_too(staff: Client) -> None:
    row = make_list(make_user(), name="Before")
    TaskList.objects.filter(pk=row.pk).update(name="After")
    row.refresh_from_db()

    assert "Before → After" in page(staff.get(reverse("admin:tasks_tasklist_history", args=[row.pk])))
    undo(staff, row, row.change_no)
    row.refresh_from_db()
    assert row.name == "Before"


def test_only_changes_of_the_row_are_undone_from_its_page_and_only_by_a_form(staff: Client) -> None:
    task, other = make_task(make_user()), make_task(make_user())
    beside = make_task(task.user)

    for row, number in ((task, beside.change_no), (task, 99), (other, beside.change_no)):
        address = reverse("admin:tasks_task_undo_change", args=[row.pk, number])
        assert staff.post(address).status_code == 404
    assert staff.get(reverse("admin:tasks_task_undo_change", args=[task.pk, task.change_no])).status_code == 405


def test_whoever_may_only_look_is_offered_no_button_and_refused() -> None:
    task = make_task(make_user())
    viewer = make_user(is_staff=True)
    viewer.groups.add(Group.objects.get(name="Viewer"))
    client = logged_in(viewer)

    text = page(client.get(reverse("admin:tasks_task_history", args=[task.pk])))
    assert "created" in text
    assert "Undoes all" not in text
    address = reverse("admin:tasks_task_undo_change", args=[task.pk, task.change_no])
    assert client.post(address).status_code == 403


@pytest.mark.parametrize("may", ["task", "tasklist"])
def test_a_request_may_have_changed_both_kinds_so_both_rights_are_asked_for(may: str) -> None:
    """Deleting a list with its tasks is undone from the page of either, and brings back both."""
    owner = make_user()
    row = make_list(owner, name="Home")
    task = make_task(owner, list_id=row.id)
    helper = make_user(is_staff=True)
    names = [f"{verb}_{may}" for verb in ("view", "change", "delete")]
    helper.user_permissions.set(Permission.objects.filter(codename__in=names))
    client, shown = logged_in(helper), task if may == "task" else row

    assert "Undoes all" not in page(client.get(reverse(f"admin:tasks_{may}_history", args=[shown.pk])))
    address = reverse(f"admin:tasks_{may}_undo_change", args=[shown.pk, shown.change_no])
    assert client.post(address).status_code == 403
