"""Every action of the admin's lists × what it leaves in the audit. What is done to a person stands in test_deeds.py."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import models
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import AccessToken, AuditEvent
from tasks.models import Task, TaskList
from tests.support.staff import act, logged_in, make_hook, make_list, make_task, make_token, make_user, page, seen

pytestmark = pytest.mark.usefixtures("orm")

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

# By list and action: how a row is before, what is recorded, what has become of it, and which members have changed.
ACTIONS: dict[tuple[str, str], tuple[dict[str, Any], str, str, str]] = {
    ("accounts_accesstoken", "revoke"): ({}, "change", "revoked", "revoked_at"),
    ("tasks_task", "complete"): ({}, "change", "completed", "is_completed"),
    ("tasks_task", "reopen"): ({"is_completed": True}, "change", "reopened", "is_completed"),
    ("tasks_task", "edit"): ({}, "change", "changed", "priority"),
    ("tasks_task", "remove"): ({}, "delete", "deleted", "deleted_at"),
    ("tasks_task", "restore"): ({"deleted_at": LONG_AGO}, "change", "restored", "deleted_at"),
    ("tasks_tasklist", "empty_and_remove"): ({}, "delete", "deleted", "deleted_at"),
    ("tasks_tasklist", "remove_with_tasks"): ({}, "delete", "deleted", "deleted_at"),
    ("tasks_tasklist", "restore"): ({"deleted_at": LONG_AGO}, "change", "restored", "deleted_at"),
    ("tasks_webhook", "disable"): ({}, "change", "disabled", "is_enabled disabled_reason"),
}
FILLED_IN = {"edit": {"edit-priority": "3"}}  # what an action asks for
MAKE = {
    "accounts_accesstoken": make_token,
    "tasks_task": make_task,
    "tasks_tasklist": make_list,
    "tasks_webhook": make_hook,
}


def make(model: str, **fields: Any) -> Any:
    return MAKE[model](make_user(), **fields)


def test_every_action_of_every_list_is_in_the_table() -> None:
    request = RequestFactory().get("/admin/")
    request.user = make_user("root", is_staff=True, is_superuser=True)
    offered = {
        (f"{model._meta.app_label}_{model._meta.model_name}", name)
        for model, lists in admin.site._registry.items()
        for name in lists.get_actions(request)
    }
    assert offered == ACTIONS.keys() | {("auth_group", "delete_selected")}  # below


def events_of(row: models.Model) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(object_id=str(row.pk)).order_by("id"))


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=["-".join(both) for both in ACTIONS])
def test_each_action_leaves_one_event_for_each_row_that_it_has_changed(model: str, action: str) -> None:
    before, recorded, done, member = ACTIONS[model, action]
    root = make_user("root", is_staff=True, is_superuser=True)
    rows, beside = [make(model, **before) for _ in range(2)], make(model, **before)

    act(logged_in(root), model, action, *rows, **FILLED_IN.get(action, {}))

    for row in rows:
        (event,) = events_of(row)
        assert (event.action, event.actor_id, event.door) == (recorded, root.pk, "admin")
        assert event.facts.items() >= {"done": done}.items()
        assert list(event.detail.changes) == member.split()
    assert events_of(beside) == []


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=["-".join(both) for both in ACTIONS])
def test_an_action_that_changes_nothing_records_nothing(model: str, action: str) -> None:
    before = ACTIONS[model, action][0]
    done_already = {
        "revoke": {"revoked_at": LONG_AGO},
        "complete": {"is_completed": True},
        "reopen": {},
        "restore": {},
        "disable": {"is_enabled": False, "disabled_at": LONG_AGO, "disabled_reason": "staff"},
    }
    row = make(model, **done_already.get(action, {"deleted_at": LONG_AGO}))
    assert before != done_already.get(action)

    act(logged_in(make_user("root", is_staff=True, is_superuser=True)), model, action, row, **FILLED_IN.get(action, {}))

    assert events_of(row) == []


# --- Pages that do one thing -------------------------------------------------------------------------


def test_the_page_that_revokes_one_token_leaves_one_event() -> None:
    root, token = make_user("root", is_staff=True, is_superuser=True), make_token(make_user())
    logged_in(root).post(reverse("admin:accounts_accesstoken_revoke", args=[token.pk]), seen(token))
    assert AccessToken.objects.get(pk=token.pk).revoked_at is not None
    assert [(event.action, event.actor_id, event.facts["done"]) for event in events_of(token)] == [
        ("change", root.pk, "revoked")
    ]


@pytest.mark.parametrize(("model", "kind"), [("tasks_task", Task), ("tasks_tasklist", TaskList)])
def test_the_page_that_deletes_leaves_one_event(model: str, kind: Any) -> None:
    root, row = make_user("root", is_staff=True, is_superuser=True), make(model)
    client = logged_in(root)
    assert client.post(reverse(f"admin:{model}_delete", args=[row.pk]), {"post": "yes", **seen(row)}).status_code == 302
    assert kind.objects.get(pk=row.pk).deleted_at is not None
    assert [(event.action, event.actor_id) for event in events_of(row)] == [("delete", root.pk)]


def test_taking_a_deletion_back_leaves_one_event_more() -> None:
    root, task = make_user("root", is_staff=True, is_superuser=True), make_task(make_user())
    client = logged_in(root)
    act(client, "tasks_task", "remove", task)
    client.post(reverse("admin:tasks_task_undo"), {})
    assert Task.objects.get(pk=task.pk).deleted_at is None
    assert [(event.action, event.actor_id) for event in events_of(task)] == [("delete", root.pk), ("change", root.pk)]


def test_each_new_group_each_that_changes_and_each_that_goes_leaves_an_event() -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    client, name = logged_in(root), f"made by {root.pk}"
    page(client.post(reverse("admin:auth_group_add"), {"name": name}, follow=True))
    group = Group.objects.get(name=name)
    address = reverse("admin:auth_group_change", args=[group.pk])
    page(client.post(address, {"name": f"{name} again", **seen(group)}, follow=True))
    client.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes", **seen(group)})
    for other in "ab":
        page(client.post(reverse("admin:auth_group_add"), {"name": f"{name} {other}"}, follow=True))
    act(client, "auth_group", "delete_selected", *Group.objects.filter(name__startswith=name), post="yes")
    assert not Group.objects.filter(name__startswith=name).exists()
    events = AuditEvent.objects.filter(actor_id=root.pk, object_type="auth.group").order_by("id")
    actions = [event.action for event in events if event.action != "view"]
    assert actions == ["add", "change", "delete", "add", "add", "delete", "delete"]
