"""The audit: nothing without its record, no record without what it tells, and nobody changes one."""

import asyncio
import uuid
from typing import Any

import httpx
import psycopg
import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from uuid_utils.compat import uuid7

from accounts import audit, tokens
from accounts.models import AuditDetail, AuditEvent, User
from tasks.models import Task
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from tests.support.staff import act, in_thread, logged_in, make_task, make_token, make_user, page, root_client, seen
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement

pytestmark = pytest.mark.usefixtures("orm")


def told(user_id: object) -> list[tuple[str, str, Any]]:
    """Return action, door and actor of what was recorded about a person, oldest first."""
    return list(
        AuditEvent.objects.filter(object_id=str(user_id)).order_by("id").values_list("action", "door", "actor_id")
    )


async def recorded(user_id: str) -> list[tuple[str, str, str | None]]:
    rows = await asyncio.to_thread(in_thread, told, user_id)
    return [(action, door, actor and str(actor)) for action, door, actor in rows]


async def test_signing_in_and_out_of_the_api_is_recorded(client: httpx.AsyncClient, alice: Person) -> None:
    account = {"email": alice.email.upper(), "password": PASSWORD}
    headers = {"X-Request-ID": f"login-{alice.id}"}
    session = await client.post("/v1/auth/login", json=account, headers=headers)
    await client.post("/v1/auth/login", json=account | {"password": "wrong horse"})
    await client.post("/v1/auth/logout", headers={"Authorization": f"Bearer {session.json()['token']}"})

    mine = ("api", alice.id)
    assert await recorded(alice.id) == [("sign-in", *mine), ("sign-in failed", "api", None), ("sign-out", *mine)]

    def details() -> None:
        events = AuditEvent.objects.filter(object_id=alice.id).order_by("id")
        assert events[0].request_id == audit.kept_id(f"login-{alice.id}")
        assert [(event.address, event.detail.address) for event in events] == [(None, "127.0.0.1")] * 3

    await asyncio.to_thread(in_thread, details)


async def test_registering_is_recorded(client: httpx.AsyncClient) -> None:
    account = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    user = (await client.post("/v1/auth/register", json=account)).json()["user"]
    assert await recorded(user["id"]) == [("register", "api", user["id"])]


async def test_a_sign_out_that_ends_nothing_is_not_recorded(alice: Person) -> None:
    await alice.http.post("/v1/auth/logout")
    assert (await alice.http.post("/v1/auth/logout")).status_code == 401
    assert [action for action, *_ in await recorded(alice.id)] == ["sign-out"]


async def test_failed_sign_ins_of_nobody_do_not_fill_the_disk(client: httpx.AsyncClient) -> None:
    def failures() -> int:
        return AuditEvent.objects.filter(action="sign-in failed", object_id="").count()

    statement = "SELECT record_failed_sign_in(%s, 'api', NULL, 'flood', '192.0.2.1')"
    with connect(autocommit=True) as database:
        for _ in range(1010):
            database.execute(statement, [uuid7()])
    before = await asyncio.to_thread(in_thread, failures)
    answer = await client.post("/v1/auth/login", json={"email": "no@example.com", "password": PASSWORD})
    assert answer.status_code == 401
    assert await asyncio.to_thread(in_thread, failures) == before == 1000


async def test_a_task_of_the_api_leaves_no_event(alice: Person) -> None:
    task = await alice.task()
    await alice.http.delete(f"/v1/tasks/{task['id']}")
    assert await recorded(alice.id) == []


@pytest.mark.parametrize("role", ["todo_api", "todo_account"])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM audit_events",
        "SELECT * FROM audit_details",
        "INSERT INTO audit_events (id, door, action, object_type, object_id, request_id) VALUES"
        " (gen_random_uuid(), 'admin', 'x', '', '', '')",
        "SELECT record_failed_sign_in(gen_random_uuid(), 'admin', NULL, '', NULL)",
        "SELECT purge_audit(now(), 1)",
        "SELECT erase_user(current_user_id())",
    ],
)
async def test_the_roles_of_the_api_neither_read_nor_forge(alice: Person, role: str, query: str) -> None:
    statement = Statement.fenced(query, scope=None, role=role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await pool.execute(statement, credentials=Credentials(tokens.digest(alice.token)))


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE audit_events SET action = 'nothing'",
        "UPDATE audit_events SET action = 'nothing' WHERE false",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events CASCADE",
        "UPDATE audit_details SET changes = '{}'",
        "DELETE FROM audit_details",
        "TRUNCATE audit_details",
    ],
)
def test_the_owner_of_the_tables_changes_nothing(query: str) -> None:
    user = make_user()
    logged_in(user)
    with connect() as database:
        database.execute("INSERT INTO audit_events (id, door, action, object_type, object_id, request_id) VALUES"
                         " (gen_random_uuid(), 'admin', 'x', '', '', '')")  # fmt: skip
        database.execute("INSERT INTO audit_details (event_id, user_id) SELECT id, %s FROM audit_events"
                         " WHERE action = 'x' AND NOT EXISTS (SELECT FROM audit_details WHERE event_id = id)"
                         " LIMIT 1", [user.pk])  # fmt: skip
        database.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):  # noqa: PT012 -- one is deferred
            database.execute(query)
            database.commit()


def test_who_calls_the_session_a_replica_changes_nothing_either() -> None:
    with connect() as database:
        always = database.execute(
            "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'audit%'"
        ).fetchall()
    assert len(always) == 4
    assert {enabled for _, enabled in always} == {"A"}


def test_what_is_old_enough_is_purged_and_nothing_younger() -> None:
    old, young = uuid.uuid4(), uuid.uuid4()
    insert = (
        "INSERT INTO audit_events (id, at, door, action, object_type, object_id, request_id)"
        " VALUES (%s, now() - make_interval(days => %s), 'admin', 'x', '', '', '')"
    )
    with connect(autocommit=True) as database:
        database.execute(insert, [old, 366])
        database.execute("INSERT INTO audit_details (event_id) VALUES (%s)", [old])
        database.execute(insert, [young, 364])
        call_command("purge", verbosity=0)
        left = [row[0] for row in database.execute("SELECT id FROM audit_events WHERE id = ANY (%s)", [[old, young]])]
        assert left == [young]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute("SELECT purge_audit(now(), 100000)")


@pytest.mark.parametrize(("days", "is_kept"), [(89, True), (91, False)])
def test_an_event_is_kept_for_ninety_days_by_the_database_itself(days: int, is_kept: bool) -> None:
    event = uuid.uuid4()
    with connect(autocommit=True) as database:
        database.execute(
            "INSERT INTO audit_events (id, at, door, action, object_type, object_id, request_id)"
            " VALUES (%s, now() - make_interval(days => %s), 'admin', 'x', '', '', '')",
            [event, days],
        )
        if is_kept:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                database.execute("DELETE FROM audit_events WHERE id = %s", [event])
        else:
            assert database.execute("DELETE FROM audit_events WHERE id = %s", [event]).rowcount == 1


def test_staff_sign_in_and_out_and_what_fails_is_recorded() -> None:
    user = make_user("staff", is_staff=True)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    client = Client()
    client.post("/admin/login/", {"username": user.email, "password": "wrong"})
    client.post("/admin/login/", {"username": user.email, "password": PASSWORD})
    client.post("/admin/logout/")
    mine = ("admin", user.pk)
    assert told(user.pk) == [("sign-in failed", "admin", None), ("sign-in", *mine), ("sign-out", *mine)]


def test_a_change_tells_before_and_after(staff: Client) -> None:
    user = make_user()
    form = {"email": user.email, "timezone": "Asia/Tokyo", **seen(user)}
    page(staff.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    (event,) = audit.events_for(user).filter(action="change")
    assert event.detail.changes == {"timezone": ["UTC", "Asia/Tokyo"]}
    assert event.facts == {"fields": ["timezone"]}
    assert event.actor_id is not None
    assert event.request_id


def test_putting_somebody_into_a_group_is_told_by_name(staff: Client) -> None:
    user = make_user(is_staff=True)
    group = Group.objects.get(name="Viewer")
    form = {"email": user.email, "timezone": "UTC", "is_staff": "on", "groups": [str(group.pk)], **seen(user)}
    page(staff.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    assert audit.events_for(user).get(action="change").detail.changes == {"groups": [[], ["Viewer"]]}


def test_looking_at_somebody_is_recorded(staff: Client) -> None:
    task = make_task(make_user())
    for model, row in (("tasks_task", task), ("accounts_user", task.user)):
        page(staff.get(reverse(f"admin:{model}_change", args=[row.pk])))
        assert [event.action for event in audit.events_for(row)] == ["view"]


def test_whichever_page_shows_what_is_somebodys_own_is_recorded(staff: Client) -> None:
    """A form that is refused shows all of it again; so do the history and the question before a deletion."""
    task = make_task(make_user())
    pages = [(task, "tasks_task", view) for view in ("change", "history", "delete")]
    for row, model, view in [*pages, (task.user, "accounts_user", "change"), (task.user, "accounts_user", "history")]:
        before = audit.events_for(row).filter(action="view").count()
        address = reverse(f"admin:{model}_{view}", args=[row.pk])
        page(staff.post(address, {"email": "none", "timezone": "none"}) if view == "change" else staff.get(address))
        assert audit.events_for(row).filter(action="view").count() == before + 1, (model, view)


def test_an_action_that_fails_leaves_no_record(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(make_user())

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    # After the write and its record, before the end of the transaction.
    monkeypatch.setattr("todoproject.admin.questions.offer_undo", broken)
    with pytest.raises(RuntimeError):
        act(staff, "tasks_task", "remove", task)
    assert Task.objects.get(pk=task.pk).deleted_at is None
    assert not audit.events_for(task).exists()


def test_no_action_without_its_record(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    token, user = make_token(make_user()), make_user()
    monkeypatch.setattr("accounts.models.AuditEvent.objects.bulk_create", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        act(staff, "accounts_accesstoken", "revoke", token)
    with pytest.raises(ZeroDivisionError):
        staff.post(reverse("admin:accounts_user_do", args=[user.pk, "deactivate"]))
    token.refresh_from_db()
    user.refresh_from_db()
    assert token.revoked_at is None
    assert user.is_active


def test_no_secret_is_ever_told(staff: Client) -> None:
    user = make_user()
    assert audit.values(user, ["password", "email"]) == {"email": user.email}
    assert audit.values(make_token(user), ["digest", "name"]) == {"name": "phone"}


def test_an_erased_person_leaves_events_without_a_word_about_them(staff: Client) -> None:
    user = make_user()
    form = {"email": f"new-{user.email}", "timezone": "UTC", **seen(user)}
    page(staff.post(reverse("admin:accounts_user_change", args=[user.pk]), form, follow=True))
    user.refresh_from_db()
    assert AuditDetail.objects.filter(user=user).exists()
    form = {"reason": "abuse", "email": user.email}
    page(staff.post(reverse("admin:accounts_user_do", args=[user.pk, "erase"]), form, follow=True))
    assert not AuditDetail.objects.filter(event__object_id=str(user.pk)).exists()
    assert [action for action, *_ in told(user.pk)] == ["ask e-mail change", "erase"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_events e WHERE e::text LIKE %s", [f"%{user.email}%"])
        assert cursor.fetchone() == (0,)


def test_the_audit_is_found_by_e_mail_by_id_and_by_request(staff: Client) -> None:
    user, other = make_user(), make_user()
    for person in (user, other):
        page(
            staff.get(reverse("admin:accounts_user_change", args=[person.pk]), headers={"X-Request-ID": person.pk.hex})
        )
    for search in (user.email, str(user.pk), user.pk.hex):
        text = page(staff.get("/admin/accounts/auditevent/", {"q": search}))
        assert user.email in text
        assert other.email not in text
    assert user.email not in page(staff.get("/admin/accounts/auditevent/", {"q": "nobody@example.com"}))


def test_nobody_changes_the_audit_by_its_pages(staff: Client) -> None:
    page(staff.get(reverse("admin:accounts_user_change", args=[make_user().pk])))
    event = AuditEvent.objects.latest("id")
    assert staff.get("/admin/accounts/auditevent/add/").status_code == 403
    for view in ("change", "delete"):
        address = reverse(f"admin:accounts_auditevent_{view}", args=[event.pk])
        assert staff.post(address, {"post": "yes", "action": "nothing"}).status_code == 403
    page(staff.get(reverse("admin:accounts_auditevent_change", args=[event.pk])))


def test_the_history_of_a_stranger_is_not_shown_without_the_right() -> None:
    client = logged_in(make_user("staff", is_staff=True))
    assert client.get(reverse("admin:accounts_user_history", args=[make_user().pk])).status_code == 403


def test_superusers_are_recorded_like_everybody() -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    user = make_user()
    page(logged_in(root).post(reverse("admin:accounts_user_do", args=[user.pk, "revoke-tokens"]), follow=True))
    (event,) = audit.events_for(user).filter(action="revoke tokens")
    assert (event.actor_id, event.facts) == (root.pk, {"tokens": 0})


def test_a_django_delete_of_a_user_passes_the_fence_of_the_details() -> None:
    user = make_user()
    page(root_client().post(reverse("admin:accounts_user_change", args=[user.pk]),
                            {"email": user.email, "timezone": "Asia/Tokyo", **seen(user)}, follow=True))  # fmt: skip
    user.delete()
    assert not User.objects.filter(pk=user.pk).exists()


async def test_whoever_erases_themselves_takes_their_details_along(client: httpx.AsyncClient, alice: Person) -> None:
    await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})
    answer = await alice.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204

    def left() -> tuple[int, int]:
        events = AuditEvent.objects.filter(object_id=alice.id)
        return events.count(), AuditDetail.objects.filter(event__in=events).count()

    assert await asyncio.to_thread(in_thread, left) == (1, 0)
