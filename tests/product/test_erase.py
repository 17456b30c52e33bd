"""Erasing an account: everything goes, at once, for good, and nothing of anybody else's."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from psycopg import sql

from accounts import tokens
from accounts.models import User
from tasks.models import Task
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect, lock_queue
from tests.support.staff import make_user
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement


async def erase(person: Person, password: str = PASSWORD) -> httpx.Response:
    return await person.http.request("DELETE", "/v1/me", json={"password": password})


def traces(*texts: str) -> dict[str, int]:
    """Count the rows of every table that hold one of the texts in any column."""
    found = {}
    with connect() as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'todo'::regnamespace"
        )
        for (table,) in tables.fetchall():
            query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text ILIKE ANY (%s)").format(sql.Identifier(table))
            row = connection.execute(query, [[f"%{text}%" for text in texts]]).fetchone()
            if row and row[0]:
                found[table] = row[0]
    return found


async def test_nothing_is_left_of_an_erased_account(client: httpx.AsyncClient, alice: Person) -> None:
    task = await alice.task("Alice's secret")
    await alice.http.delete(f"/v1/tasks/{(await alice.task('deleted'))['id']}")
    await alice.token_for("tasks:read")
    await alice.http.post("/v1/tasks", json={"title": "once"}, headers={"Idempotency-Key": uuid.uuid4().hex})
    await client.post("/v1/auth/password-reset", json={"email": alice.email.upper()})
    name = alice.email.partition("@")[0]
    assert {"users", "tasks", "access_tokens", "email_links", "idempotency_keys"} <= traces(alice.id, name).keys()

    assert (await erase(alice)).status_code == 204

    assert traces(alice.id, name, task["id"]) == {}


async def test_what_a_client_has_named_its_requests_goes_too(client: httpx.AsyncClient, alice: Person) -> None:
    """The audit's events outlive the person, and keep the ids of requests, which may be anything."""
    name, login = alice.email.partition("@")[0], {"email": alice.email, "password": PASSWORD}
    named = {"X-Request-ID": f"app-of-{name}"}
    session = (await client.post("/v1/auth/login", json=login, headers=named)).json()["token"]
    await client.post("/v1/auth/login", json={**login, "password": "wrong"}, headers=named)
    await client.post("/v1/auth/logout", headers={**named, "Authorization": f"Bearer {session}"})

    assert (await erase(alice)).status_code == 204

    assert traces(name) == {}


def test_an_event_is_found_by_the_id_that_a_client_has_made(staff: Client) -> None:
    for request_id in (f"app-{uuid.uuid4()}", str(uuid.uuid4()), uuid.uuid4().hex):
        staff.get("/admin/accounts/user/?password__regex=x", headers={"X-Request-ID": request_id})
        found = staff.get("/admin/accounts/auditevent/", {"q": request_id}).context["cl"].result_list
        assert [event.action for event in found] == ["refused filter"]


async def test_token_is_dead_on_the_very_next_request(client: httpx.AsyncClient, alice: Person) -> None:
    personal = await alice.token_for("tasks:read")

    await erase(alice)

    assert (await alice.http.get("/v1/me")).status_code == 401
    assert (await client.get("/v1/tasks", headers=personal)).status_code == 401
    answer = await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})
    assert answer.status_code == 401


async def test_address_is_free_again(client: httpx.AsyncClient, alice: Person) -> None:
    await erase(alice)

    answer = await client.post("/v1/auth/register", json={"email": alice.email, "password": PASSWORD})

    assert answer.status_code == 201
    assert answer.json()["user"]["id"] != alice.id


async def test_others_keep_everything(alice: Person, bob: Person) -> None:
    task = await bob.task()
    await alice.task()
    before = traces(bob.id)

    await erase(alice)

    assert (await bob.http.get("/v1/tasks")).json()["items"] == [task]
    assert traces(bob.id) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"password": "a wrong password"}, 403),
        ({"password": ""}, 403),
        ({"password": "x" * 513}, 422),
        ({"password": "\0"}, 422),
        ({"password": None}, 422),
        ({}, 422),
        (None, 422),
    ],
)
async def test_without_the_password_nothing_is_erased(alice: Person, body: dict[str, Any] | None, status: int) -> None:
    task = await alice.task()

    assert (await alice.http.request("DELETE", "/v1/me", json=body)).status_code == status

    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_erasing_needs_the_account_scope(client: httpx.AsyncClient, alice: Person) -> None:
    weak = await alice.token_for("tasks:read", "tasks:write")

    answer = await client.request("DELETE", "/v1/me", json={"password": PASSWORD}, headers=weak)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


async def test_nothing_is_left_where_writes_run_into_the_erasing(alice: Person) -> None:
    tasks = [await alice.task(f"Task {number}") for number in range(5)]
    last: list[int] = []

    async def keep_writing(task: dict[str, Any]) -> None:
        while True:
            answers = [
                await alice.http.post("/v1/tasks", json={"title": "one more"}),
                await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": uuid.uuid4().hex}),
                await alice.http.post("/v1/tokens", json={"name": "one more", "scopes": ["account"]}),
            ]
            last[:] = [answer.status_code for answer in answers]
            assert set(last) <= {200, 201, 401, 404, 503}, [answer.text for answer in answers]
            if last == [401, 401, 401]:
                return

    writers = [asyncio.create_task(keep_writing(task)) for task in tasks]
    await asyncio.sleep(0.1)
    assert (await erase(alice)).status_code == 204
    await asyncio.gather(*writers)

    assert traces(alice.id) == {}


@pytest.mark.parametrize("is_erasing_first", [True, False])
async def test_erasing_and_a_write_do_not_wait_for_each_other(alice: Person, is_erasing_first: bool) -> None:
    """Both lock the owner's row before anything else, so the second one finds what the first has left."""
    task = await alice.task()
    calls = [lambda: erase(alice), lambda: alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Changed"})]
    with connect() as connection:
        connection.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        erasing_or_writing = []
        for count, call in enumerate(calls if is_erasing_first else reversed(calls), 1):
            erasing_or_writing.append(asyncio.create_task(call()))
            await lock_queue(count)
        connection.rollback()

    statuses = [answer.status_code for answer in await asyncio.gather(*erasing_or_writing)]

    assert statuses == ([204, 401] if is_erasing_first else [200, 204])
    assert traces(alice.id) == {}


async def test_row_that_is_left_undoes_the_erasing(alice: Person) -> None:
    await alice.task()
    with connect() as connection:
        # As if somebody had forgotten what the erasing relies on: a row that comes back.
        connection.execute("""
            CREATE TABLE todo.clingy (user_id uuid);
            CREATE RULE stay AS ON DELETE TO todo.clingy DO INSTEAD NOTHING;
        """)
        connection.execute("INSERT INTO todo.clingy VALUES (%s)", [alice.id])
    try:
        answer = await erase(alice)
    finally:
        with connect() as connection:
            connection.execute("DROP TABLE todo.clingy")

    assert answer.status_code == 500
    assert len((await alice.http.get("/v1/tasks")).json()["items"]) == 1


async def test_role_of_accounts_erases_nobody_without_the_hash(alice: Person) -> None:
    statement = Statement.fenced("SELECT erase_account('guess')", scope="account", role="todo_account")

    rows = await pool.execute(statement, credentials=Credentials(tokens.digest(alice.token)))

    assert rows.text(0, 0) == "f"
    assert (await alice.http.get("/v1/me")).status_code == 200


def test_staff_go_with_what_the_admin_noted_by_and_about_them(orm: None) -> None:
    staff, other = make_user("staff", is_staff=True), make_user("other", is_staff=True)
    group = Group.objects.create(name=uuid.uuid4().hex)
    staff.groups.add(group)
    task = Task.objects.create(user=staff, title="Staff's secret")

    def note(by: User, about: Any) -> None:
        kind = ContentType.objects.get_for_model(about)
        LogEntry.objects.create(
            user=by, content_type=kind, object_id=str(about.pk), object_repr=str(about), action_flag=CHANGE
        )

    for by, about in [(staff, other), (other, staff), (other, task), (other, group)]:
        note(by, about)
    with connect() as connection:
        connection.execute("SELECT set_config('app.user_id', %s, true)", [str(staff.pk)])
        assert connection.execute("SELECT erase_account(%s)", [staff.password]).fetchone() == (True,)

    assert traces(str(staff.pk), staff.email, str(task.pk)) == {}
    assert [entry.object_id for entry in LogEntry.objects.filter(user=other)] == [str(group.pk)]
    assert Group.objects.filter(pk=group.pk).exists()


def test_django_deletes_a_user_as_before(orm: None) -> None:
    user = make_user()
    Task.objects.create(user=user, title="x")

    user.delete()

    assert not User.objects.filter(pk=user.pk).exists()
