"""The command for agents: the Model Context Protocol over standard input and output.

The tools are the server's own, at its `/mcp`: each line that comes in is sent there with the token, and the answer is
written out as a line. So there is nothing here that could differ from the server.
"""

import base64
import io
import json
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import httpx
import typer

from todo_client.cli.session import Session, of
from todo_client.connection import TIMEOUT_SECONDS, options

PATH = "/mcp"
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
# Of JSON-RPC: not to be read, and not to be answered.
_UNREADABLE, _FAILED = -32700, -32603
_PLAIN = re.compile(r"(?!=\?base64\?)[!-~]([ -~]*[!-~])?")


def mcp(context: typer.Context) -> None:
    """Serve your tasks to an agent, by the Model Context Protocol over standard input and output."""
    session = of(context)
    session.held_token()  # who is not logged in is told before the agent waits for anything
    if isinstance(sys.stdin, io.TextIOWrapper) and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        serve(session, sys.stdin, sys.stdout)
    except (KeyboardInterrupt, BrokenPipeError):
        return


def serve(session: Session, lines: Iterable[str], out: TextIO) -> None:
    """Answer each line until there are no more."""
    with httpx.Client(**options(session.server, TIMEOUT_SECONDS)) as http:
        http.headers["Authorization"] = f"Bearer {session.held_token()}"
        for line in lines:
            if line.strip() and (answer := _answer(http, session, line)) is not None:
                out.write(json.dumps(answer, ensure_ascii=False, separators=(",", ":")) + "\n")
                out.flush()


def _answer(http: httpx.Client, session: Session, line: str) -> Any:
    """Return the answer to a message; None to what wants none."""
    try:
        message = json.loads(line)
    except ValueError:
        return _error(None, _UNREADABLE, "This line is no JSON.")
    identity = message.get("id") if isinstance(message, dict) else None
    try:
        response = http.post(PATH, json=message, headers=_headers(message))
    except httpx.HTTPError as error:
        return _error(identity, _FAILED, f"{session.server} cannot be reached: {error}")
    is_answer = response.headers.get("Content-Type", "").startswith("application/json")
    if is_answer:
        return response.json()
    # What wants no answer gets none, whatever has become of it.
    return None if identity is None else _error(identity, _FAILED, _reason(response, session.server))


def _headers(message: Any) -> dict[str, str]:
    """Return what the message says of itself, for those who read no bodies: the server asks for it."""
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict) or not isinstance(params, dict) or _VERSION_KEY not in meta:
        return {}
    said = {
        "MCP-Protocol-Version": meta[_VERSION_KEY],
        "Mcp-Method": message.get("method"),
        "Mcp-Name": params.get("name"),
    }
    return {name: _encoded(value) for name, value in said.items() if isinstance(value, str)}


def _encoded(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def _reason(response: httpx.Response, server: str) -> str:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return "The token is unknown, has expired or was revoked. Run: todo login"
    if response.status_code == httpx.codes.NOT_FOUND:
        return f"{server} lets no agents in: its setting DOORS leaves out mcp, or it is no server of tasks."
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{server} answers {response.status_code}."


def _error(identity: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}


COMMANDS = {"mcp": mcp}
