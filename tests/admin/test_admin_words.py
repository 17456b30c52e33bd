"""What pages of the admin say: what is stored, in plain words, and which filters are in use."""

import re
import uuid
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from tests.support.staff import act, editor, make_list, make_task, make_token, make_user, page, root_client, seen

pytestmark = pytest.mark.usefixtures("orm")


def test_filters_add_up_and_each_can_be_taken_off() -> None:
    user = make_user()
    task = make_task(user, "Mend the roof", due_on="2020-01-01")
    make_task(user, "Mend the roof", is_completed=True)
    query = {"state": "overdue", "q": "roof", "deleted": "all", "user__id__exact": str(user.pk), "priority__exact": "0"}
    answer: Any = root_client().get("/admin/tasks/task/", query)
    changes = answer.context["cl"]
    assert [row.pk for row in changes.result_list] == [task.pk]
    texts = {chip.text for chip in changes.chips}
    assert texts >= {"search: roof", "state: Overdue", "deleted: All, deleted or not", f"owner: {user.email}"}
    assert len(changes.chips) == 5
    for chip in changes.chips:
        assert chip.address.count("=") == 4, chip.address  # one less
        assert chip.address.replace("&", "&amp;") in page(answer)


def test_every_filter_is_a_field_of_the_form_that_is_applied() -> None:
    text = page(root_client().get("/admin/tasks/task/"))
    form = text[text.index('id="filter-form"') : text.index("Apply Filters")]
    for name in ("state", "deleted", "priority__exact", "user__id__exact", "due_on_from", "completed_at_to"):
        assert f'name="{name}"' in form, name
    text = page(root_client().get("/admin/accounts/user/"))
    form = text[text.index('id="filter-form"') : text.index("Apply Filters")]
    assert 'name="is_active__exact"' in form
    assert 'name="is_staff__exact"' in form


@pytest.mark.parametrize("view", ["change", "history"])
def test_a_heading_is_what_is_stored(view: str) -> None:
    user = make_user("lower")
    text = page(root_client().get(reverse(f"admin:accounts_user_{view}", args=[user.pk])))
    assert user.email in text
    assert user.email.capitalize() not in text


def test_a_page_that_was_refused_is_headed_by_what_is_stored() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    address = reverse("admin:accounts_user_change", args=[alice.pk])
    form = {"email": bob.email.upper(), "timezone": "UTC", **seen(alice)}
    answer: Any = root_client().post(address, form)
    assert answer.context["original"].email == answer.context["subtitle"] == alice.email
    head = page(answer).split("<form")[0]
    assert alice.email in head
    assert bob.email.upper() not in head


@pytest.mark.parametrize("deed", ["deactivate", "revoke-tokens", "send-reset", "erase", "lift-limit", "export"])
def test_whoever_is_meant_is_named_before_anything_is_done(deed: str) -> None:
    user = make_user()
    assert f">{user.email}</strong>" in page(root_client().get(reverse("admin:accounts_user_do", args=[user.pk, deed])))


def test_a_persons_page_begins_with_what_support_looks_for() -> None:
    user = make_user()
    make_task(user), make_task(user, due_on="2020-01-01"), make_task(user, is_completed=True)
    make_token(user), make_token(user, revoked_at="2026-01-01T00:00:00Z")
    answer: Any = root_client().get(reverse("admin:accounts_user_change", args=[user.pk]))
    facts = {fact.name: fact.value for fact in answer.context["summary"]}
    assert facts == {
        "Live tokens": "1",
        "Last seen": "never",
        "Failed sign-ins, 7 days": "0",
        "Open": "2",
        "Overdue": "1",
    }
    text = page(answer)
    assert text.index("Live tokens") < text.index("Newest tasks") < text.index('id="user_form"')
    assert "overdue" in text[text.index("Newest tasks") :]


# What only a program says: names of columns and models, Python's own words, and what Django calls things.
NOT_PLAIN = re.compile(
    r"\b[a-z]+_[a-z_]+\b|\b(accounts|tasks|auth)\.[a-z]+|\b(True|False)\b"
    r"|Can (add|change|delete|view|erase)\b|\bto (change|view)$|Designates|Bookkeeping|Change no\b"
    r"|superuser status|Authentication and Authorization|yielded|\bpk\b|Door\b|\{[\"']"
)


def shown(client: Client, address: str) -> list[str]:
    """Return the texts that a page shows, one by one."""
    html = re.sub(r"<(script|style|svg|code|textarea)\b.*?</\1>", "", page(client.get(address)), flags=re.DOTALL)
    html = re.sub(r"<[^>]*material-symbols-outlined[^>]*>[^<]*<", "<", html)  # names of pictures
    attributes = re.findall(r'(?:title|placeholder|aria-label|alt)="([^"]*)"', html)
    return [text for text in map(str.strip, [*re.split(r"<[^>]*>", html), *map(unescape, attributes)]) if text]


def told_of_everything() -> tuple[Client, list[str]]:
    """Do what leaves something to be told; return who may look at it, and all pages there are."""
    root = root_client()
    user, group = make_user(), Group.objects.get(name="Support")
    task, row, token = make_task(user, priority=3, due_on="2020-01-01"), make_list(user), make_token(user)
    form = {"email": user.email, "timezone": "Asia/Tokyo", "is_staff": "on", "groups": [str(group.pk)], **seen(user)}
    page(root.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    act(root, "tasks_task", "complete", task), act(root, "tasks_task", "remove", task)
    act(root, "accounts_accesstoken", "revoke", token)
    root.get("/admin/tasks/task/?user__email=x")  # refused, and recorded
    events = AuditEvent.objects.order_by("-id")[:6]
    rows = [(user, "accounts_user"), (task, "tasks_task"), (row, "tasks_tasklist"), (token, "accounts_accesstoken")]
    rows += [(group, "auth_group"), *((event, "accounts_auditevent") for event in events)]
    pages = [reverse(f"admin:{name}_{view}", args=[one.pk]) for one, name in rows for view in ("change", "history")]
    lists = [f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]
    pages += [reverse(f"admin:{name}_changelist") for name in lists]
    pages += [reverse(f"admin:{name}_add") for name in ("accounts_user", "tasks_task", "tasks_tasklist", "auth_group")]
    pages += [
        reverse("admin:tasks_tasklist_delete", args=[row.pk]),
        reverse("admin:auth_group_delete", args=[group.pk]),
    ]
    pages += [reverse("admin:accounts_user_do", args=[user.pk, deed]) for deed in ("deactivate", "erase", "export")]
    general = ("index", "account", "password_change", "second_factor_set_up")
    pages += [reverse(f"admin:{name}") for name in general]
    return root, [*pages, "/admin/tasks/task/?q=nothingofthekind", f"/admin/accounts/user/?q={user.email}"]


def test_no_page_speaks_like_a_database() -> None:
    client, pages = told_of_everything()
    told = {(address, text) for address in pages for text in shown(client, address) if NOT_PLAIN.search(text)}
    # An operator's table on the first page has the routes of the API.
    assert sorted(one for one in told if not re.match(r"(GET|POST|PUT|PATCH|DELETE) /", one[1])) == []


def test_an_event_is_told_in_words_with_what_things_are_called() -> None:
    client, user = root_client(), make_user(is_staff=True)
    group = Group.objects.get(name="Viewer")
    form = {"email": user.email, "timezone": "Asia/Tokyo", "is_staff": "", "groups": [str(group.pk)], **seen(user)}
    page(client.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    event = AuditEvent.objects.get(object_id=str(user.pk), action="change")

    text = page(client.get(reverse("admin:accounts_auditevent_change", args=[event.pk])))

    for line in ("time zone: UTC → Asia/Tokyo", "staff: yes → no", "groups: – → Viewer", f"user {user.email}"):
        assert line in text, line


def test_rights_are_offered_in_words_and_only_those_that_open_something() -> None:
    texts = shown(root_client(), "/admin/auth/group/add/")
    assert {"Change access tokens", "View audit events", "Lift the rate limit of users"} <= {*texts}
    assert not [text for text in texts if "content type" in text or "session" in text.lower()]


@pytest.mark.parametrize("kind", ["tasks.tasklist", "auth.group"])
def test_lists_and_groups_have_their_names_in_the_audit(kind: str) -> None:
    name = f"n{uuid.uuid4().hex}"
    row = make_list(make_user(), name) if kind == "tasks.tasklist" else Group.objects.create(name=name)
    event = AuditEvent.objects.create(door="admin", action="view", object_type=kind, object_id=str(row.pk), facts={})
    assert f"{row._meta.verbose_name} {name}" in page(root_client().get(f"/admin/accounts/auditevent/?q={event.pk}"))
    hidden = page(editor("view_auditevent").get(f"/admin/accounts/auditevent/?q={event.pk}"))
    assert name not in hidden


def test_what_somebody_did_leads_to_what_they_did_it_to() -> None:
    user, task = make_user("staff", is_staff=True), make_task(make_user(), f"Errand {uuid.uuid4().hex}")
    AuditEvent.objects.create(
        door="admin", action="view", actor_id=user.pk, object_type="tasks.task", object_id=str(task.pk), facts={}
    )
    text = page(root_client().get(reverse("admin:accounts_user_change", args=[user.pk])))
    assert f"task {task.title}" in text
    assert reverse("admin:tasks_task_change", args=[task.pk]) in text


def test_a_time_zone_is_chosen_among_those_there_are() -> None:
    text = page(root_client().get("/admin/accounts/user/add/"))
    assert '<option value="Europe/Berlin"' in text
    assert '<option value="UTC" selected' in text


def test_the_list_of_people_tells_their_last_login_and_who_has_a_second_factor() -> None:
    user = make_user("staff", is_staff=True, last_login="2026-11-01T09:30:00Z")
    text = page(root_client().get(f"/admin/accounts/user/?q={user.email}")).replace("\xa0", " ")
    row = re.search(rf"<tr[^>]*>(?:(?!</tr>).)*{user.email}.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert "1 Nov 2026, 09:30" in row[0]
    assert re.search(r"field-has_factor[^>]*>\s*no\s*<", row[0])
