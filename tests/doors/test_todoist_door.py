"""Todoist's door itself: who may come in, in which words it refuses, and that nothing hostile gets further."""

import re
import uuid
from typing import Any

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts.models import Scope
from doors.mounting import DOORS, opened
from doors.todoist.routes import OPERATIONS, ROOT
from tests.support.people import Person
from todoproject.database.client.connection import Connection
from todoproject.environment import parsers
from todoproject.environment.variables import Environment

API = f"/{ROOT}"
OPERATION_IDS = sorted(f"{method} {route}" for route, operations in OPERATIONS.items() for method in operations)
# What each operation that takes a body, or has to be told something, does with this works.
BODIES: dict[str, dict[str, Any]] = {
    "tasks": {"content": "Buy milk"},
    "tasks/{}/move": {"project_id": "inbox"},
    "projects": {"name": "Home"},
    "labels/{}": {"name": "b"},
    "labels/shared/rename": {"new_name": "b"},
    "labels/shared/remove": {"name": "a"},
}
QUERIES: dict[str, dict[str, str]] = {
    "tasks/filter": {"query": "today"},
    "tasks/completed/by_completion_date": {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
    "tasks/completed/by_due_date": {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
    "projects/search": {"query": "a"},
    "labels/search": {"query": "a"},
    "labels/shared/rename": {"name": "a"},
}
NOT_HERE = ("POST labels", "POST sections", "POST tasks/quick")


def _parts(operation: str, identity: str) -> tuple[str, str, str]:
    """Return the method, the path and its template without names."""
    method, route = operation.split(" ")
    plain = re.sub(r"<[^>]*>", "{}", route)
    return method, f"{API}/{plain.replace('{}', identity)}", plain


async def _call(http: httpx.AsyncClient, operation: str, identity: str, **headers: str) -> httpx.Response:
    method, path, plain = _parts(operation, identity)
    content = BODIES.get(plain, {}) if method == "POST" and _takes_body(operation) else None
    return await http.request(method, path, json=content, params=QUERIES.get(plain), headers=headers)


def _takes_body(operation: str) -> bool:
    method, route = operation.split(" ")
    return OPERATIONS[route][method].body is not None


def _is_not_here(operation: str) -> bool:
    """Tell whether Todoist has it and we have nothing that would do for it."""
    is_one_section = operation.split(" ")[1].startswith("sections/<")
    return (
        is_one_section or operation in NOT_HERE or _kind(operation) in ("comments", "location_reminders", "reminders")
    )


def _assert_refused(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    error: dict[str, Any] = response.json()
    assert response.status_code in statuses, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert error.keys() == {"error", "error_code", "error_extra", "error_tag", "http_code"}
    assert (error["http_code"], error["error_extra"]["request_id"]) == (
        response.status_code,
        response.headers["X-Request-ID"],
    )
    return error


# --- Who may come in ------------------------------------------------------------------------------


async def test_a_token_that_may_only_read_writes_nothing(alice: Person) -> None:
    reading = await alice.token_for(Scope.TASKS_READ)
    theirs = await _things(alice)
    before = await _state(alice)

    for operation in OPERATION_IDS:
        response = await _call(alice.http, operation, theirs.get(_kind(operation), "1"), **reading)
        reads = operation.startswith("GET ") or operation == "POST sync"
        # What is not here is not here for readers, too; `sync` without commands writes nothing.
        status = 404 if _is_not_here(operation) else 200 if reads else 403
        assert response.status_code == status, (operation, response.text)

    assert await _state(alice) == before


async def _things(person: Person) -> dict[str, str]:
    task, there = await person.task(labels=["theirs"]), await person.list()
    return {"tasks": task["id"], "projects": there["id"], "labels": "dGhlaXJz"}


async def _state(person: Person) -> list[Any]:
    return [(await person.http.get(path)).json() for path in ("/v1/tasks", "/v1/lists", "/v1/labels")]


def _kind(operation: str) -> str:
    return operation.split(" ")[1].split("/")[0]


async def test_an_outsider_names_anothers_things_in_vain(alice: Person, charlie: Person) -> None:
    theirs = await _things(alice)
    own = await charlie.task()
    path = f"{API}/tasks"

    for place in ({"project_id": theirs["projects"]}, {"parent_id": theirs["tasks"]}):
        _assert_refused(await charlie.http.post(path, json={"content": "x", **place}), 400)
        _assert_refused(await charlie.http.post(f"{path}/{own['id']}/move", json=place), 400)
        assert (await charlie.http.get(path, params=place)).json()["results"] == []
    assert (await charlie.http.get(path, params={"ids": theirs["tasks"]})).json()["results"] == []
    assert (await charlie.http.get(f"{path}/filter", params={"query": "@theirs"})).json()["results"] == []
    whole = (await charlie.http.post(f"{API}/sync", json={"sync_token": "*", "resource_types": ["all"]})).json()
    assert theirs["tasks"] not in str(whole)


async def test_a_token_of_the_sync_is_its_owners(alice: Person, charlie: Person) -> None:
    asked = {"resource_types": ["items"]}
    token = (await alice.http.post(f"{API}/sync", json=asked)).json()["sync_token"]

    _assert_refused(await charlie.http.post(f"{API}/sync", json={**asked, "sync_token": token}), 400)


async def test_a_request_is_one_round_trip_as_our_own_is(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    task, home = await alice.task(labels=["a"]), await alice.list("Home")
    path = f"{API}/tasks/{task['id']}"
    sent = []
    send = Connection.send

    async def counting(self: Connection, commands: Any, *, edition: bytes | None) -> Any:
        sent.append(len(commands))
        return await send(self, commands, edition=edition)

    monkeypatch.setattr(Connection, "send", counting)
    for method, url, body in (
        ("GET", f"{API}/tasks", None),
        ("POST", f"{API}/tasks", {"content": "Another"}),
        ("GET", path, None),
        ("POST", path, {"content": "Changed", "due_date": "2026-12-01"}),
        ("POST", f"{path}/move", {"project_id": home["id"]}),
        ("POST", f"{path}/close", None),
        ("POST", f"{path}/reopen", None),
        ("DELETE", path, None),
        ("GET", f"{API}/tasks/filter?query=today", None),
        ("GET", f"{API}/projects", None),
        ("POST", f"{API}/projects/{home['id']}/archive", None),
        ("GET", f"{API}/labels", None),
        ("POST", f"{API}/sync", {"sync_token": "*", "resource_types": ["items", "projects"]}),
    ):
        sent.clear()
        response = await alice.http.request(method, url, json=body)
        assert response.is_success, response.text
        assert len(sent) == 1, url


# --- What is refused ------------------------------------------------------------------------------


async def test_what_is_not_here_is_said_to_be_not_here(alice: Person) -> None:
    for method, path in (
        ("GET", "comments?task_id=1"),
        ("POST", "comments"),
        ("POST", "tasks/quick"),
        ("POST", "sections"),
        ("DELETE", "sections/1"),
        ("GET", "reminders"),
        ("POST", "location_reminders"),
        ("POST", "labels"),
    ):
        refused = await alice.http.request(method, f"{API}/{path}", json={"any": 1} if method == "POST" else None)
        assert _assert_refused(refused, 404)["error_tag"] == "NOT_SUPPORTED"


async def test_wrong_paths_methods_and_parameters_are_told_in_its_words(alice: Person) -> None:
    _assert_refused(await alice.http.get(f"{API}/nothing/here"), 404)
    _assert_refused(await alice.http.get(API), 404)
    wrong = await alice.http.put(f"{API}/tasks")
    _assert_refused(wrong, 405)
    assert "Allow" in wrong.headers
    told = _assert_refused(await alice.http.get(f"{API}/tasks?colour=red"), 400)
    assert told["error_extra"]["errors"][0]["argument"] == "colour"
    told = _assert_refused(await alice.http.post(f"{API}/tasks", json={"content": "a\nb"}), 400)
    assert told["error_extra"]["errors"][0]["argument"] == "content"
    assert (await alice.http.options(f"{API}/tasks")).headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await alice.http.head(f"{API}/tasks")).status_code == 200


async def test_a_token_in_the_clear_is_refused_here_too(app: httpx.ASGITransport, alice: Person, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    far = httpx.ASGITransport(app.app, client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=far, base_url="http://testserver", headers=alice.http.headers) as http:
        refused = await http.get(f"{API}/tasks")

    assert _assert_refused(refused, 403)["error_tag"] == "HTTPS_REQUIRED"


async def test_the_host_counts_here_too(alice: Person) -> None:
    _assert_refused(await alice.http.get(f"{API}/tasks", headers={"Host": "elsewhere.example"}), 400)


async def test_odd_parameters_are_refused(alice: Person) -> None:
    for query in (
        "limit=0",
        "limit=x",
        "limit=201",
        "cursor=%00",
        "cursor=x",
        "ids=x",
        "project_id=x",
        "ids=a&label=b",
    ):
        _assert_refused(await alice.http.get(f"{API}/tasks?{query}"), 400)
    ids = ",".join(str(uuid.uuid4()) for _ in range(101))
    _assert_refused(await alice.http.get(f"{API}/tasks", params={"ids": ids}), 400)
    assert (await alice.http.get(f"{API}/tasks?ids=")).json()["results"] == []


async def test_odd_paths_lead_nowhere(alice: Person) -> None:
    for path in (
        "tasks/x",
        "projects/x",
        "projects/%00",
        "labels/%ff",
        "labels/AA",
        "labels/_-8",
        "labels/a%2Fb",
        "tasks/",
    ):
        _assert_refused(await alice.http.get(f"{API}/{path}"), 400, 404)
        _assert_refused(await alice.http.delete(f"{API}/{path}"), 400, 404)


# --- Where it stands ------------------------------------------------------------------------------


def test_a_door_is_closed_by_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened([]) == []
    assert parsers.doors("off") == []
    assert {*parsers.KNOWN_DOORS} == DOORS.keys()
    with pytest.raises(ValueError, match="say todoist, mcp, calendar, todo-backend, or off"):
        parsers.doors("todoist,cellar")
    monkeypatch.setenv("DOORS", "cellar")
    env = Environment()
    env("DOORS", parsers.doors, example="off", default=[])
    with pytest.raises(ImproperlyConfigured, match="DOORS"):
        env.stop_on_mistakes()


async def test_behind_a_closed_door_is_nothing(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("todoproject.asgi._behind", [])

    assert (await alice.http.get(f"{API}/tasks")).status_code == 404
