"""Tasks in the admin: what staff change, the triggers vouch for."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from tasks.models import Task
from tests.support.staff import act, make_task, make_user, page, seen

pytestmark = pytest.mark.usefixtures("orm")


def task_form(task: Task, **changes: Any) -> dict[str, Any]:
    """What a browser sends back when it opens the form of `task` and changes something."""
    fields = {"title": task.title, "description": task.description, "priority": task.priority, **changes}
    return {"due_on": "", "due_at_0": "", "due_at_1": "", **seen(task), **fields}


def test_a_task_is_added_for_an_owner(staff: Client) -> None:
    owner, title = make_user(), uuid.uuid4().hex
    form = {"title": f"  {title}  ", "user": str(owner.pk), "priority": 3, "due_on": "2030-01-31"}
    page(staff.post("/admin/tasks/task/add/", form, follow=True))
    task = Task.objects.get(title=title)
    assert (task.user_id, task.priority, str(task.due_on), task.version, task.change_no) == (
        owner.pk,
        3,
        "2030-01-31",
        1,
        1,
    )


def test_changing_a_task_moves_what_clients_watch(staff: Client) -> None:
    task = make_task(make_user())
    address = reverse("admin:tasks_task_change", args=[task.pk])
    page(staff.post(address, task_form(task, title="Buy bread", is_completed="on"), follow=True))
    after = Task.objects.select_related("user").get(pk=task.pk)
    assert (after.title, after.version, after.is_completed) == ("Buy bread", 2, True)
    assert after.updated_at > task.updated_at
    assert after.completed_at == after.updated_at
    assert after.user.change_no == after.change_no == 2
    history = page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))
    assert "Buy milk → " in history
    assert "completed</strong>: no → yes" in history


def test_a_task_is_open_on_its_very_day_and_overdue_on_the_next(staff: Client) -> None:
    """In the list, by the filter and by the label; a day is over when it is over in UTC."""
    owner, today = make_user(), datetime.now(UTC).date()
    titles = {days: f"due {days} {uuid.uuid4().hex}" for days in (-1, 0, 1)}
    for days, title in titles.items():
        make_task(owner, title=title, due_on=today + timedelta(days=days))

    address = f"/admin/tasks/task/?user__id__exact={owner.pk}"
    text, overdue = page(staff.get(address)), page(staff.get(f"{address}&state=overdue"))

    assert [title in overdue for title in titles.values()] == [True, False, False]
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL)
    states = {days: next(row for row in rows if title in row) for days, title in titles.items()}
    assert {days: "overdue" in row for days, row in states.items()} == {-1: True, 0: False, 1: False}


def test_what_follows_a_save_sees_what_the_trigger_made(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    task, versions = make_task(make_user()), []
    monkeypatch.setattr(
        "tasks.admin.tasks.TaskAdmin.log_change", lambda _, request, obj, text: versions.append(obj.version)
    )
    page(
        staff.post(reverse("admin:tasks_task_change", args=[task.pk]), task_form(task, title="Buy bread"), follow=True)
    )
    assert versions == [2]


def test_saving_a_task_unchanged_changes_nothing(staff: Client) -> None:
    task = make_task(make_user(), due_at=datetime(2030, 1, 1, 12, tzinfo=UTC))
    form = task_form(task, due_at_0="2030-01-01", due_at_1="12:00:00")
    page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), form, follow=True))
    assert Task.objects.get(pk=task.pk).version == 1


def test_a_task_that_changed_meanwhile_is_not_overwritten(staff: Client) -> None:
    task = make_task(make_user())
    Task.objects.filter(pk=task.pk).update(description="by its owner")
    text = page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), task_form(task, title="Buy bread")))
    assert "somebody else has changed this" in text
    assert Task.objects.get(pk=task.pk).title == "Buy milk"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"title": "   "}, "This field is required."),
        ({"title": "x" * 256}, "at most 255 characters"),
        ({"description": "x" * 10_001}, "at most 10000 characters"),
        (
            {"due_on": "2030-01-01", "due_at_0": "2030-01-01", "due_at_1": "12:00"},
            "on a day or at an instant, not both",
        ),
        ({"due_on": "0001-01-01"}, "The due date is out of range."),
        ({"due_at_0": "9999-12-31", "due_at_1": "12:00"}, "The due time is out of range."),
        ({"priority": 7}, "Select a valid choice"),
        ({"title": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_a_bad_task_is_refused_with_the_reason(staff: Client, changes: dict[str, Any], complaint: str) -> None:
    task = make_task(make_user())
    assert complaint in page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), task_form(task, **changes)))
    assert Task.objects.get(pk=task.pk).version == 1


def test_the_owner_is_chosen_by_searching_and_then_fixed(staff: Client) -> None:
    task, other = make_task(make_user()), make_user()
    assert "admin-autocomplete" in page(staff.get("/admin/tasks/task/add/"))
    assert other.email not in page(staff.get("/admin/tasks/task/add/"))
    address = reverse("admin:tasks_task_change", args=[task.pk])
    assert 'name="user"' not in page(staff.get(address))
    page(staff.post(address, task_form(task, user=str(other.pk), title="Still mine"), follow=True))
    after = Task.objects.get(pk=task.pk)
    assert (after.user_id, after.title) == (task.user_id, "Still mine")


def test_the_owner_is_found_by_e_mail(staff: Client) -> None:
    user = make_user()
    query = {"app_label": "tasks", "model_name": "task", "field_name": "user", "term": user.email[:20]}
    found = staff.get("/admin/autocomplete/", query).json()
    assert found["results"] == [{"id": str(user.pk), "text": user.email}]


def test_tasks_are_completed_reopened_deleted_and_restored_by_action(staff: Client) -> None:
    first, second = (make_task(make_user()) for _ in range(2))
    assert "2 tasks completed." in act(staff, "tasks_task", "complete", first, second)
    assert "None of the selected tasks could be completed." in act(staff, "tasks_task", "complete", first, second)
    assert [task.version for task in Task.objects.filter(pk__in=[first.pk, second.pk])] == [2, 2]
    first.refresh_from_db()
    assert "1 task reopened." in act(staff, "tasks_task", "reopen", first)
    assert Task.objects.get(pk=first.pk).completed_at is None
    again = list(Task.objects.filter(pk__in=[first.pk, second.pk]))
    assert "2 tasks moved to the trash." in act(staff, "tasks_task", "remove", *again)
    assert Task.objects.filter(pk__in=[first.pk, second.pk], deleted_at__isnull=False).count() == 2
    first.refresh_from_db()
    assert "1 task restored." in act(staff, "tasks_task", "restore", first)
    after = Task.objects.select_related("user").get(pk=first.pk)
    assert (after.deleted_at, after.version, after.user.change_no) == (None, 5, 5)
    told = [(event.action, event.facts.get("done")) for event in audit.events_for(first)]
    assert told == [("change", "restored"), ("delete", "deleted"), ("change", "reopened"), ("change", "completed")]


def test_deleting_a_task_leaves_a_tombstone(staff: Client) -> None:
    task = make_task(make_user())
    page(staff.post(reverse("admin:tasks_task_delete", args=[task.pk]), {"post": "yes"}, follow=True))
    after = Task.objects.get(pk=task.pk)
    assert after.deleted_at is not None
    assert (after.version, after.change_no) == (2, 2)


def test_a_deleted_task_is_shown_but_not_edited(staff: Client) -> None:
    task = make_task(make_user(), deleted_at=timezone.now())
    address = reverse("admin:tasks_task_change", args=[task.pk])
    assert 'name="title"' not in page(staff.get(address))
    assert staff.post(address, task_form(task, title="Back again")).status_code == 403


@pytest.mark.parametrize(
    ("query", "shown"), [("", [True, False]), ("deleted=yes", [False, True]), ("deleted=all", [True, True])]
)
def test_deleted_tasks_are_hidden_unless_asked_for(staff: Client, query: str, shown: list[bool]) -> None:
    user = make_user()
    titles = [make_task(user, uuid.uuid4().hex, deleted_at=when).title for when in (None, timezone.now())]
    text = page(staff.get(f"/admin/tasks/task/?user__id__exact={user.pk}&{query}"))
    assert [title in text for title in titles] == shown


def test_tasks_are_found_by_title_owner_and_id(staff: Client) -> None:
    task, other = make_task(make_user(), uuid.uuid4().hex), make_task(make_user(), uuid.uuid4().hex)
    for search in (task.title[:20].upper(), task.user.email, str(task.id)):
        text = page(staff.get("/admin/tasks/task/", {"q": search}))
        assert task.title in text
        assert other.title not in text


@pytest.mark.parametrize(
    ("search", "shown"),
    [
        ("zazolc {}", [True, False]),
        ("タワー {}", [True, False]),
        ("{} -タワー", [False, True]),
        ('"gesla jazn" {}', [True, False]),
        ('{} -"gesla jazn"', [False, True]),
        ("c++ {}", [False, True]),
        ("{}", [True, True]),
    ],
)
def test_tasks_are_found_as_in_the_api(staff: Client, search: str, shown: list[bool]) -> None:
    mark, user = f"mark{uuid.uuid4().hex}", make_user()
    titles = [f"Zażółć gęślą jaźń 東京タワー {mark}", f"jaźń gęślą C++ {mark}"]
    for title in titles:
        make_task(user, title)
    for query in ({}, {"user__id__exact": str(user.pk)}):
        text = page(staff.get("/admin/tasks/task/", {"q": search.format(mark), **query}))
        assert [title in text for title in titles] == shown


@pytest.mark.parametrize(("search", "told"), [("!!!", True), ("-shoes", True), ("shoes", False), ("a@b", False)])
def test_search_for_nothing_is_told_so(staff: Client, search: str, told: bool) -> None:
    assert ("nothing in this search to look for" in page(staff.get("/admin/tasks/task/", {"q": search}))) == told


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", [True, True, True]),
        ("due_on_from=2031-03-01", [True, True, False]),
        ("due_on_from=2031-03-02", [False, True, False]),
        ("due_on_to=2031-03-01", [True, False, False]),
        ("due_on_from=2031-03-01&due_on_to=2031-03-02", [True, True, False]),
        ("due_on_from=nonsense", [False, False, False]),
        ("due_on_to=9999-12-31", [True, True, False]),
    ],
)
def test_tasks_are_filtered_by_when_they_are_due(staff: Client, query: str, shown: list[bool]) -> None:
    user = make_user()
    dues: list[dict[str, Any]] = [{"due_on": "2031-03-01"}, {"due_at": datetime(2031, 3, 2, 23, 59, tzinfo=UTC)}, {}]
    titles = [make_task(user, uuid.uuid4().hex, **due).title for due in dues]
    text = page(staff.get(f"/admin/tasks/task/?user__id__exact={user.pk}&{query}"))
    assert [title in text for title in titles] == shown
