"""Series in the admin: shown on a task's page, and moved on by their present occurrence."""

import itertools
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tasks.models import Task
from tasks.recurrence import budget
from tests.support.staff import act, editor, make_task, make_user, page
from tests.tasks.test_admin_tasks import task_form

pytestmark = pytest.mark.usefixtures("orm")

DAILY = {"rule": "FREQ=DAILY", "missed": "keep"}


def make_series(**members: Any) -> Task:
    return make_task(make_user(), "Water the plants", due_on=date(2027, 1, 4), recurrence=DAILY, **members)


def copies(task: Task) -> list[tuple[str | None, str, bool]]:
    found = Task.objects.filter(user=task.user, recurrence_of=task.id).order_by("occurrence")
    return [(copy.occurrence, str(copy.due_on), copy.is_completed) for copy in found]


def change(staff: Client, task: Task, **changes: Any) -> Task:
    address = reverse("admin:tasks_task_change", args=[task.pk])
    form = task_form(task, due_on=str(task.due_on)) | changes
    page(staff.post(address, form, follow=True))
    task.refresh_from_db()
    return task


def test_page_of_a_task_shows_its_series_and_its_copies(staff: Client) -> None:
    task = make_series(reminders=[{"minutes_before": 15}, {"at": "2027-01-04T08:00:00.000000Z"}])
    change(staff, task, is_completed="on")
    copy = Task.objects.get(recurrence_of=task.id, user=task.user)

    text = page(staff.get(reverse("admin:tasks_task_change", args=[task.pk])))
    for shown in ("FREQ=DAILY", "now 5\u00a0Jan\u00a02027", "15 minutes before", f"{copy.pk}/change"):
        assert shown in text
    text = page(staff.get(reverse("admin:tasks_task_change", args=[copy.pk])))
    assert f"{task.pk}/change" in text
    page(staff.get(reverse("admin:tasks_task_change", args=[make_task(make_user()).pk])))


def test_tick_completes_the_present_occurrence(staff: Client) -> None:
    task = change(staff, make_series(), title="Water them", is_completed="on")

    assert (task.title, task.is_completed, str(task.due_on), task.occurrence) == (
        "Water them",
        False,
        "2027-01-05",
        "2027-01-05",
    )
    assert copies(task) == [("2027-01-04", "2027-01-04", True)]
    history = page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))
    assert "2027-01-04 → 2027-01-05" in history


def test_tick_while_the_due_is_cleared_completes_the_task(staff: Client) -> None:
    task = change(staff, make_series(), due_on="", is_completed="on")

    assert (task.is_completed, task.recurrence, copies(task)) == (True, None, [])


def test_tick_in_the_list_moves_a_series(staff: Client) -> None:
    task = make_series()
    from tests.support.staff import seen

    form = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-key": str(task.pk),
        "_save": "Save",
        "form-0-priority": "0",
        "form-0-is_completed": "on",
        **seen(task),
    }
    page(staff.post(f"/admin/tasks/task/?user__id__exact={task.user_id}", form, follow=True))
    task.refresh_from_db()

    assert (task.is_completed, task.occurrence) == (False, "2027-01-05")
    assert copies(task) == [("2027-01-04", "2027-01-04", True)]


def test_action_completes_series_by_their_occurrence_and_others_whole(staff: Client) -> None:
    task, last, plain = make_series(), make_series(), make_task(make_user())
    Task.objects.filter(pk=last.pk).update(recurrence={**DAILY, "rule": "FREQ=DAILY;COUNT=1"})
    last.refresh_from_db()

    text = act(staff, "tasks_task", "complete", task, last, plain)

    assert "3 tasks completed" in text
    for row in (task, last, plain):
        row.refresh_from_db()
    assert [row.is_completed for row in (task, last, plain)] == [False, True, True]
    assert (task.occurrence, copies(task), copies(last)) == ("2027-01-05", [("2027-01-04", "2027-01-04", True)], [])
    assert "2027-01-04 → 2027-01-05" in page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))


# --- How it recurs, and when its owner is reminded, in the form ------------------------------------


def typed(**changes: str) -> dict[str, str]:
    return {"rule": "", "counts_from": "due", "missed": "skip", "zone": "", "remind": "", **changes}


def test_series_and_reminders_are_typed_in_changed_and_ended(staff: Client) -> None:
    task = make_task(make_user(), due_on=date(2027, 1, 4))
    remind = "15 minutes before\r\n2027-01-04 08:00 UTC"

    task = change(staff, task, **typed(rule="freq=weekly;byday=mo", zone="Europe/Berlin", remind=remind))
    assert task.recurrence == {
        "rule": "FREQ=WEEKLY;BYDAY=MO",
        "from": "due",
        "timezone": "Europe/Berlin",
        "missed": "skip",
    }
    assert (task.occurrence, task.reminders) == (
        "2027-01-04",
        [{"minutes_before": 15}, {"at": "2027-01-04T08:00:00.000000Z"}],
    )
    history = page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))
    assert "FREQ=WEEKLY;BYDAY=MO" in history

    shown = typed(rule="FREQ=WEEKLY;BYDAY=MO", zone="Europe/Berlin", remind=remind)
    assert change(staff, task, **shown).version == task.version  # as the page shows it
    task = change(staff, task, **(shown | {"missed": "keep", "remind": "60"}))
    assert (task.recurrence or {})["missed"] == "keep"
    assert (task.occurrence, task.reminders) == ("2027-01-04", [{"minutes_before": 60}])

    task = change(staff, task, **typed(missed="keep"))
    assert (task.recurrence, task.occurrence, task.reminders, str(task.due_on)) == (None, None, [], "2027-01-04")


def test_new_task_begins_with_its_series(staff: Client) -> None:
    owner = make_user()
    form = {"title": "Water", "user": str(owner.pk), "priority": 0, "due_on": "2027-01-04", **typed(rule="FREQ=DAILY")}
    page(staff.post(reverse("admin:tasks_task_add"), form, follow=True))
    task = Task.objects.get(user=owner)
    assert (task.occurrence, (task.recurrence or {})["timezone"]) == ("2027-01-04", "UTC")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"rule": "every day"}, "A rule is made of"),
        ({"rule": "FREQ=DAILY", "due_on": ""}, "needs a due"),
        ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "no other day within 50 years"),
        ({"rule": "FREQ=DAILY", "zone": "Mars/Olympus"}, "Not an IANA time zone"),
        ({"remind": "tomorrow"}, "“tomorrow” is neither"),
        ({"remind": "40321"}, "four weeks"),
        ({"remind": "1\r\n2\r\n3\r\n4\r\n5\r\n6"}, "at most 5"),
    ],
    ids=["no rule", "no due", "no other day", "no zone", "no moment", "too early", "too many"],
)
def test_what_is_no_series_or_reminder_is_said_beside_its_field(
    staff: Client, fields: dict[str, str], why: str
) -> None:
    task = make_task(make_user(), due_on=date(2027, 1, 4))
    form = task_form(task, due_on=str(task.due_on)) | typed() | fields
    text = page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), form))
    assert why in text
    task.refresh_from_db()
    assert task.version == 1


def test_whoever_may_only_look_sees_it_in_words(staff: Client) -> None:
    task = make_series(reminders=[{"minutes_before": 15}])
    text = page(editor("view_task").get(reverse("admin:tasks_task_change", args=[task.pk])))
    assert "15 minutes before" in text
    assert "now 4\u00a0Jan\u00a02027" in text
    assert 'name="rule"' not in text


def test_rule_that_takes_too_long_is_told_and_nothing_is_done(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_series()
    ticks = itertools.count()
    monkeypatch.setattr(budget, "time", SimpleNamespace(thread_time=lambda: next(ticks) * 0.03))
    address = reverse("admin:tasks_task_change", args=[task.pk])
    form = task_form(task, due_on=str(task.due_on), is_completed="on")
    assert "takes too long to find" in page(staff.post(address, form, follow=True))
    assert "Nothing was done" in act(staff, "tasks_task", "complete", task)
    task.refresh_from_db()
    assert (task.version, copies(task)) == (1, [])
