"""Agents by the official SDK's own clients: over HTTP at /mcp, and over standard input and output by `todo mcp`."""

import io
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from todo_client.cli.agents import serve
from todo_client.cli.files import Logins
from todo_client.cli.session import Session

from doors.mcp.messages import OLDER, PRESENT
from doors.mcp.tools import TOOLS
from tests.support.people import header_at, session_at
from tests.support.processes.servers import ROOT, Server, free_port

pytestmark = pytest.mark.clients

Mode = Literal["auto", "legacy"]
BY_HTTP_AND_BY_COMMAND = pytest.mark.parametrize("way", ["http", "command"])
MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


@asynccontextmanager
async def connected(way: str, server: Server, token: str, mode: Mode) -> AsyncIterator[Client]:
    """Connect as an agent does: by the address and a token, or by a command that it starts."""
    if way == "http":
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client
        return
    environment = {
        "PATH": os.environ["PATH"],
        "TODO_SERVER": server.url,
        "TODO_TOKEN": token,
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
    }
    started = StdioServerParameters(command=sys.executable, args=["-m", "todo_client", "mcp"], env=environment)
    async with Client(started, mode=mode) as client:
        yield client


def ask(server: Server, method: str, path: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    answered: dict[str, Any] = httpx.request(method, f"{server.url}{path}", json=body, headers=headers).json()
    return answered


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    told: dict[str, Any] = result.structured_content
    return told


@MODES
@BY_HTTP_AND_BY_COMMAND
async def test_an_agents_day(server: Server, way: str, mode: Mode) -> None:
    token = session_at(server.url)["token"]
    async with connected(way, server, token, mode) as client:
        assert client.protocol_version == (PRESENT if mode == "auto" else OLDER[0])
        assert client.server_info is not None
        assert client.server_info.name == "todo"
        assert "agenda" in str(client.instructions)
        assert [tool.name for tool in (await client.list_tools()).tools] == [*TOOLS]

        agenda = await call(client, "agenda")
        assert (agenda["overdue"], agenda["lists"]) == ([], [])
        made = await call(client, "add_task", title="Żółta łódź 🚤", due_on=agenda["now"][:10], repeats="FREQ=DAILY")
        task_id = made["task"]["id"]
        assert [task["id"] for task in (await call(client, "find_tasks", query="zolta lodz"))["tasks"]] == [task_id]
        assert (await call(client, "agenda"))["coming"][0]["title"] == "Żółta łódź 🚤"
        await call(client, "change_task", task_id=task_id, priority="high")
        done = await call(client, "complete_task", task_id=task_id, occurrence=agenda["now"][:10])
        await call(client, "undo", change_no=done["change_no"])
        (task,) = (await call(client, "find_tasks"))["tasks"]
        assert (task["due_on"], task["priority"]) == (agenda["now"][:10], "high")

        refused = await client.call_tool("add_task", {"title": "x", "list": "Nowhere"})
        assert (refused.is_error, "Lists: inbox." in str(refused.content)) == (True, True)
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("cellar", {})


@BY_HTTP_AND_BY_COMMAND
async def test_a_token_that_may_only_read_writes_nothing(server: Server, way: str) -> None:
    whole = header_at(server.url)
    wanted = {"name": "reads", "scopes": ["tasks:read"]}
    token = ask(server, "POST", "/v1/tokens", whole, wanted)["token"]
    async with connected(way, server, token, "auto") as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["find_tasks", "agenda"]
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        assert (await client.call_tool("add_task", {"title": "x"})).is_error
    assert ask(server, "GET", "/v1/tasks", whole)["items"] == []


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_command_says_what_is_wrong_with_its_token(server: Server, mode: Mode) -> None:
    refused = pytest.RaisesExc(MCPError, match="Run: todo login")
    with pytest.RaisesGroup(refused, flatten_subgroups=True):
        async with connected("command", server, "todo_" + "x" * 43, mode):
            pass


def said(address: str, *lines: str) -> list[Any]:
    out = io.StringIO()
    serve(Session(address, "todo_" + "x" * 43, Logins()), lines, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_command_answers_whatever_comes(server: Server) -> None:
    """One line for each that wants an answer, and none for what does not; nothing but messages is written."""
    noted = '{"jsonrpc": "2.0", "method": "notifications/initialized"}'
    found = said(server.url, "no JSON\n", "\n", noted, "[]", '{"id": 7, "jsonrpc": "2.0", "method": "ping"}')
    assert [(answer["id"], answer["error"]["code"]) for answer in found] == [(None, -32700), (7, -32603)]

    (gone,) = said(f"http://127.0.0.1:{free_port()}", '{"id": "a", "jsonrpc": "2.0", "method": "ping"}')
    assert (gone["id"], "cannot be reached" in gone["error"]["message"]) == ("a", True)
