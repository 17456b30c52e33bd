"""A preference for a dry run at the doors, which have none by it: it is refused, for else it would write."""

from typing import Any

import pytest

from tests.doors.addresses import backend
from tests.support.people import Person

_CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add_task", "arguments": {"title": "x"}}}
_WRITES: dict[str, dict[str, Any]] = {
    "/mcp": {"json": _CALL},
    "/api/v1/tasks": {"json": {"content": "x"}},
    "/api/v1/sync": {"data": {"commands": '[{"type": "item_add", "uuid": "a", "args": {"content": "x"}}]'}},
    "todo-backend": {"json": {"title": "x"}},
}


@pytest.mark.parametrize("path", _WRITES)
async def test_preference_for_a_dry_run_is_refused_at_every_door(alice: Person, path: str) -> None:
    address = await backend(alice) if path == "todo-backend" else path

    refused = await alice.http.post(address, headers={"Prefer": "wait=5, dry-run"}, **_WRITES[path])

    assert refused.status_code == (400 if path.startswith("/api") else 422), refused.text  # in the words of each
    assert "Nothing was done." in refused.text
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []
    assert (await alice.http.post(address, headers={"Prefer": "wait=5"}, **_WRITES[path])).is_success
