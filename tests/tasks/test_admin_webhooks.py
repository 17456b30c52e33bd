"""Webhooks in the admin: seen without what is secret, and disabled."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from tasks import webhook_secrets
from tasks.admin import statistics
from tasks.models import Task, Webhook
from tests.support.staff import editor, make_user, page, seen

pytestmark = pytest.mark.usefixtures("orm")


def make_hook(owner: User, **fields: Any) -> Webhook:
    url = "https://hooks.example.com/todo?key=s3cret"
    return Webhook.objects.create(user=owner, url=url, events=["task.*"], secret=webhook_secrets.seal(b"s"), **fields)


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
