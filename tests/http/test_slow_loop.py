"""No request holds up the others: the event loop's longest turn over a table of hostile bodies and queries."""

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.doors.addresses import backend
from tests.support.people import Person

LONGEST_SECONDS = 0.05
MIB = 1024 * 1024


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The processor's time of each turn of the event loop: what others wait, whatever else this machine does."""
    seconds: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        run(handle)
        seconds.append(time.thread_time() - started)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    gc.collect()  # of what other tests have left, which is more than a server has
    return iter([seconds]).__next__()


def _many(piece: str, start: str, end: str) -> str:
    return start + piece * ((MIB - len(start) - len(end) - 9) // len(piece)) + end


UNKNOWN = {f"member_number_{n}": n for n in range(990)}
BODIES = {
    "43,000 unknown members": json.dumps({f"member {n}": 0 for n in range(43_000)}),
    "990 unknown members": json.dumps(UNKNOWN),
    "operations full of unknown members": json.dumps(
        {"operations": [{"op": "create", "data": {f"a{n}": 0 for n in range(90)}}] * 100}
    ),
    "near names": json.dumps({f"titl{n}": 0 for n in range(990)}),
    "arrays": _many("[],", '{"title":[', "[]]}"),
    "objects": _many("{},", '{"operations":[', "{}]}"),
    "numbers": _many("1,", '{"title":[', "1]}"),
    "strings": _many('"a",', '{"title":[', '"a"]}'),
    "escaped quotes": _many('\\",', '{"title":"', '"}'),
    "escaped backslashes": _many('"\\\\",', '{"title":[', '""]}'),
    "commas in a string": _many(",", '{"title":"', '"}'),
    "long names": json.dumps({f"{'x' * 1_000}{n}": 0 for n in range(900)}),
    "a string that never ends": _many(",", '{"title":"', ""),
    "long number": '{"priority":' + "9" * 4_000 + "}",
    "astral characters": json.dumps({"title": "\U0001f404" * 80_000}),
    "depth": "[" * 500_000 + "]" * 500_000,
}


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/batch", "/v1/auth/login"])
@pytest.mark.parametrize("content", BODIES.values(), ids=BODIES.keys())
async def test_no_body_holds_the_loop(alice: Person, path: str, content: str, turns: list[float]) -> None:
    headers = {"Content-Type": "application/json"}
    turns.clear()
    response = await asyncio.create_task(alice.http.post(path, content=content.encode(), headers=headers))

    assert max(turns) < LONGEST_SECONDS
    assert 400 <= response.status_code < 500
    assert len(response.json()["errors"]) <= 20


def _commands(arguments: dict[str, object]) -> str:
    return json.dumps({"commands": [{"type": "item_add", "uuid": f"{n}", "args": arguments} for n in range(100)]})


def _call(arguments: dict[str, object]) -> str:
    params = {"name": "find_tasks", "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


BEHIND_DOORS = BODIES | {
    "commands full of near names": _commands({f"conten{n}": 0 for n in range(90)}),
    "commands with long dues": _commands({"content": "x", "due_string": " " * 9_000}),
    "near names for a tool": _call({f"lis{n}": 0 for n in range(990)}),
    "labels for a tool": _call({"label": ["x"] * 9_000}),
    "an order for a tool": _call({"sort": "due," * 9_000}),
    "a long due": json.dumps({"content": "x", "due_string": "1" * 900_000}),
    "a long id": json.dumps({"content": "x", "project_id": "a" * 900_000}),
}


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/sync", "/mcp", "/todo-backend"])
@pytest.mark.parametrize("content", BEHIND_DOORS.values(), ids=BEHIND_DOORS.keys())
async def test_no_body_holds_the_loop_behind_a_door(alice: Person, path: str, content: str, turns: list[float]) -> None:
    path = await backend(alice) if path == "/todo-backend" else path
    turns.clear()
    response = await asyncio.create_task(
        alice.http.post(path, content=content.encode(), headers={"Content-Type": "application/json"})
    )

    assert max(turns) < LONGEST_SECONDS
    assert response.status_code < 500


FORMS = {name: quote(content)[: MIB - 9] for name, content in BEHIND_DOORS.items()} | {
    "escapes": "%41" * (MIB // 3 - 9),
    "members": "a=1&" * (MIB // 4 - 9),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
async def test_no_form_holds_the_loop(alice: Person, content: str, turns: list[float]) -> None:
    body, headers = f"commands={content}".encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    turns.clear()
    response = await asyncio.create_task(alice.http.post("/api/v1/sync", content=body, headers=headers))

    assert max(turns) < LONGEST_SECONDS
    assert response.status_code < 500


@pytest.mark.parametrize("query", ["&".join(f"name{n}" for n in range(990)), "q=a&" * 900, "limi=1&" * 900 + "x=1"])
async def test_no_query_holds_the_loop(alice: Person, query: str, turns: list[float]) -> None:
    turns.clear()
    response = await asyncio.create_task(alice.http.get(f"/v1/tasks?{query}"))

    assert max(turns) < LONGEST_SECONDS
    assert 1 <= len(response.json()["errors"]) <= 20


async def test_first_errors_are_told_and_the_rest_counted(alice: Person) -> None:
    response = await alice.http.post("/v1/tasks", json={"title": "x", **UNKNOWN})

    assert (response.status_code, len(response.json()["errors"])) == (422, 20)
    assert response.json()["detail"] == "990 members of the input break a rule. The first 20 are told."


async def test_full_batch_is_not_too_much(alice: Person) -> None:
    """A hundred operations with all there is to say, and text that is full of commas."""
    data = {"title": "a, b", "description": "," * 5_000, "priority": "high", "due_on": "2027-01-01"}
    operations = [{"op": "create", "data": data}] * 100
    response = await alice.http.post("/v1/tasks/batch", json={"operations": operations})

    assert response.status_code == 200


async def test_either_door_refuses_a_large_body_before_it_has_come(alice: Person) -> None:
    headers = {"Content-Type": "text/plain", "Content-Length": str(MIB + 1)}
    for path in ("/v1/tasks", "/admin/login/", "/nothing/", "/docs"):
        for sent in (headers, {"Content-Type": "text/plain"}):
            response = await alice.http.post(path, content=b"x" * (MIB + 1), headers=sent)
            assert (response.status_code, response.json()["code"]) == (413, "too-large"), path
            assert response.headers["x-request-id"] == response.json()["request_id"]
