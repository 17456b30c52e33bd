"""Lists in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.staff import act, make_list, make_task, make_user, page, seen

pytestmark = pytest.mark.usefixtures("orm")


def test_list_is_added_and_changed(staff: Client) -> None:
    owner = make_user()
    form = {"name": "Home", "color": "", "user": str(owner.pk)}
    page(staff.post(reverse("admin:tasks_tasklist_add"), form, follow=True))
    row = owner.lists.get()
    assert (row.name, row.color, row.position, row.version) == ("Home", None, "a0", 1)

    address = reverse("admin:tasks_tasklist_change", args=[row.pk])
    page(staff.post(address, {"name": "Work", "color": "#00ff00", "is_archived": "on", **seen(row)}, follow=True))
    row.refresh_from_db()
    assert (row.name, row.color, row.is_archived, row.version) == ("Work", "#00ff00", True, 2)
    assert row.archived_at is not None
    assert "A color is # and six hexadecimal digits." in page(
        staff.post(address, {"name": "Work", "color": "red", **seen(row)}, follow=True)
    )


@pytest.mark.parametrize(("action", "is_deleted"), [("empty_and_remove", False), ("remove_with_tasks", True)])
def test_lists_are_deleted_with_their_tasks_or_without(staff: Client, action: str, is_deleted: bool) -> None:
    owner = make_user()
    row = make_list(owner)
    task = make_task(owner, list_id=row.id)

    assert "1 list deleted." in act(staff, "tasks_tasklist", action, row)

    row.refresh_from_db()
    task.refresh_from_db()
    assert row.deleted_at is not None
    assert ((task.deleted_at is not None), task.list_id) == (is_deleted, row.id if is_deleted else None)

    assert "1 list restored." in act(staff, "tasks_tasklist", "restore", row)
    task.refresh_from_db()
    assert task.deleted_at is None


def test_a_persons_lists_are_on_their_page_and_lead_to_their_tasks(staff: Client) -> None:
    owner = make_user()
    row, other = make_list(owner, "Garden"), make_list(owner, "Kitchen")
    task, elsewhere = make_task(owner, "Mow", list_id=row.id), make_task(owner, "Cook", list_id=other.id)

    assert "Garden" in page(staff.get(reverse("admin:accounts_user_change", args=[owner.pk])))
    found = page(staff.get(reverse("admin:tasks_task_changelist"), {"user__id__exact": owner.pk, "list_id": row.id}))
    assert task.title in found
    assert elsewhere.title not in found
    assert "Garden" in page(staff.get(reverse("admin:tasks_task_change", args=[task.pk])))


def test_subtasks_are_on_their_parents_page_and_go_with_it(staff: Client) -> None:
    owner = make_user()
    parent = make_task(owner, "Move house")
    child = make_task(owner, "Pack boxes", parent_id=parent.id)

    assert "Pack boxes" in page(staff.get(reverse("admin:tasks_task_change", args=[parent.pk])))
    assert "Move house" in page(staff.get(reverse("admin:tasks_task_change", args=[child.pk])))
    assert "1 task moved to the trash." in act(staff, "tasks_task", "remove", parent)
    child.refresh_from_db()
    assert child.deleted_with == parent.id
    parent.refresh_from_db()
    assert "1 task restored." in act(staff, "tasks_task", "restore", parent)
    child.refresh_from_db()
    assert child.deleted_at is None
