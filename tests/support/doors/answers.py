"""How each door says that it refuses something, and that no answer tells or keeps a secret."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from doors.mounting import DOORS
from todoproject.http.field_types import ProblemDocument
from todoproject.http.problems import CATALOGUE, MEDIA_TYPE

# Of JSON-RPC 2.0, section 5.1, and of the protocol.
_RPC_STATUSES = {-32700: 400, -32600: 400, -32601: 404, -32602: 400, -32020: 400, -32022: 400}
_TODOISTS = {"error", "error_code", "error_extra", "error_tag", "http_code"}


def assert_sound(door: str, status: int, headers: Mapping[str, str], body: bytes, secret: str = "") -> None:
    """Hold an answer from behind a door to what is promised of all: no failure, its form of an error, no secret kept.

    `headers` by their names in small letters. What was refused before anybody read its path is a problem of ours.
    """
    assert 200 <= status < 500, body
    if secret and secret in f"{body!r} {headers}":
        assert status < 400, body
        assert headers["cache-control"] == "no-store"
    if door == "todo-backend" and not _was_unreadable(body):
        assert headers["access-control-allow-origin"] == "*"
    if status >= 400 and body:
        _assert_form(door, status, headers["content-type"], orjson.loads(body))


def _assert_form(door: str, status: int, media_type: str, document: Any) -> None:
    if media_type == MEDIA_TYPE and (door != "todoist" or document["instance"] == "/"):
        problem = ProblemDocument.model_validate(document)
        found = CATALOGUE.get(problem.code)
        assert problem.status == status
        assert problem.code == "foreign-origin" if found is None else found.status == status
        return
    assert media_type == "application/json"
    if door == "mcp":
        assert document.keys() == {"jsonrpc", "id", "error"}
        assert _RPC_STATUSES[document["error"]["code"]] == status
    else:
        assert door == "todoist"
        assert document.keys() == _TODOISTS
        assert document["http_code"] == document["error_code"] == status


def _was_unreadable(body: bytes) -> bool:
    """Tell whether the server itself has refused it: it answers by hand, of no path."""
    return b'"instance":"/"' in body


def leads_in(door: str, target: str) -> bool:
    """Tell whether a URL is behind a door; one that is odd may be another path."""
    return DOORS[door].leads_to(unquote(target.partition("?")[0].partition("#")[0]))
