"""The door for agents itself: who may come in, what it refuses, and that nothing hostile gets further."""

import json
import uuid
from typing import Any

import httpx
import pytest

from accounts import tokens
from accounts.models import Scope
from doors.mcp.messages import OLDER, PRESENT
from doors.mcp.tools import TOOLS
from tests.support.http.hostile import BODIES
from tests.support.people import Person
from todoproject.http import activity
from todoproject.http.body import MAX_BYTES

PATH = "/mcp"
READING = {"find_tasks", "agenda"}


async def send(person: Person | httpx.AsyncClient, method: str, params: Any = None, **headers: str) -> httpx.Response:
    """Send a request of an older version, which needs no envelope."""
    http = person.http if isinstance(person, Person) else person
    message = {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params})}
    return await http.post(PATH, json=message, headers=headers)


async def call(person: Person, tool: str, *, expects_error: bool = False, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return what it tells."""
    return await call_with({}, person, tool, expects_error=expects_error, **arguments)


async def call_with(
    headers: dict[str, str], person: Person, tool: str, *, expects_error: bool = False, **arguments: Any
) -> dict[str, Any]:
    answer = await send(person, "tools/call", {"name": tool, "arguments": arguments}, **headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    assert result["isError"] is expects_error, result
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    told: dict[str, Any] = result["structuredContent"]
    return told


def envelope(**params: Any) -> dict[str, Any]:
    prefix = "io.modelcontextprotocol/"
    return {**params, "_meta": {f"{prefix}protocolVersion": PRESENT, f"{prefix}clientCapabilities": {}}}


# --- Who may come in ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["initialize", "server/discover", "tools/list", "tools/call", "ping", "nonsense"])
async def test_nobody_comes_in_without_a_good_token(client: httpx.AsyncClient, method: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {tokens.generate()}"}):
        invalid = {"name": "add_task", "arguments": {"titel": "x"}}
        for params in ({"name": "agenda", "arguments": {}}, invalid, {"name": "cellar"}, envelope(name="agenda")):
            refused = await send(client, method, params, **headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        noted = await client.post(PATH, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
        assert noted.status_code == 401
        for odd in ({"params": {"a": "1"}}, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}):
            given = {**odd, "headers": {**headers, **odd.get("headers", {})}}
            assert (await client.post(PATH, **given)).status_code == 401


async def test_a_token_that_may_only_read_sees_only_tools_that_read(alice: Person) -> None:
    reading = await alice.token_for(Scope.TASKS_READ)
    task = await alice.task()

    seen = (await send(alice, "tools/list", **reading)).json()["result"]["tools"]
    assert {tool["name"] for tool in seen} == READING
    assert all(tool["annotations"]["readOnlyHint"] for tool in seen)
    everything = (await send(alice, "tools/list")).json()["result"]["tools"]
    assert [tool["name"] for tool in everything] == [*TOOLS]
    hints = {tool["name"]: tool["annotations"] for tool in everything if tool["name"] not in READING}
    assert not any(hint["readOnlyHint"] for hint in hints.values())
    assert {name for name, hint in hints.items() if hint["destructiveHint"]} == {"change_task", "undo"}
    assert {name for name, hint in hints.items() if hint["idempotentHint"]} == {
        "change_task",
        "complete_task",
        "move_task",
    }

    for tool in TOOLS.keys() - READING:
        refused = await call_with(reading, alice, tool, expects_error=True, **_works(tool, task["id"]))
        assert (refused["code"], refused["required"]) == ("scope-missing", ["tasks:write"])
    assert (await call_with(reading, alice, "find_tasks"))["tasks"][0]["id"] == task["id"]
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_a_token_for_neither_sees_no_tool(alice: Person) -> None:
    neither = await alice.token_for(Scope.ACCOUNT)
    assert (await send(alice, "tools/list", **neither)).json()["result"]["tools"] == []
    for tool in TOOLS:
        refused = await call_with(neither, alice, tool, expects_error=True, **_works(tool, str(uuid.uuid4())))
        assert refused["code"] == "scope-missing", tool


def _works(tool: str, task_id: str) -> dict[str, Any]:
    """Return arguments with which a tool works on a task."""
    if tool == "undo":
        return {"change_no": 1}
    members: dict[str, dict[str, Any]] = {
        "add_task": {"title": "x"},
        "change_task": {"title": "x"},
        "move_task": {"first": True},
    }
    return members.get(tool, {}) | ({} if tool in {"add_task", *READING} else {"task_id": task_id})


async def test_an_outsider_gets_the_same_for_anothers_thing_as_for_none(alice: Person, charlie: Person) -> None:
    there = await alice.list("Secret")
    task = await alice.task("Secret", list_id=there["id"])
    number = int((await alice.http.patch(f"/v1/tasks/{task['id']}", json={"priority": "low"})).headers["Change-No"])
    before = (await alice.http.get(f"/v1/tasks/{task['id']}")).json()

    for tool in TOOLS.keys() - READING - {"add_task", "undo"}:
        tried = (_works(tool, task_id) for task_id in (task["id"], _nobodys()))
        told = [await call(charlie, tool, expects_error=True, **arguments) for arguments in tried]
        assert told[0] == told[1], tool
        assert told[0]["code"] == "not-found"
    undone = await call(charlie, "undo", expects_error=True, change_no=number)
    assert undone["code"] == "not-found"
    own = await charlie.task()
    for place in ({"list": there["id"]}, {"parent_id": task["id"]}):
        assert (await call(charlie, "add_task", expects_error=True, title="x", **place))["code"] == "invalid"
        moved = await call(charlie, "move_task", expects_error=True, task_id=own["id"], **place)
        assert moved["code"] == "invalid"
    named = await call(charlie, "add_task", expects_error=True, title="x", list="Secret")
    assert named["error"] == "list: There is no such list. Lists: inbox."
    assert (await call(charlie, "find_tasks", list=there["id"]))["tasks"] == []
    assert "Secret" not in str(await call(charlie, "agenda"))
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == before


def _nobodys() -> str:
    return str(uuid.uuid4())


async def test_pages_of_a_foreign_origin_are_refused(alice: Person, settings: Any) -> None:
    settings.CORS_ALLOWS_LOCALHOST = False
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    found = {}
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "https://app.example.com",
        "http://testserver",
    ):
        found[origin] = (await send(alice, "ping", Origin=origin)).status_code
    assert found == {
        "https://evil.example": 403,
        "null": 403,
        "http://localhost:3000": 403,
        "https://app.example.com": 200,
        "http://testserver": 200,
    }


async def test_a_browsers_client_may_send_the_headers_of_the_protocol(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    allowed = (await client.options(PATH, headers=asked)).headers["Access-Control-Allow-Headers"]
    assert {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Authorization"} <= {*allowed.split(", ")}


# --- What it refuses ------------------------------------------------------------------------------


async def test_other_methods_and_parameters_are_refused(alice: Person) -> None:
    for method in ("GET", "DELETE", "PUT"):  # no stream and no session that could be opened or ended
        refused = await alice.http.request(method, PATH)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "OPTIONS, POST")
    assert (await alice.http.post(f"{PATH}?a=1", json={})).status_code == 422
    assert (await alice.http.post(f"{PATH}/else", json={})).status_code == 404
    assert (await alice.http.post(PATH, content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_odd_bodies_are_refused_in_order(alice: Person, body: bytes) -> None:
    refused = await alice.http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    is_too_large = len(body) > MAX_BYTES
    assert refused.status_code == (413 if is_too_large else 400), refused.text
    if not is_too_large:
        assert refused.json()["error"]["code"] in (-32700, -32600)
        assert refused.json()["id"] is None


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": True, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
    ],
)
async def test_what_is_no_request_is_refused(alice: Person, message: Any) -> None:
    refused = await alice.http.post(PATH, json=message)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32600)


async def test_unknown_methods_and_tools_are_refused(alice: Person) -> None:
    unknown = await send(alice, "resources/list")
    assert (unknown.status_code, unknown.json()["error"]["code"], unknown.json()["id"]) == (404, -32601, 1)
    for name in ("cellar", None, 7, [], {"a": 1}):
        refused = await send(alice, "tools/call", {"name": name})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)


async def test_arguments_that_are_none_are_told_to_the_agent(alice: Person) -> None:
    odd = [[], "x", 7, {"titel": "x"}, {"title": 7}, {"title": "\0"}, {"title": "x" * 100_000}, {"title": {"a": "b"}}]
    for arguments in odd:
        answer = await send(alice, "tools/call", {"name": "add_task", "arguments": arguments})
        assert answer.status_code == 200, answer.text
        result = answer.json()["result"]
        assert (result["isError"], result["structuredContent"]["code"]) == (True, "invalid"), arguments
    hint = await call(alice, "add_task", expects_error=True, titel="x")
    assert "did you mean title?" in hint["error"]
    assert (await call(alice, "find_tasks"))["tasks"] == []


async def test_versions_are_agreed_on(alice: Person) -> None:
    for version in (*OLDER, "1999-01-01"):
        result = (await send(alice, "initialize", {"protocolVersion": version})).json()["result"]
        assert result["protocolVersion"] == (version if version in OLDER else OLDER[0])
        assert result["capabilities"] == {"tools": {}}
        assert "change_no" in result["instructions"]
    for version in OLDER:
        assert (await send(alice, "ping", **{"MCP-Protocol-Version": version})).json()["result"] == {}
    refused = await send(alice, "ping", **{"MCP-Protocol-Version": "1999-01-01"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32022)
    assert refused.json()["error"]["data"]["supported"] == [PRESENT, *OLDER]


async def test_headers_of_the_present_version_must_say_what_the_message_says(alice: Person) -> None:
    good = {"MCP-Protocol-Version": PRESENT, "Mcp-Method": "tools/call", "Mcp-Name": "agenda"}
    params = envelope(name="agenda", arguments={})
    answer = await send(alice, "tools/call", params, **good)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]["resultType"] == "complete"
    in_base64 = {**good, "Mcp-Name": "=?base64?YWdlbmRh?="}
    assert (await send(alice, "tools/call", params, **in_base64)).status_code == 200

    for name, value in (("MCP-Protocol-Version", OLDER[0]), ("Mcp-Method", "ping"), ("Mcp-Name", "=?base64?!?=")):
        for headers in ({**good, name: value}, {other: good[other] for other in good if other != name}):
            refused = await send(alice, "tools/call", params, **headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32020), (name, headers)
    newer = {**params, "_meta": {**params["_meta"], "io.modelcontextprotocol/protocolVersion": "2027-01-01"}}
    unknown = await send(alice, "tools/call", newer, **{**good, "MCP-Protocol-Version": "2027-01-01"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, -32022)
    bare = await send(alice, "tools/call", {"name": "agenda"}, **good)
    assert (bare.status_code, bare.json()["error"]["code"]) == (400, -32602)


async def test_notifications_are_acknowledged(alice: Person) -> None:
    noted = await alice.http.post(PATH, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (noted.status_code, noted.content) == (202, b"")


async def test_what_only_reads_is_no_write_for_those_who_are_told(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[bool, str | None]] = []
    monkeypatch.setattr(activity, "listeners", [lambda wrote, owner: told.append((wrote, owner))])

    for method in ("initialize", "tools/list", "ping", "nonsense"):
        await send(alice, method)
    await call(alice, "find_tasks")
    await call(alice, "agenda")
    await call(alice, "add_task", title="x", dry_run=True)
    await call(alice, "add_task", expects_error=True, title="")
    await call(alice, "complete_task", expects_error=True, task_id=_nobodys())
    assert {*told} == {(False, None)}
    told.clear()

    await call(alice, "add_task", title="x")
    assert told == [(True, alice.id)]


async def test_behind_a_closed_door_is_nothing(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("todoproject.asgi._behind", [])
    assert (await send(alice, "ping")).status_code == 404


async def test_an_id_that_no_answer_could_hold_is_refused_before_anything_is_done(alice: Person) -> None:
    asked = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "add_task", "arguments": {"title": "x"}}}
    for odd in (2**63, -(2**63) - 1, 10**400, 1.5, None, True):
        refused = await alice.http.post(PATH, json={**asked, "id": odd})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32600)
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []
    assert (await alice.http.post(PATH, json={**asked, "id": 2**63 - 1})).json()["id"] == 2**63 - 1
