"""The secret in an address is told by no error and no log line, whatever goes wrong behind it."""

from typing import Any

import httpx
import pytest

from accounts import tokens
from tests.support.doors.operations import Operation, address, each, operations
from tests.support.people import Person
from todoproject.http.body import MAX_BYTES

ADDRESSED = [operation for operation in operations() if operation.has_secret]
_NOBODYS = "0199a1f0-0000-7000-8000-000000000001"
JSON = {"Content-Type": "application/json"}
# What breaks a request, whichever it is: its method, what is behind its path, and the rest of it.
WAYS: dict[str, tuple[str | None, str, dict[str, Any]]] = {
    "a method that there is not": ("PURGE", "", {}),
    "a parameter that there is not": (None, "?cellar=1", {}),
    "a query that is not UTF-8": (None, "?a=%ff", {}),
    "a path that there is not": (None, "/x/y/z", {}),
    "a path with NUL": (None, "%00", {}),
    "no JSON": (None, "", {"content": b"{", "headers": JSON}),
    "a member that there is not": (None, "", {"json": {"cellar": 1}}),
    "a body that is too large": (None, "", {"content": b" " * (MAX_BYTES + 1), "headers": JSON}),
    "a dry run": (None, "", {"json": {"title": "x"}, "headers": {"Prefer": "dry-run"}}),
    "a tag that is none": (None, "", {"headers": {"If-None-Match": "x"}}),
    "another host": (None, "", {"headers": {"Host": "elsewhere.example"}}),
}


@each(ADDRESSED)
async def test_no_error_and_no_log_line_holds_the_secret(
    operation: Operation, alice: Person, client: httpx.AsyncClient, lines: Any
) -> None:
    ids = await address(alice, operation) | {"task_id": _NOBODYS}
    secret = ids["secret"]
    refused = 0
    for held in (secret, tokens.generate(), f"{secret}x", secret[:-1]):
        url = operation.url(ids | {"secret": held})
        for method, behind, given in WAYS.values():
            answer = await client.request(method or operation.method, url + behind, **given)
            if answer.status_code >= 400:
                refused += 1
                assert held not in f"{answer.text} {answer.headers}", answer.text
    assert refused > 4 * len(WAYS) / 2
    told = str(lines.read())
    assert operation.path in told
    assert "todo_" not in told.replace("todo_api", "").replace("todo_account", "")


async def test_a_path_that_is_no_doors_hides_it_too(alice: Person, client: httpx.AsyncClient) -> None:
    """A slip of the fingers, a door that is closed: the secret is good all the same."""
    secret = tokens.generate()
    for path in (f"/Calendar/{secret}.ics", f"//calendar/{secret}.ics", f"/v1/{secret}", f"/nothing/{secret}"):
        answer = await client.get(path, headers={"Accept": "application/json"})
        assert (answer.status_code, "***" in answer.json()["instance"]) == (404, True), path
        assert secret not in answer.text


@pytest.mark.parametrize("path", ["/v1/labels/todo_list", "/v1/tasks/todo_", "/v1/lists/x"])
async def test_what_is_no_secret_is_told(alice: Person, path: str) -> None:
    refused = await alice.http.get(path)
    assert refused.json()["instance"] == path
