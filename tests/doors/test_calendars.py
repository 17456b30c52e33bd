"""Calendars: made by their owner, read by whoever knows the address, and ended with it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from accounts import mails, tokens
from accounts.models import Scope
from accounts.queries import calendars
from tests.doors.addresses import backend, calendar
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect
from todoproject.observability import logs, slow_queries


@pytest_asyncio.fixture
async def address(alice: Person) -> str:
    return await calendar(alice)


def _secret(address: str) -> str:
    return address.rsplit("/", 1)[1].removesuffix(".ics")


# --- Making them ------------------------------------------------------------------------------------


async def test_a_calendar_is_shown_without_its_address_and_kept_as_a_digest(alice: Person) -> None:
    groceries = await alice.list()
    response = await alice.http.post(
        "/v1/calendars", json={"list_id": groceries["id"], "name": "Groceries", "as": "event"}
    )
    made = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    secret = _secret(made.pop("url"))

    (shown,) = (await alice.http.get("/v1/calendars")).json()["items"]
    assert shown == made
    assert (shown["name"], shown["list_id"], shown["all"], shown["as"]) == (
        "Groceries",
        groceries["id"],
        False,
        "event",
    )
    assert secret not in (await alice.http.get("/v1/me/export")).text
    assert made["id"] in (await alice.http.get("/v1/me/export")).text
    assert made["id"] not in (await alice.http.get("/v1/tokens")).text
    with connect() as direct:
        (row,) = direct.execute("SELECT t::text FROM access_tokens t WHERE id = %s", [made["id"]]).fetchall()
    assert tokens.digest(secret).hex() in row[0]
    assert secret not in row[0]


@pytest.mark.parametrize(
    "body", [{}, {"all": False}, {"all": True, "as": "x"}, {"all": True, "name": " "}, {"all": True, "name": "a\nb"}]
)
async def test_what_is_no_calendar_is_refused(alice: Person, body: Any) -> None:
    assert (await alice.http.post("/v1/calendars", json=body)).status_code == 422


async def test_a_strangers_list_and_one_in_the_trash_are_no_lists(alice: Person, bob: Person) -> None:
    theirs, deleted = await bob.list(), await alice.list()
    await alice.http.delete(f"/v1/lists/{deleted['id']}")
    for listed in (theirs, deleted):
        refused = await alice.http.post("/v1/calendars", json={"list_id": listed["id"]})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/list_id")
    assert (await alice.http.post("/v1/calendars", json={"list_id": theirs["id"], "all": True})).status_code == 422


@pytest.mark.parametrize("scope", Scope.values)
async def test_one_scope_alone_makes_none(alice: Person, scope: str) -> None:
    header = await alice.token_for(scope)
    assert (await alice.http.post("/v1/calendars", json={"all": True}, headers=header)).status_code == 403


async def test_an_account_has_so_many_and_makes_so_many_a_day(alice: Person, address: str) -> None:
    made = (await alice.http.get("/v1/calendars")).json()["items"][0]
    with connect(autocommit=True) as direct:
        direct.execute(
            "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes, created_at)"
            " SELECT gen_random_uuid(), %s, 'todos', 'x', sha256((%s || n)::bytea), '{tasks:read}',"
            "        now() - interval '2 days'"
            " FROM generate_series(1, %s) AS n",
            [alice.id, alice.id, calendars.MOST_CALENDARS - 1],
        )
        refused = await alice.http.post("/v1/calendars", json={"all": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "too-many-calendars")
        assert (await alice.http.delete(f"/v1/calendars/{made['id']}")).status_code == 204
        assert (await alice.http.post("/v1/calendars", json={"all": True})).status_code == 201
        direct.execute("UPDATE access_tokens SET revoked_at = now(), created_at = now() WHERE user_id = %s", [alice.id])
        direct.execute("UPDATE access_tokens SET revoked_at = NULL WHERE kind = 'session' AND user_id = %s", [alice.id])
    assert (await alice.http.post("/v1/calendars", json={"all": True})).json()["code"] == "too-many-calendars"


async def test_one_that_is_made_by_a_token_with_an_end_ends_with_it(alice: Person, client: httpx.AsyncClient) -> None:
    header = await alice.token_for("account", "tasks:read", expires_at="2099-01-01T00:00:00Z")
    made = (await alice.http.post("/v1/calendars", json={"all": True}, headers=header)).json()
    with connect() as direct:
        (end,) = direct.execute("SELECT expires_at FROM access_tokens WHERE id = %s", [made["id"]]).fetchone() or ()
    assert end.year in (2098, 2099)


async def test_its_owner_is_told_by_mail(alice: Person) -> None:
    mail = mails.calendar_made(alice.email, "Tasks", alice.id)
    assert "Tasks" in mail.text
    assert "todo_" not in mail.text


async def test_a_door_that_is_closed_makes_no_address(alice: Person, settings: Any) -> None:
    settings.DOORS = ["todoist"]
    asked = {"name": "x", "kind": "backend", "scopes": ["tasks:read"]}
    assert (await alice.http.post("/v1/calendars", json={"all": True})).status_code == 409
    assert (await alice.http.post("/v1/tokens", json=asked)).status_code == 409


# --- Reading them -----------------------------------------------------------------------------------


async def test_whoever_has_it_is_told_so(alice: Person, client: httpx.AsyncClient, address: str) -> None:
    await alice.task("first")
    first = await client.get(address)
    assert first.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert first.headers["Cache-Control"] == "private, no-cache"
    tag = first.headers["ETag"]
    for sent in (tag, f"W/{tag}", f'"x", {tag}', "*", f'"{tag[1:-1]}-gzip"'):
        known = await client.get(address, headers={"If-None-Match": sent})
        assert (known.status_code, known.content) == (304, b""), sent

    await alice.task("second")
    changed = await client.get(address, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert "SUMMARY:second" in changed.text
    assert changed.headers["ETag"] != tag
    zone = await alice.http.patch("/v1/me", json={"timezone": "Europe/Berlin"})
    assert zone.status_code == 200
    assert (await client.get(address, headers={"If-None-Match": changed.headers["ETag"]})).status_code == 200
    assert (await client.get(address, headers={"If-None-Match": "x"})).status_code == 400


async def test_head_writing_and_parameters(client: httpx.AsyncClient, address: str) -> None:
    assert (await client.head(address)).status_code == 200
    assert (await client.put(address)).status_code == 405
    assert (await client.get(address, params={"x": "1"})).status_code == 422
    assert (await client.get(address.replace("todo_", "todo_x"), params={"x": "1"})).status_code == 404


async def test_a_calendar_shows_what_is_its_owners_and_in_its_list(
    alice: Person, bob: Person, client: httpx.AsyncClient
) -> None:
    groceries = await alice.list()
    await alice.task("inside", list_id=groceries["id"])
    await alice.task("outside")
    deleted = await alice.task("deleted")
    await alice.http.delete(f"/v1/tasks/{deleted['id']}")
    await bob.task("bobs")
    whole, part, theirs = [
        (await client.get(address)).text
        for address in (
            await calendar(alice),
            await calendar(alice, list_id=groceries["id"], all=None),
            await calendar(bob),
        )
    ]
    assert [[word in text for word in ("inside", "outside", "deleted", "bobs")] for text in (whole, part, theirs)] == [
        [True, True, False, False],
        [True, False, False, False],
        [False, False, False, True],
    ]


async def test_a_list_that_is_gone_has_no_calendar_until_it_is_back(alice: Person, client: httpx.AsyncClient) -> None:
    groceries = await alice.list()
    address = await calendar(alice, list_id=groceries["id"], all=None)
    await alice.http.delete(f"/v1/lists/{groceries['id']}")
    assert (await client.get(address)).status_code == 404
    await alice.http.post(f"/v1/lists/{groceries['id']}/restore")
    assert (await client.get(address)).status_code == 200


async def test_it_takes_one_round_trip(alice: Person, client: httpx.AsyncClient, address: str) -> None:
    seen: list[str] = []
    await client.get(address)  # notes its use
    slow_queries.observers.append(lambda engine, shape, seconds: seen.append(shape))
    try:
        await client.get(address)
    finally:
        slow_queries.observers.pop()
    assert len(seen) == 1


# --- What ends them ---------------------------------------------------------------------------------

End = Callable[[Person], Awaitable[httpx.Response]]


async def _logout_everywhere(person: Person) -> httpx.Response:
    return await person.http.post("/v1/auth/logout-everywhere")


async def _erase(person: Person) -> httpx.Response:
    return await person.http.request("DELETE", "/v1/me", json={"password": PASSWORD})


async def _change_password(person: Person) -> httpx.Response:
    body = {"current_password": PASSWORD, "new_password": "another horse battery staple", "revoke_tokens": True}
    return await person.http.post("/v1/me/password", json=body)


@pytest.mark.parametrize("end", [_logout_everywhere, _erase, _change_password])
async def test_what_ends_every_login_ends_addresses(alice: Person, client: httpx.AsyncClient, end: End) -> None:
    for path in (await calendar(alice), await backend(alice)):
        assert (await client.get(path)).status_code == 200
    paths = [await calendar(alice), await backend(alice)]
    assert (await end(alice)).status_code == 204
    assert [(await client.get(path)).status_code for path in paths] == [404, 404]


async def test_a_reset_ends_addresses_and_spares_personal_tokens(alice: Person, client: httpx.AsyncClient) -> None:
    paths, personal = [await calendar(alice), await backend(alice)], await alice.token_for("tasks:read")
    with connect(autocommit=True) as direct:
        direct.execute(
            "INSERT INTO email_links (id, purpose, email, digest, password, expires_at)"
            " VALUES (gen_random_uuid(), 'reset', %s, %s, '', now() + interval '1 hour')",
            [alice.email, tokens.digest(alice.id)],
        )
        direct.execute("UPDATE users SET email_verified_at = now() WHERE id = %s", [alice.id])
    body = {"token": alice.id, "password": "another horse battery staple"}
    assert (await client.post("/v1/auth/password-reset/confirm", json=body)).status_code == 204
    assert [(await client.get(path)).status_code for path in paths] == [404, 404]
    assert (await client.get("/v1/tasks", headers=personal)).status_code == 200


async def test_a_change_of_ones_own_password_ends_none(alice: Person, client: httpx.AsyncClient, address: str) -> None:
    body = {"current_password": PASSWORD, "new_password": "another horse battery staple"}
    assert (await alice.http.post("/v1/me/password", json=body)).status_code == 204
    assert (await client.get(address)).status_code == 200


async def test_a_revoked_a_wrong_and_a_malformed_address_are_the_same_404(
    alice: Person, charlie: Person, client: httpx.AsyncClient, address: str
) -> None:
    (made,) = (await alice.http.get("/v1/calendars")).json()["items"]
    assert (await charlie.http.delete(f"/v1/calendars/{made['id']}")).status_code == 404
    assert (await client.get(address)).status_code == 200
    assert (await alice.http.delete(f"/v1/calendars/{made['id']}")).status_code == 204
    answers = [await client.get(path) for path in (address, f"/calendar/{tokens.generate()}.ics", "/calendar/x.ics")]
    said = [{**answer.json(), "instance": "", "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert said[0] == said[1] == said[2]


async def test_whose_account_is_inactive_has_no_address(alice: Person, client: httpx.AsyncClient, address: str) -> None:
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE users SET is_active = false WHERE id = %s", [alice.id])
    assert (await client.get(address)).status_code == 404


# --- The secret stays a secret ----------------------------------------------------------------------


async def test_no_log_line_and_no_trace_holds_the_secret(
    alice: Person, client: httpx.AsyncClient, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [await calendar(alice), await backend(alice), f"{await backend(alice)}/x", f"/calendar/{tokens.generate()}"]
    settings.SLOW_QUERY_SECONDS = 0  # every statement is a slow one
    traced: list[str] = []
    slow_queries.observers.append(lambda engine, shape, seconds: traced.append(shape))
    logs.route_observers.append(traced.append)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    try:
        for path in paths:
            for method in ("GET", "POST", "OPTIONS", "PUT"):
                await client.request(method, path, json=None if method == "GET" else {"title": "x"})
    finally:
        slow_queries.observers.pop()
        logs.route_observers.pop()
    lines = [str(vars(record)) for record in caplog.records if record.name.split(".")[0] in ("todoproject", "django")]
    assert any("slow query" in line for line in lines)
    assert any("/calendar/{secret}.ics" in line for line in lines)
    assert "/todo-backend/{secret}" in traced
    assert not [
        line for line in [*lines, *traced] if "todo_" in line.replace("todo_api", "").replace("todo_account", "")
    ]
