"""The staff admin: every page opens, says what is so, and writes what the triggers can vouch for."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccessToken, Scope, User
from tasks.models import Task
from tests.people import Person

LISTS = ["accounts_user", "auth_group", "accounts_accesstoken", "tasks_task"]


@pytest.fixture(autouse=True)
def _database(database: None) -> Iterator[None]:
    yield
    connection.close()


def make_user(name: str = "user", **fields: Any) -> User:
    user = User.objects.create_user(f"{name}-{uuid.uuid4().hex}@example.com", None, **fields)
    user.refresh_from_db()
    return user


def make_task(user: User, title: str = "Buy milk", **fields: Any) -> Task:
    task = Task.objects.create(user=user, title=title, **fields)
    task.refresh_from_db()
    return task


def make_token(user: User, **fields: Any) -> AccessToken:
    name = fields.pop("name", "phone")
    return AccessToken.objects.create(
        user=user, name=name, digest=uuid.uuid4().bytes * 2, scopes=[Scope.ACCOUNT], **fields
    )


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def staff() -> Client:
    return logged_in(make_user("root", is_staff=True, is_superuser=True))


def page(response: Any) -> str:
    assert response.status_code == 200, response.content
    return str(response.content.decode())


def task_form(task: Task, **changes: Any) -> dict[str, Any]:
    """What a browser sends back when it opens the form of `task` and changes something."""
    fields = {"title": task.title, "description": task.description, "priority": task.priority, **changes}
    return {"due_on": "", "due_at_0": "", "due_at_1": "", "seen_version": task.version, **fields}


def act(client: Client, model: str, action: str, *rows: Any, **more: Any) -> str:
    form = {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}
    return page(
        client.post(reverse(f"admin:{model}_changelist") + "?deleted=all" * (model == "tasks_task"), form, follow=True)
    )


# --- Pages and who may open them ------------------------------------------------------------------


def rows_of() -> dict[str, Any]:
    user = make_user()
    return {
        "accounts_user": user,
        "auth_group": Group.objects.create(name=uuid.uuid4().hex),
        "accounts_accesstoken": make_token(user),
        "tasks_task": make_task(user),
    }


@pytest.mark.parametrize("model", LISTS)
def test_every_page_of_every_model_opens(staff: Client, model: str) -> None:
    row = rows_of()[model]
    page(staff.get(reverse(f"admin:{model}_changelist")))
    for view in ("change", "history"):
        text = page(staff.get(reverse(f"admin:{model}_{view}", args=[row.pk])))
        assert "DatabaseDefault" not in text
        assert ">None<" not in text.replace(">None</option>", "")  # a priority may well be none


@pytest.mark.parametrize("model", ["accounts_user", "auth_group", "tasks_task"])
def test_the_add_page_shows_no_database_expressions(staff: Client, model: str) -> None:
    text = page(staff.get(reverse(f"admin:{model}_add")))
    assert "DatabaseDefault" not in text
    assert "Now()" not in text


@pytest.mark.parametrize("name", ["index", "password_change", "jsi18n"])
def test_the_general_pages_open(staff: Client, name: str) -> None:
    page(staff.get(reverse(f"admin:{name}")))


@pytest.mark.parametrize("model", LISTS)
def test_anonymous_people_are_asked_to_log_in(model: str) -> None:
    address = reverse(f"admin:{model}_changelist")
    response = Client().get(address)
    assert (response.status_code, response["Location"]) == (302, f"/admin/login/?next={address}")


def test_people_who_are_not_staff_are_refused() -> None:
    user = make_user()
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    client = Client()
    form = {"username": user.email, "password": "correct horse battery staple"}
    assert "staff account" in page(client.post("/admin/login/", form))
    client.force_login(user)
    assert client.get("/admin/tasks/task/").status_code == 302


def test_staff_log_in_with_their_e_mail_in_any_case() -> None:
    user = make_user("staff", is_staff=True)
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    form = {"username": user.email.upper(), "password": "correct horse battery staple"}
    assert Client().post("/admin/login/?next=/admin/", form)["Location"] == "/admin/"


def test_staff_without_rights_are_refused() -> None:
    client = logged_in(make_user("staff", is_staff=True))
    assert client.get("/admin/tasks/task/").status_code == 403
    assert client.get("/admin/accounts/user/").status_code == 403


# --- How much work a list is ----------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTS)
def test_a_list_asks_as_much_for_many_rows_as_for_few(staff: Client, model: str) -> None:
    rows_of()
    few = queries_of(staff, model)
    for _ in range(5):
        rows_of()
    assert len(queries_of(staff, model)) == len(few) <= 6


def queries_of(client: Client, model: str) -> list[Any]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page(client.get(reverse(f"admin:{model}_changelist")))
    return list(queries.captured_queries)


def test_a_list_never_counts_a_whole_table(staff: Client) -> None:
    counts = [query["sql"] for query in queries_of(staff, "tasks_task") if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT 10001" in sql for sql in counts)


def test_a_count_beyond_the_limit_is_not_given_as_exact(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = make_user()
    for _ in range(3):
        make_task(owner)
    monkeypatch.setattr("todoproject.admin.MOST_COUNTED", 2)
    text = " ".join(page(staff.get(f"/admin/tasks/task/?user__id__exact={owner.pk}")).split())
    assert "more than 2 tasks" in text


# --- Users ----------------------------------------------------------------------------------------


def test_no_page_shows_or_takes_a_password(staff: Client) -> None:
    user = make_user()
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    address = reverse("admin:accounts_user_change", args=[user.pk])
    for text in (
        page(staff.get(address)),
        page(staff.get("/admin/accounts/user/")),
        page(staff.get("/admin/accounts/user/add/")),
    ):
        assert "argon2" not in text
        assert 'name="password' not in text
    staff.post(address, {"email": user.email, "timezone": "UTC", "is_active": "on", "password": "mine now"})
    assert User.objects.get(pk=user.pk).password == user.password
    assert staff.get(f"/admin/accounts/user/{user.pk}/password/").status_code in (302, 404)


def test_a_user_added_by_staff_has_no_usable_password(staff: Client) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    page(staff.post("/admin/accounts/user/add/", {"email": email, "timezone": "Europe/Berlin"}, follow=True))
    user = User.objects.get(email=email)
    assert not user.has_usable_password()
    assert (user.timezone, user.is_staff, user.is_active, user.change_no) == ("Europe/Berlin", False, True, 0)


@pytest.mark.parametrize(
    ("email", "zone", "complaint"),
    [
        ("not an address", "UTC", "valid email"),
        ('"a\\ b"@example.com', "UTC", "Enter an e-mail address."),
        ("fine@example.com", "Mars/Olympus", "Not an IANA time zone"),
    ],
)
def test_a_bad_user_is_refused_with_the_reason(staff: Client, email: str, zone: str, complaint: str) -> None:
    assert complaint in page(staff.post("/admin/accounts/user/add/", {"email": email, "timezone": zone}))


def test_an_e_mail_in_another_case_is_a_duplicate(staff: Client) -> None:
    form = {"email": make_user().email.upper(), "timezone": "UTC"}
    assert "A user with this e-mail exists." in page(staff.post("/admin/accounts/user/add/", form))


def test_a_duplicate_that_appears_after_the_check_is_a_message(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # The race: somebody registers between the form's check and its write.
    monkeypatch.setattr(User, "validate_constraints", lambda *_, **__: None)
    form = {"email": make_user().email, "timezone": "UTC"}
    assert "somebody else changed" in page(staff.post("/admin/accounts/user/add/", form, follow=True))


def test_users_are_found_by_part_of_the_e_mail_and_by_id(staff: Client) -> None:
    user, other = make_user(), make_user()
    for search in (user.email[:20], str(user.pk), user.pk.hex):
        text = page(staff.get("/admin/accounts/user/", {"q": search}))
        assert user.email in text
        assert other.email not in text


def test_a_user_links_to_their_tasks_and_tokens(staff: Client) -> None:
    user, other = make_user(), make_user()
    titles = [make_task(owner, uuid.uuid4().hex).title for owner in (user, other)]
    names = [make_token(owner, name=uuid.uuid4().hex).name for owner in (user, other)]
    text = page(staff.get(reverse("admin:accounts_user_change", args=[user.pk])))
    for model, mine, theirs in (("tasks/task", *titles), ("accounts/accesstoken", *names)):
        listed = page(staff.get(f"/admin/{model}/?user__id__exact={user.pk}"))
        assert f"/admin/{model}/?user__id__exact={user.pk}" in text
        assert mine in listed
        assert theirs not in listed


def test_saving_a_user_leaves_the_change_number_to_the_trigger(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user()
    full_clean = User.full_clean

    def task_in_between(self: User, *arguments: Any, **options: Any) -> None:
        full_clean(self, *arguments, **options)
        make_task(user)  # the form has read the row already, with the old number in it

    monkeypatch.setattr(User, "full_clean", task_in_between)
    staff.post(
        reverse("admin:accounts_user_change", args=[user.pk]),
        {"email": user.email, "timezone": "Asia/Tokyo", "is_active": "on"},
    )
    user.refresh_from_db()
    assert (user.timezone, user.change_no) == ("Asia/Tokyo", 1)


def test_nobody_deletes_a_user(staff: Client) -> None:
    user = make_user()
    assert staff.post(reverse("admin:accounts_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def editor(*rights: str) -> Client:
    user = make_user("editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return logged_in(user)


def test_an_editor_of_users_gives_nobody_rights() -> None:
    client, user = editor("view_user", "change_user"), make_user()
    address = reverse("admin:accounts_user_change", args=[user.pk])
    page(
        client.post(
            address,
            {"email": user.email, "timezone": "Asia/Tokyo", "is_active": "on", "is_staff": "on", "is_superuser": "on"},
            follow=True,
        )
    )
    user.refresh_from_db()
    assert (user.timezone, user.is_staff, user.is_superuser) == ("Asia/Tokyo", False, False)


def test_an_editor_of_users_cannot_change_staff() -> None:
    client, boss = editor("view_user", "change_user"), make_user("boss", is_staff=True, is_superuser=True)
    form = {"email": "evil@example.com", "timezone": "UTC"}
    assert client.post(reverse("admin:accounts_user_change", args=[boss.pk]), form).status_code == 403


def test_a_superuser_cannot_lock_themselves_out() -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    logged_in(root).post(
        reverse("admin:accounts_user_change", args=[root.pk]), {"email": root.email, "timezone": "UTC"}
    )
    root.refresh_from_db()
    assert (root.is_active, root.is_staff, root.is_superuser) == (True, True, True)


async def test_a_deactivated_user_is_refused_on_the_next_request(alice: Person) -> None:
    assert (await alice.http.get("/v1/me")).status_code in (200, 404)
    assert (await alice.http.get("/v1/tasks")).status_code == 200
    await asyncio.to_thread(in_thread, deactivate, alice.id)
    assert (await alice.http.get("/v1/tasks")).status_code == 401


def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do it with a database connection of this thread's own, and close that."""
    try:
        return work(*arguments)
    finally:
        connection.close()


def root_client() -> Client:
    return logged_in(make_user("root", is_staff=True, is_superuser=True))


def deactivate(user_id: str) -> None:
    user = User.objects.get(pk=user_id)
    form = {"email": user.email, "timezone": user.timezone}
    page(root_client().post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))


# --- Tasks ----------------------------------------------------------------------------------------


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
    assert "Changed Title and Completed." in page(staff.get(reverse("admin:tasks_task_history", args=[task.pk])))


def test_saving_a_task_unchanged_changes_nothing(staff: Client) -> None:
    task = make_task(make_user(), due_at=datetime(2030, 1, 1, 12, tzinfo=UTC))
    form = task_form(task, due_at_0="2030-01-01", due_at_1="12:00:00")
    page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), form, follow=True))
    assert Task.objects.get(pk=task.pk).version == 1


def test_a_task_that_changed_meanwhile_is_not_overwritten(staff: Client) -> None:
    task = make_task(make_user())
    Task.objects.filter(pk=task.pk).update(description="by its owner")
    text = page(staff.post(reverse("admin:tasks_task_change", args=[task.pk]), task_form(task, title="Buy bread")))
    assert "has changed since you opened this page" in text
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
    assert "1 task reopened." in act(staff, "tasks_task", "reopen", first)
    assert Task.objects.get(pk=first.pk).completed_at is None
    act(staff, "tasks_task", "delete_selected", first, second, post="yes")
    assert Task.objects.filter(pk__in=[first.pk, second.pk], deleted_at__isnull=False).count() == 2
    assert "1 task restored." in act(staff, "tasks_task", "restore", first)
    after = Task.objects.select_related("user").get(pk=first.pk)
    assert (after.deleted_at, after.version, after.user.change_no) == (None, 5, 5)
    assert LogEntry.objects.filter(object_id=str(first.pk)).count() == 4


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
    for search in (task.title[4:20].upper(), task.user.email, str(task.id)):
        text = page(staff.get("/admin/tasks/task/", {"q": search}))
        assert task.title in text
        assert other.title not in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", [True, True, True]),
        ("due_on_from=2031-03-01", [True, True, False]),
        ("due_on_from=2031-03-02", [False, True, False]),
        ("due_on_to=2031-03-01", [True, False, False]),
        ("due_on_from=2031-03-01&due_on_to=2031-03-02", [True, True, False]),
        ("due_on_from=nonsense", [True, True, True]),
        ("due_on_to=9999-12-31", [True, True, False]),
    ],
)
def test_tasks_are_filtered_by_when_they_are_due(staff: Client, query: str, shown: list[bool]) -> None:
    user = make_user()
    dues: list[dict[str, Any]] = [{"due_on": "2031-03-01"}, {"due_at": datetime(2031, 3, 2, 23, 59, tzinfo=UTC)}, {}]
    titles = [make_task(user, uuid.uuid4().hex, **due).title for due in dues]
    text = page(staff.get(f"/admin/tasks/task/?user__id__exact={user.pk}&{query}"))
    assert [title in text for title in titles] == shown


@pytest.mark.parametrize(
    "query", ["user__id__exact=nonsense", "priority__exact=x", "p=999", "o=99.-1", "created_at_from=x"]
)
@pytest.mark.parametrize("model", LISTS)
def test_a_made_up_query_does_no_harm(staff: Client, model: str, query: str) -> None:
    page(staff.get(reverse(f"admin:{model}_changelist") + "?" + query, follow=True))


# --- Access tokens --------------------------------------------------------------------------------


def test_a_token_is_shown_without_its_digest(staff: Client) -> None:
    token = make_token(make_user())
    for address in (reverse("admin:accounts_accesstoken_change", args=[token.pk]), "/admin/accounts/accesstoken/"):
        text = page(staff.get(address))
        assert "digest" not in text
        assert bytes(token.digest).hex() not in text


def test_a_token_is_neither_added_nor_changed_nor_deleted(staff: Client) -> None:
    token = make_token(make_user())
    assert staff.get("/admin/accounts/accesstoken/add/").status_code == 403
    for view in ("change", "delete"):
        address = reverse(f"admin:accounts_accesstoken_{view}", args=[token.pk])
        assert staff.post(address, {"post": "yes", "name": "mine"}).status_code == 403


def test_the_state_of_a_token_is_told(staff: Client) -> None:
    user, past = make_user(), timezone.now() - timedelta(days=1)
    states = {
        "live": make_token(user),
        "expired": make_token(user, expires_at=past),
        "revoked": make_token(user, revoked_at=past),
        "owner inactive": make_token(make_user(is_active=False)),
    }
    for state, token in states.items():
        text = page(staff.get("/admin/accounts/accesstoken/", {"q": str(token.pk)}))
        assert re.search(rf"bg-\w+-100[^>]*>\s*{state}\s*<", text)


def test_revoking_needs_the_right_to_change() -> None:
    token = make_token(make_user())
    act(editor("view_accesstoken"), "accounts_accesstoken", "revoke", token)
    assert AccessToken.objects.get(pk=token.pk).revoked_at is None
    assert "1 access token revoked." in act(
        editor("view_accesstoken", "change_accesstoken"), "accounts_accesstoken", "revoke", token
    )
    assert AccessToken.objects.get(pk=token.pk).revoked_at is not None


async def test_a_revoked_token_is_refused_on_the_next_request(alice: Person) -> None:
    assert (await alice.http.get("/v1/tasks")).status_code == 200
    await asyncio.to_thread(in_thread, revoke_all, alice.id)
    assert (await alice.http.get("/v1/tasks")).status_code == 401


def revoke_all(user_id: str) -> None:
    act(root_client(), "accounts_accesstoken", "revoke", *AccessToken.objects.filter(user_id=user_id))


# --- What goes wrong on this side -----------------------------------------------------------------


def test_a_browser_gets_a_page_and_a_program_a_problem() -> None:
    for accept, kind in (
        ("text/html,*/*;q=0.8", "text/html"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
    ):
        response: HttpResponse = Client().get("/nowhere", headers={"Accept": accept})
        assert (response.status_code, response["Content-Type"].split(";")[0]) == (404, kind)


def test_a_form_without_its_csrf_token_is_refused_with_a_page() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", headers={"Accept": "text/html"})
    assert (response.status_code, b"Open it again" in response.content) == (403, True)


@pytest.mark.parametrize(("error", "status"), [("OperationalError", 503), ("ZeroDivisionError", 500)])
def test_a_defect_is_500_and_a_lost_database_503(
    staff: Client, monkeypatch: pytest.MonkeyPatch, error: str, status: int
) -> None:
    import builtins

    from django import db

    def fail(*_: Any) -> None:
        raise getattr(db, error, None) or getattr(builtins, error)

    monkeypatch.setattr("tasks.admin.TaskAdmin.get_queryset", fail)
    staff.raise_request_exception = False
    for accept in ("text/html", "application/json"):
        assert staff.get("/admin/tasks/task/", headers={"Accept": accept}).status_code == status


def test_a_host_that_is_not_ours_is_400() -> None:
    response = Client().get("/admin/", headers={"Host": "evil.example", "Accept": "text/html"})
    assert (response.status_code, b"Malformed" in response.content) == (400, True)
