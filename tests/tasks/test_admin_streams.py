"""What staff write is told to its owners' streams at once, when it is committed and not before."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from tasks.models import Change, Task, TaskList
from tests.support.staff import act, make_list, make_task, make_user, page
from tests.tasks.test_admin_tasks import task_form
from todoproject.http import activity

pytestmark = pytest.mark.usefixtures("orm")


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Whose streams were told, in this order; what they would have read by then must be there."""
    owners: list[str] = []

    def listen(wrote: bool, owner: str | None) -> None:
        if wrote and owner is not None:
            assert not connection.in_atomic_block
            owners.append(owner)

    activity.listeners.append(listen)
    yield owners
    activity.listeners.remove(listen)


def test_a_form_an_action_and_an_undo_tell_the_owner(staff: Client, told: list[str]) -> None:
    owner = make_user()
    task = make_task(owner, title="Before")
    page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), task_form(task, title="After"), follow=True))
    assert told == [str(owner.pk)]
    number = Change.objects.filter(user_id=owner.pk).latest("change_no").change_no
    staff.post(reverse("admin:tasks_task_undo_change", args=[task.pk, number]))
    assert told == [str(owner.pk)] * 2
    act(staff, "tasks_task", "complete", Task.objects.get(pk=task.pk))
    assert told == [str(owner.pk)] * 3


def test_one_action_tells_all_whose_rows_it_changes(staff: Client, told: list[str]) -> None:
    owners = [make_user(), make_user()]
    act(staff, "tasks_task", "complete", *(make_task(owner) for owner in owners))
    assert sorted(told) == sorted(str(owner.pk) for owner in owners)


def test_what_staff_add_is_told_to_its_owner(staff: Client, told: list[str]) -> None:
    owner = make_user()
    page(staff.post(reverse("admin:tasks_tasklist_add"), {"user": str(owner.pk), "name": "Groceries"}, follow=True))
    assert TaskList.objects.filter(user=owner).count() == 1
    assert told == [str(owner.pk)]


def test_a_page_that_is_only_looked_at_tells_nobody(staff: Client, told: list[str]) -> None:
    row = make_list(make_user())
    page(staff.get(reverse("admin:tasks_tasklist_change", args=[row.pk])))
    page(staff.get(reverse("admin:tasks_tasklist_changelist")))
    assert told == []
