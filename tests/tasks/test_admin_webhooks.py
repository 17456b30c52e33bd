"""Webhooks in the admin: seen without what is secret, and disabled."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tasks.admin import statistics
from tasks.models import Task, Webhook
from tests.support.staff import editor, logged_in, make_hook, make_user, page, root_client, seen

pytestmark = pytest.mark.usefixtures("orm")


def test_they_are_listed_and_shown_without_what_may_be_secret(staff: Client) -> None:
    hook = make_hook(make_user())
    for text in (
        page(staff.get(reverse("admin:tasks_webhook_changelist"))),
        page(staff.get(reverse("admin:tasks_webhook_change", args=[hook.pk]))),
    ):
        assert "https://hooks.example.com/todo" in text
        assert "s3cret" not in text


def test_staff_disable_one_and_its_owner_is_told(staff: Client) -> None:
    hook = make_hook(make_user())
    form = {"action": "disable", "index": "0", "_selected_action": [str(hook.pk)], **seen(hook)}
    address = reverse("admin:tasks_webhook_changelist")
    assert "Nothing more is sent" in page(staff.post(address, form))
    assert "1 webhook disabled." in page(staff.post(address, {**form, "confirmed": "1"}, follow=True))
    hook.refresh_from_db()
    assert (hook.is_enabled, hook.disabled_reason, hook.notice) == (False, "staff", "staff")


def test_nobody_disables_those_of_more_powerful_people() -> None:
    support = make_user("support", is_staff=True)
    support.groups.add(Group.objects.get(name="Support"))
    theirs, ones_own = make_hook(make_user("root", is_staff=True, is_superuser=True)), make_hook(make_user())
    client, address = logged_in(support), reverse("admin:tasks_webhook_changelist")
    form = {"action": "disable", "index": "0", "confirmed": "1"}
    page(client.post(address, {**form, "_selected_action": [str(theirs.pk), str(ones_own.pk)]}, follow=True))
    theirs.refresh_from_db()
    ones_own.refresh_from_db()
    assert (theirs.is_enabled, ones_own.is_enabled) == (True, False)


def test_who_may_only_look_disables_none() -> None:
    hook = make_hook(make_user())
    text = page(editor("view_webhook").get(reverse("admin:tasks_webhook_changelist")))
    assert "Disable selected" not in text
    hook.refresh_from_db()
    assert hook.is_enabled


def test_the_first_page_tells_how_many_fail_and_since_when_an_event_waits() -> None:
    Webhook.objects.all().delete()  # others' events may have waited for longer
    owner = make_user()
    make_hook(owner)
    hook = make_hook(owner)
    assert (statistics.read().webhooks, statistics.read().oldest_undelivered) == (2, None)
    task = Task.objects.create(user=owner, title="Buy milk")
    task.refresh_from_db()
    Webhook.objects.filter(pk=hook.pk).update(failing_since=timezone.now())
    found = statistics.read()
    assert (found.webhooks, found.failing_webhooks, found.oldest_undelivered) == (2, 1, task.updated_at)
    statistics.kept._figures = None
    assert "1 of 2" in page(editor("view_webhook").get("/admin/"))


def test_events_are_told_in_words() -> None:
    hook = make_hook(make_user())
    hook.events = ["task.occurrence_completed", "list.*"]
    hook.save(update_fields=["events"])
    for address in ("admin:tasks_webhook_changelist", "admin:tasks_webhook_change"):
        shown = page(root_client().get(reverse(address, args=[hook.pk] if address.endswith("change") else [])))
        assert "task occurrence completed, all list events" in shown
        assert "occurrence_completed" not in shown
