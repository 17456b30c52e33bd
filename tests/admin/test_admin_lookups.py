"""What the address of a list may ask for: the filters that it shows, and nothing that tells a secret bit by bit."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts import audit
from accounts.models import AuditEvent, User
from tests.support.staff import logged_in, make_task, make_token, make_user, page
from todoproject.admin import model_admin as shared
from todoproject.admin.change_list import REFUSED

pytestmark = pytest.mark.usefixtures("orm")

GROUPS = ("Viewer", "Support", "Administrator", "superuser")
LOOKUPS = ("", "__exact", "__regex", "__startswith", "__gt", "__in", "__isnull", "__icontains", "__range", "__nonsense")
SECRET = ("password", "digest", "secret", "recovery_codes", "answer", "fingerprint", "key_digest")


def member(group: str) -> User:
    user = make_user(group.lower(), is_staff=True, is_superuser=group == "superuser")
    if group != "superuser":
        user.groups.add(Group.objects.get(name=group))
    return user


def paths(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.get_fields()]


def related(model: type[models.Model]) -> Iterator[str]:
    """Yield the secrets of everything that a model is related to, forwards and back."""
    for one in model._meta.get_fields():
        if one.is_relation and isinstance(one.related_model, type):
            yield from (f"{one.name}__{path}" for path in paths(one.related_model) if path in SECRET)


def offered(model: type[models.Model], client: Client) -> set[str]:
    """Return the names that the list's own filters and links use."""
    request = client.get(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist"))
    changes = request.context["cl"]
    names = {str(name) for spec in changes.filter_specs for name in spec.expected_parameters()}
    return names | set(changes.model_admin.linked_lookups)


def is_refused(model: type[models.Model], user: User, name: str) -> bool:
    """Tell whether the list itself refuses; the page around it would take a hundred times as long."""
    request = RequestFactory().get("/", {name: "^a"})
    request.user = user
    try:
        admin.site._registry[model].get_changelist_instance(request)
    except REFUSED:
        return True
    return False


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model.__name__)
def test_every_lookup_that_no_filter_offers_is_refused(model: type[models.Model], group: str) -> None:
    user = member(group)
    client, address = logged_in(user), reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
    if client.get(address).status_code == 403:
        assert client.get(f"{address}?id__exact=1").status_code == 403
        return
    known = offered(model, client)
    # The whole table once, for whoever may do most; a shape that leaks for everybody.
    lookups = LOOKUPS if group == "superuser" else ("__startswith",)
    asked = {path + lookup for path in (*paths(model), *related(model)) for lookup in lookups} - known
    assert [name for name in sorted(asked) if not is_refused(model, user, name)] == []
    assert client.get(address, {min(asked): "^a"}).status_code == 400


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("accounts_user", "password__regex"),
        ("accounts_user", "password__startswith"),
        ("accounts_user", "second_factor__secret__gt"),
        ("accounts_user", "tokens__digest__startswith"),
        ("accounts_accesstoken", "digest__startswith"),
        ("accounts_accesstoken", "digest__gt"),
        ("accounts_accesstoken", "user__password__regex"),
        ("tasks_task", "user__password__startswith"),
        ("tasks_task", "user__tokens__digest"),
    ],
)
def test_no_secret_is_told_by_a_filter_and_who_asks_is_recorded(model: str, name: str, group: str) -> None:
    actor = member(group)
    client, address = logged_in(actor), reverse(f"admin:{model}_changelist")
    answers = [client.get(address, {name: value}) for value in ("^argon2", "^bcrypt", "\\xff", "x\0y")]
    assert {answer.status_code for answer in answers} == {400}
    assert client.post(address + f"?{name}=a", {"action": "complete"}).status_code == 400
    assert client.post(address + f"?{name}=a", {"_save": "1"}).status_code == 400
    events = AuditEvent.objects.filter(actor_id=actor.pk, action=audit.REFUSED_FILTER)
    assert [event.facts["filters"] for event in events] == [[name]] * 6
    assert events[0].facts["list"] == model.replace("_", ".")


def test_no_export_is_filtered_by_a_secret() -> None:
    actor = member("Administrator")
    client = logged_in(actor)
    for view, ask in (("export", client.get), ("export_file", client.post)):
        address = reverse(f"admin:accounts_user_{view}") + "?password__startswith=argon2"
        assert ask(address, {"password__startswith": "argon2", "format": "csv"}).status_code == 400
    assert AuditEvent.objects.filter(actor_id=actor.pk, action=audit.REFUSED_FILTER).count() == 2


def test_the_audit_keeps_no_value_and_no_made_up_name() -> None:
    actor = member("Viewer")
    logged_in(actor).get("/admin/accounts/user/", {"password__regex": "argon2id", "alice@example.com": "x"})
    (event,) = AuditEvent.objects.filter(actor_id=actor.pk, action=audit.REFUSED_FILTER)
    assert event.facts == {"list": "accounts.user", "filters": ["password__regex"]}


@pytest.mark.parametrize("name", ["_to_field=password", "_popup=1&_to_field=password", "_to_field=digest"])
@pytest.mark.parametrize("model", ["accounts_user", "accounts_accesstoken", "tasks_task"])
def test_no_secret_is_a_key_of_a_popup(model: str, name: str) -> None:
    actor = member("Administrator")
    client, user = logged_in(actor), make_user()
    row = {"accounts_user": user, "accounts_accesstoken": make_token(user), "tasks_task": make_task(user)}[model]
    assert client.get(reverse(f"admin:{model}_changelist") + f"?{name}").status_code == 400
    assert client.get(reverse(f"admin:{model}_change", args=[row.pk]) + f"?{name}").status_code == 400
    assert AuditEvent.objects.filter(actor_id=actor.pk, action=audit.REFUSED_FILTER).count() == 2


def test_no_list_shows_sorts_searches_or_exports_a_secret() -> None:
    for model, page_of in admin.site._registry.items():
        assert isinstance(page_of, shared.ModelAdmin), model
        filters = [one[0] if isinstance(one, tuple) else one for one in page_of.list_filter]
        named = [*page_of.list_display, *page_of.search_fields, *page_of.export_columns.values(), *filters]
        named += [*(page_of.sortable_by or ()), *page_of.readonly_fields, *page_of.linked_lookups, *page_of.ordering]
        named += list(page_of.autocomplete_fields)
        parts = {part for name in named if isinstance(name, str) for part in name.lstrip("-").split("__")}
        assert parts.isdisjoint(SECRET), model


@pytest.mark.parametrize("order", ["password", "1.password", "-99", "0.-0", "99", "x\0", "1.2.3.4.5.6.7.8.9.10.11"])
@pytest.mark.parametrize("model", ["accounts_user", "accounts_accesstoken", "tasks_task", "accounts_auditevent"])
def test_no_made_up_order_breaks_a_list(model: str, order: str) -> None:
    page(logged_in(member("Administrator")).get(reverse(f"admin:{model}_changelist"), {"o": order}))


@pytest.mark.parametrize("field", ["password", "digest", "id", "email", "groups", "nothing", "user_permissions"])
@pytest.mark.parametrize("model", ["user", "accesstoken", "secondfactor", "emaillink", "nothing"])
def test_nothing_secret_is_autocompleted(model: str, field: str) -> None:
    actor = member("Viewer")
    query = {"app_label": "accounts", "model_name": model, "field_name": field, "term": "a"}
    assert logged_in(actor).get("/admin/autocomplete/", query).status_code == 403
    assert AuditEvent.objects.filter(actor_id=actor.pk, action=audit.REFUSED_FILTER).count() == 1


@pytest.mark.parametrize("term", ["a\0b", "%", "x" * 5_000, "\ud800".encode("utf-8", "replace").decode()])
def test_no_made_up_search_breaks_anything(term: str) -> None:
    client = logged_in(member("Administrator"))
    query = {"app_label": "tasks", "model_name": "task", "field_name": "user", "term": term}
    answer = client.get("/admin/autocomplete/", query)
    assert answer.status_code == 400 if "\0" in term else answer.json()["results"] == []
    for model in admin.site._registry:
        page(client.get(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist"), {"q": term}))


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("tasks_task", {"user__id__exact": "nonsense"}),
        ("tasks_task", {"user__id__exact": "a\0"}),
        ("tasks_task", {"user__isnull": "nonsense"}),
        ("tasks_task", {"priority__exact": "x"}),
        ("tasks_task", {"state": "late"}),
        ("tasks_task", {"deleted": "\0"}),
        ("tasks_task", {"due_on_from": "30.6.2026"}),
        ("tasks_task", {"created_at_to": "soon"}),
        ("tasks_task", {"priority__isnull": "True"}),
        ("accounts_accesstoken", {"kind__exact": "\0"}),
        ("accounts_auditevent", {"action": "\0"}),
        ("accounts_auditevent", {"action": "nothing"}),
        ("accounts_auditevent", {"object_id": "\0"}),
        ("accounts_auditevent", {"actor_id": "x"}),
        ("accounts_auditevent", {"at_from": "2026-13-01"}),
        ("accounts_user", {"is_active__exact": "perhaps"}),
        ("accounts_user", {"created_at_to": "31/12/2026"}),
    ],
)
def test_nothing_is_listed_or_exported_by_a_filter_that_says_nothing(model: str, query: dict[str, str]) -> None:
    client, user = logged_in(member("superuser")), make_user()
    make_task(user), make_token(user)
    answer = client.get(reverse(f"admin:{model}_changelist"), query)
    assert "Nothing is listed" in page(answer)
    assert not answer.context["cl"].result_list
    for refused in (
        client.get(reverse(f"admin:{model}_export", query=query)),
        client.post(reverse(f"admin:{model}_export_file", query=query), {"format": "csv"}),
    ):
        assert (refused.status_code, refused["Location"]) == (302, reverse(f"admin:{model}_changelist"))


@pytest.mark.parametrize(
    "query", [{"created_at_from": "0001-01-01"}, {"created_at_to": "9999-12-31"}, {"due_on_to": "9999-12-31"}]
)
def test_the_first_and_the_last_day_of_the_calendar_are_days(query: dict[str, str]) -> None:
    task = make_task(make_user(), due_on="2026-06-30")
    answer: Any = logged_in(member("Viewer")).get("/admin/tasks/task/", query | {"user__id__exact": task.user_id})
    assert [row.pk for row in answer.context["cl"].result_list] == [task.pk]


def test_a_field_that_was_left_empty_asks_for_nothing() -> None:
    client, task = logged_in(member("Viewer")), make_task(make_user())
    query = {"user__id__exact": str(task.user_id), "priority__exact": "", "state": "", "deleted": "", "due_on_from": ""}
    answer: Any = client.get("/admin/tasks/task/", query)
    assert [row.pk for row in answer.context["cl"].result_list] == [task.pk]
