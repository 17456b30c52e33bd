"""Webhooks as their owner makes, changes and ends them, over the API."""

import uuid
from typing import Any

import httpx
import pytest
from pytest_django import Settings

from accounts import tokens
from accounts.models import User
from tasks import webhook_secrets, webhook_urls
from tests.support import mails
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Rows, Statement

URL = "https://hooks.example.com/todo?key=s3cret"


def sql(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connect(autocommit=True) as direct:
        cursor = direct.execute(query, values)
        return cursor.fetchall() if cursor.description else []


async def make(person: Person, *events: str, url: str = URL) -> dict[str, Any]:
    answer = await person.http.post("/v1/webhooks", json={"url": url, "events": events or ["task.*"]})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_secret_is_shown_once_and_stored_encrypted(alice: Person) -> None:
    answer = await alice.http.post("/v1/webhooks", json={"url": URL, "events": ["task.completed", "list.*"]})

    made = answer.json()
    secret = made.pop("secret")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Location"] == f"/v1/webhooks/{made['id']}"
    assert (made["is_enabled"], made["disabled_reason"], made["version"]) == (True, None, 1)
    shown = await alice.http.get(f"/v1/webhooks/{made['id']}")
    assert (shown.json(), shown.headers["ETag"]) == (made, '"1"')
    assert (await alice.http.get("/v1/webhooks")).json() == {"items": [made]}
    ((sealed,),) = sql("SELECT secret FROM webhooks WHERE id = %s", made["id"])
    assert webhook_secrets.shown(webhook_secrets.unseal(bytes(sealed)) or b"") == secret
    assert secret.removeprefix("whsec_") not in str(sealed)
    export = await alice.http.get("/v1/me/export")
    assert [hook["url"] for hook in export.json()["webhooks"]] == [URL]
    assert secret.removeprefix("whsec_") not in export.text


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://example.com/#",
            "ftp://example.com/",
        ),
        *("https:///path", "https://", "example.com", "https://exa mple.com/", "https://example.com\\@evil.example/"),
        *("https://bücher.example/", "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/"),
        *(
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://0.0.0.0/",
            "https://127.1/",
        ),
        *("https://2130706433/", "https://0x7f000001/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/"),
        *("https://[fe80::1%25eth0]/", "https://[fd00::1]/", "https://[2002:a00:1::]/", "https://100.64.0.1/"),
        *("https://example.com/\r\nX: y", "https://example.com/" + "x" * 2048),
    ],
)
async def test_where_nothing_may_go_is_refused(alice: Person, url: str) -> None:
    answer = await alice.http.post("/v1/webhooks", json={"url": url, "events": ["task.*"]})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/url"]
    assert (await alice.http.get("/v1/webhooks")).json() == {"items": []}


async def test_in_production_it_is_https_and_exceptions_are_named_exactly(alice: Person, settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1", "hooks.internal"]
    assert webhook_urls.split("http://127.0.0.1:8000/").hostname == "127.0.0.1"
    settings.PRODUCTION = True
    assert webhook_urls.split("https://127.0.0.1:8000/").hostname == "127.0.0.1"
    for url in ("http://127.0.0.1:8000/", "https://127.0.0.2/", "http://hooks.internal/"):
        with pytest.raises(webhook_urls.UrlRefused):
            webhook_urls.split(url)


@pytest.mark.parametrize("events", [[], ["task.unknown"], ["task.*", "task.*"], ["*"], "task.*", [None]])
async def test_events_are_named_each_once(alice: Person, events: Any) -> None:
    answer = await alice.http.post("/v1/webhooks", json={"url": URL, "events": events})
    assert answer.status_code == 422


async def test_changes_take_a_version_and_keep_preconditions(alice: Person) -> None:
    made = await make(alice)
    path = f"/v1/webhooks/{made['id']}"
    changed = await alice.http.patch(path, json={"events": ["list.*"]}, headers={"If-Match": '"1"'})
    assert (changed.json()["events"], changed.headers["ETag"]) == (["list.*"], '"2"')
    same = await alice.http.patch(path, json={"events": ["list.*"]})
    assert same.headers["ETag"] == '"2"'
    stale = await alice.http.patch(path, json={"is_enabled": False}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["ETag"]) == (412, '"2"')
    assert stale.json()["webhook"]["is_enabled"] is True
    assert (await alice.http.get(path, headers={"If-None-Match": '"2"'})).status_code == 304
    assert (await alice.http.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    disabled = (await alice.http.patch(path, json={"is_enabled": False})).json()
    assert (disabled["disabled_reason"], disabled["version"]) == ("owner", 3)
    assert disabled["disabled_at"] is not None
    enabled = (await alice.http.patch(path, json={"is_enabled": True})).json()
    assert (enabled["disabled_at"], enabled["disabled_reason"]) == (None, None)
    assert (await alice.http.patch(path, json={})).json() == enabled
    assert (await alice.http.patch(path, json={"url": None})).status_code == 422
    assert (await alice.http.delete(path)).status_code == 204
    assert (await alice.http.get(path)).status_code == 404


async def test_a_rotated_secret_is_another_one_and_the_old_one_is_kept(alice: Person) -> None:
    made = await make(alice)
    rotated = (await alice.http.post(f"/v1/webhooks/{made['id']}/rotate-secret")).json()
    assert rotated["secret"] != made["secret"]
    assert rotated["version"] == 2
    ((secret, old),) = sql("SELECT secret, old_secret FROM webhooks WHERE id = %s", made["id"])
    found = [webhook_secrets.shown(webhook_secrets.unseal(bytes(sealed)) or b"") for sealed in (secret, old)]
    assert found == [rotated["secret"], made["secret"]]


async def test_a_repeat_shows_the_secret_to_the_same_token_only(alice: Person) -> None:
    body, key = {"url": URL, "events": ["task.*"]}, {"Idempotency-Key": uuid.uuid4().hex}
    first = await alice.http.post("/v1/webhooks", json=body, headers=key)
    again = await alice.http.post("/v1/webhooks", json=body, headers=key)
    other = await alice.token_for("account", "tasks:read")
    withheld = await alice.http.post("/v1/webhooks", json=body, headers=key | other)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert (withheld.status_code, withheld.json()["code"]) == (409, "answer-withheld")
    assert len((await alice.http.get("/v1/webhooks")).json()["items"]) == 1


async def test_an_account_has_twenty_at_most(alice: Person) -> None:
    for _ in range(20):
        await make(alice)
    answer = await alice.http.post("/v1/webhooks", json={"url": URL, "events": ["task.*"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-webhooks")


async def test_a_test_and_a_replay_are_queued(alice: Person) -> None:
    made = await make(alice, "task.created")
    path = f"/v1/webhooks/{made['id']}"
    numbers = [int((await alice.http.post("/v1/tasks", json={"title": "x"})).headers["Change-No"]) for _ in range(3)]
    await alice.list()

    tested = await alice.http.post(f"{path}/test")
    replayed = await alice.http.post(f"{path}/replay", json={"from": numbers[1], "to": 2**63 - 1})

    assert (tested.status_code, tested.json()["type"]) == (202, "webhook.test")
    assert (replayed.status_code, replayed.json()) == (202, {"events": 2})
    listed = (await alice.http.get(f"{path}/deliveries", params={"limit": 2})).json()
    rest = (await alice.http.get(f"{path}/deliveries", params={"limit": 2, "cursor": listed["next_cursor"]})).json()
    assert [item["change_no"] for item in listed["items"]] == [numbers[2], numbers[1]]
    assert (rest["items"], rest["next_cursor"]) == ([tested.json()], None)
    assert listed["items"][0]["message_id"] == str(uuid.uuid5(uuid.UUID(made["id"]), str(numbers[2])))
    assert (await alice.http.post(f"{path}/replay", json={"from": 2, "to": 1})).status_code == 422
    await alice.http.patch(path, json={"is_enabled": False})
    refused = await alice.http.post(f"{path}/replay", json={"from": 1, "to": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_more_than_a_thousand_are_not_replayed_at_once(alice: Person) -> None:
    made = await make(alice, "task.created")
    sql(
        "INSERT INTO tasks (key, id, user_id, title, priority, is_completed)"
        " SELECT gen_random_uuid(), gen_random_uuid(), %s, 'x', 0, false FROM generate_series(1, 1001)",
        alice.id,
    )
    answer = await alice.http.post(f"/v1/webhooks/{made['id']}/replay", json={"from": 1, "to": 2**62})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "too_many_events"
    assert sql("SELECT count(*) FROM webhooks_deliveries WHERE user_id = %s", alice.id) == [(0,)]


async def test_what_waits_is_bounded(alice: Person) -> None:
    made = await make(alice, "task.created")
    await alice.task()
    sql("INSERT INTO webhooks_deliveries (id, user_id, webhook_id, type, state)"
        " SELECT gen_random_uuid(), %s, %s, 'task.created', 'queued' FROM generate_series(1, 2000)",
        alice.id, made["id"])  # fmt: skip
    for path, body in (("test", None), ("replay", {"from": 1, "to": 2})):
        answer = await alice.http.post(f"/v1/webhooks/{made['id']}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    sql("DELETE FROM webhooks_deliveries WHERE user_id = %s", alice.id)


# --- What ends them -------------------------------------------------------------------------------


async def state(person: Person, hook: dict[str, Any]) -> tuple[bool, str | None]:
    found = (await person.http.get(f"/v1/webhooks/{hook['id']}")).json()
    return found["is_enabled"], found["disabled_reason"]


async def test_logging_out_everywhere_disables_them(client: httpx.AsyncClient, alice: Person, bob: Person) -> None:
    mine, theirs = await make(alice), await make(bob)
    script = await alice.token_for("account", "tasks:read")
    assert (await alice.http.post("/v1/auth/logout-everywhere")).status_code == 204
    found = (await client.get(f"/v1/webhooks/{mine['id']}", headers=script)).json()
    assert (found["is_enabled"], found["disabled_reason"]) == (False, "logout")
    assert await state(bob, theirs) == (True, None)


async def test_a_reset_disables_them_and_ones_own_change_does_not(client: httpx.AsyncClient, alice: Person) -> None:
    made = await make(alice)
    new = "incorrect zebra battery staple"
    await alice.http.post("/v1/me/password", json={"current_password": PASSWORD, "new_password": new})
    assert await state(alice, made) == (True, None)
    await client.post("/v1/auth/password-reset", json={"email": alice.email})
    body = {"token": await mails.code(alice.email), "password": PASSWORD}
    assert (await client.post("/v1/auth/password-reset/confirm", json=body)).status_code == 204
    found = sql("SELECT is_enabled, disabled_reason FROM webhooks WHERE id = %s", made["id"])
    assert found == [(False, "password_reset")]


def test_a_password_by_staff_disables_them(orm: None) -> None:
    person = User.objects.create_user(email=f"{uuid.uuid4().hex}@example.com", password=PASSWORD)
    sql("INSERT INTO webhooks (id, user_id, url, events, secret) VALUES (gen_random_uuid(), %s, %s, '{task.*}', 'x')",
        person.pk, URL)  # fmt: skip
    person.set_password("incorrect zebra battery staple")
    person.save()
    assert sql("SELECT is_enabled, disabled_reason FROM webhooks WHERE user_id = %s", person.pk) == [(False, "staff")]


# --- The fence ------------------------------------------------------------------------------------


async def as_account(person: Person, query: str) -> Rows:
    statement = Statement.fenced(query, scope="account", role="todo_account")
    return await pool.execute(statement, {}, Credentials(tokens.digest(person.token)))


async def test_nobody_else_sees_them_and_tasks_alone_show_none(alice: Person, charlie: Person) -> None:
    made = await make(alice)
    await alice.http.post(f"/v1/webhooks/{made['id']}/test")
    for table in ("webhooks", "webhooks_deliveries"):
        query = f"SELECT id FROM {table}"
        own, others = [await as_account(person, query) for person in (alice, charlie)]
        assert (len(own), len(others)) == (1, 0)


async def test_the_role_of_accounts_reads_no_secret(alice: Person) -> None:
    await make(alice)
    with pytest.raises(Exception, match="permission denied"):
        await as_account(alice, "SELECT secret FROM webhooks")


async def test_they_go_with_the_account(alice: Person) -> None:
    made = await make(alice)
    await alice.http.post(f"/v1/webhooks/{made['id']}/test")
    answer = await alice.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204
    assert sql("SELECT FROM webhooks WHERE id = %s", made["id"]) == []
    assert sql("SELECT FROM webhooks_deliveries WHERE webhook_id = %s", made["id"]) == []
