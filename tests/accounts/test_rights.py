"""Who may see and do what in the admin: every page as each group, and nobody against more powerful people."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts import audit
from accounts.admin.person_actions import DEEDS
from accounts.models import AuditEvent, User
from tasks.models import Task
from tests.support.staff import (
    act,
    editor,
    logged_in,
    make_hook,
    make_list,
    make_task,
    make_token,
    make_user,
    order,
    page,
    seen,
)

pytestmark = pytest.mark.usefixtures("orm")

GROUPS = ("nobody", "Viewer", "Support", "Administrator", "superuser")

# What each may: L list, A add, V view, C change (else the page is read-only), D delete, H history.
_OF_TASKS = {"nobody": "", "Viewer": "LVH", "Support": "LVCDH", "Administrator": "LAVCDH", "superuser": "LAVCDH"}
PAGES = {
    "tasks_task": _OF_TASKS,
    "tasks_tasklist": _OF_TASKS,
    "tasks_webhook": dict.fromkeys(GROUPS, "LVH") | {"nobody": ""},
    "accounts_user": {"nobody": "", "Viewer": "LVH", "Support": "LVCH", "Administrator": "LAVCH", "superuser": "LAVCH"},
    "accounts_accesstoken": dict.fromkeys(GROUPS, "LVH") | {"nobody": ""},
    "accounts_auditevent": {"nobody": "", "Viewer": "", "Support": "", "Administrator": "LVH", "superuser": "LVH"},
    "auth_group": {"nobody": "", "Viewer": "", "Support": "", "Administrator": "LVH", "superuser": "LAVCDH"},
}
DEEDS_OF = {
    "nobody": set(),
    "Viewer": set(),
    "Support": {"send-reset", "revoke-tokens", "lift-limit", "deactivate"},
    "Administrator": {"send-reset", "revoke-tokens", "lift-limit", "deactivate", "export", "erase"},
    "superuser": {"send-reset", "revoke-tokens", "lift-limit", "deactivate", "export", "erase"},
}


def member(group: str) -> User:
    user = make_user(group.lower(), is_staff=True, is_superuser=group == "superuser")
    if group in ("Viewer", "Support", "Administrator"):
        user.groups.add(Group.objects.get(name=group))
    return user


def seen_by_staff(user: User) -> AuditEvent:
    page(logged_in(member("superuser")).get(reverse("admin:accounts_user_change", args=[user.pk])))
    return audit.events_for(user).latest("id")


# How to make a row of each model, for a person.
ROWS: dict[str, Callable[[User], Any]] = {
    "tasks_task": make_task,
    "tasks_tasklist": make_list,
    "tasks_webhook": make_hook,
    "accounts_user": lambda user: user,
    "accounts_accesstoken": make_token,
    "accounts_auditevent": seen_by_staff,
    "auth_group": lambda user: Group.objects.create(name=f"made for {user.pk}"),
}


def test_every_registered_page_is_in_the_table() -> None:
    assert {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry} == PAGES.keys()


@pytest.mark.parametrize("model", PAGES)
@pytest.mark.parametrize("group", GROUPS)
def test_each_group_opens_what_it_may(group: str, model: str) -> None:
    client, row, may = logged_in(member(group)), ROWS[model](make_user()), PAGES[model][group]
    answers = {}
    for letter, view, arguments in _views(row):
        answers[letter] = client.get(reverse(f"admin:{model}_{view}", args=arguments))
        assert answers[letter].status_code == (200 if letter in may else 403), view
    if "V" in may:
        text = page(answers["V"])
        assert ('name="_save"' in text) == ("C" in may)
        assert ("/delete/" in text) == ("D" in may)


def _views(row: Any) -> Iterator[tuple[str, str, list[Any]]]:
    yield from [("L", "changelist", []), ("A", "add", [])]
    yield from [("V", "change", [row.pk]), ("D", "delete", [row.pk]), ("H", "history", [row.pk])]


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_is_offered_and_allowed_the_same_deeds(group: str) -> None:
    client, user = logged_in(member(group)), make_user()
    person = client.get(reverse("admin:accounts_user_change", args=[user.pk]))
    text = "" if group == "nobody" else page(person)
    for deed in DEEDS:
        address = reverse("admin:accounts_user_do", args=[user.pk, deed.name])
        may = deed.name in DEEDS_OF[group]
        assert client.get(address).status_code == (200 if may else 403), deed.name
        assert (address in text) == may


@pytest.mark.parametrize("group", ["Viewer", "Support", "Administrator"])
@pytest.mark.parametrize("target", ["Support", "Administrator", "superuser"])
def test_nobody_acts_on_the_same_or_more_powerful_people(group: str, target: str) -> None:
    client, other = logged_in(member(group)), member(target)
    token = make_token(other)
    outranks = (group, target) == ("Administrator", "Support")
    for name in ("deactivate", "send-reset", "revoke-tokens", "lift-limit"):
        status = client.get(reverse("admin:accounts_user_do", args=[other.pk, name])).status_code
        assert status == (200 if outranks else 403), name
    form = {"email": f"taken-{other.email}", "timezone": "UTC", **seen(other)}
    status = client.post(reverse("admin:accounts_user_change", args=[other.pk]), form).status_code
    assert status == (302 if outranks else 403)
    if group != "Viewer":
        assert order(client, "accounts_accesstoken", "revoke", token).status_code == 302
        token.refresh_from_db()
        assert (token.revoked_at is not None) == outranks


@pytest.mark.parametrize("group", ["Viewer", "Support", "Administrator"])
def test_nobody_raises_their_own_rights(group: str) -> None:
    user = member(group)
    client = logged_in(user)
    groups = [str(group.pk) for group in Group.objects.all()]
    form = {
        "email": user.email,
        "timezone": "UTC",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": groups,
        **seen(user),
    }
    assert client.post(reverse("admin:accounts_user_change", args=[user.pk]), form).status_code == 403
    own = user.groups.get()
    assert client.post(reverse("admin:auth_group_change", args=[own.pk]), {"name": "mine"}).status_code == 403
    user.refresh_from_db()
    assert not user.is_superuser
    assert [group.name for group in user.groups.all()] == [group]


@pytest.mark.parametrize(("group", "given"), [("Viewer", True), ("Support", True), ("Administrator", False)])
def test_an_administrator_gives_lesser_groups_only(group: str, given: bool) -> None:
    user = make_user()
    form = {"email": user.email, "timezone": "UTC", "is_staff": "on", "is_superuser": "on"}
    form |= {"groups": [str(Group.objects.get(name=group).pk)], **seen(user)}
    logged_in(member("Administrator")).post(reverse("admin:accounts_user_change", args=[user.pk]), form)
    user = User.objects.get(pk=user.pk)
    assert (user.is_staff, user.is_superuser) == (given, False)
    assert user.groups.filter(name=group).exists() == given


def test_support_gives_nobody_rights() -> None:
    user = make_user()
    form = {"email": user.email, "timezone": "Asia/Tokyo", "is_staff": "on"}
    form |= {"groups": [str(Group.objects.get(name="Viewer").pk)], **seen(user)}
    logged_in(member("Support")).post(reverse("admin:accounts_user_change", args=[user.pk]), form)
    user = User.objects.get(pk=user.pk)
    assert (user.timezone, user.is_staff, user.groups.count()) == ("Asia/Tokyo", False, 0)


def test_a_viewer_is_offered_no_action_and_can_run_none() -> None:
    client, task = logged_in(member("Viewer")), make_task(make_user())
    assert 'name="action"' not in page(client.get(reverse("admin:tasks_task_changelist")))
    for action in ("complete", "reopen", "remove", "restore", "delete_selected"):
        act(client, "tasks_task", action, task, post="yes")
    task.refresh_from_db()
    assert (task.version, task.is_completed, task.deleted_at) == (1, False, None)


@pytest.mark.parametrize("group", ["Support", "Administrator", "superuser"])
@pytest.mark.parametrize("confirmed", [{}, {"post": "yes"}])
def test_djangos_own_way_to_delete_removes_no_row_for_anybody(group: str, confirmed: dict[str, str]) -> None:
    client, task = logged_in(member(group)), make_task(make_user())
    assert "delete_selected" not in page(client.get(reverse("admin:tasks_task_changelist")))
    act(client, "tasks_task", "delete_selected", task, **confirmed)
    task.refresh_from_db()
    assert (task.version, task.deleted_at) == (1, None)
    admin.site._registry[Task].delete_queryset(RequestFactory().post("/"), Task.objects.filter(pk=task.pk))
    task.refresh_from_db()
    assert task.deleted_at is not None


@pytest.mark.parametrize("state", [{"is_staff": True}, {"is_staff": True, "is_active": False}, {"is_superuser": True}])
@pytest.mark.parametrize("group", ["Viewer", "Support", "Administrator"])
def test_where_staff_sign_in_from_is_for_those_who_may_see_the_audit(group: str, state: dict[str, bool]) -> None:
    other = make_user("staff", **state)
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.77")
    request.user = other
    audit.record(request, audit.SIGN_IN, other)
    audit.record_failed_sign_in(request, other.email)
    text = page(logged_in(member(group)).get(reverse("admin:accounts_user_change", args=[other.pk])))
    assert ("192.0.2.77" in text) == (group == "Administrator")
    assert ("Failed sign-ins" in text) == (group == "Administrator")
    history = page(logged_in(member(group)).get(reverse("admin:accounts_user_history", args=[other.pk])))
    assert ("sign-in" in history) == (group == "Administrator")


def test_where_people_sign_in_from_is_for_all_staff() -> None:
    user = make_user()
    audit.record_failed_sign_in(RequestFactory().get("/", REMOTE_ADDR="192.0.2.78"), user.email)
    assert "192.0.2.78" in page(logged_in(member("Viewer")).get(f"/admin/accounts/user/{user.pk}/change/"))


def test_panels_show_only_what_one_may_see() -> None:
    user = make_user()
    title = make_task(user, f"Secret of {user.pk}").title
    text = page(editor("view_user").get(reverse("admin:accounts_user_change", args=[user.pk])))
    assert title not in text
    assert "Access tokens</h2>" not in text
    assert title in page(logged_in(member("Viewer")).get(reverse("admin:accounts_user_change", args=[user.pk])))


def test_migrating_again_keeps_what_operators_have_given() -> None:
    viewer = Group.objects.get(name="Viewer")
    extra = Permission.objects.get(codename="view_group")
    viewer.permissions.add(extra)
    try:
        with connection.schema_editor() as editor:
            import_module("accounts.migrations.0011_staff_groups").make_groups(apps, editor)
        assert viewer.permissions.filter(pk=extra.pk).exists()
        assert Group.objects.filter(name="Viewer").count() == 1
    finally:
        viewer.permissions.remove(extra)


def test_anonymous_people_do_nothing() -> None:
    user = make_user()
    for deed in DEEDS:
        answer = Client().post(reverse("admin:accounts_user_do", args=[user.pk, deed.name]))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
    user.refresh_from_db()
    assert user.is_active
