"""The tools for agents, given whatever comes: each is answered, and what its schema does not allow is refused."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doors.mcp.tools import TOOLS
from tests.support.people import header_at
from tests.support.processes.servers import Server

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JUNK = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)
_DAYS = st.dates().map(str) | st.sampled_from(["today", "+7d", "-1d", "2026-12-01", "0001-01-01", "9999-12-31"])
# What often fits, so that more than the schema is reached.
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "title": st.text(min_size=1, max_size=30),
    "query": st.text(min_size=1, max_size=30),
    "list": st.sampled_from(["inbox", "Home", "nowhere", str(uuid.uuid4())]),
    "labels": st.lists(st.text(min_size=1, max_size=10), max_size=3),
    "label": st.lists(st.text(min_size=1, max_size=10), max_size=3),
    "priority": st.sampled_from(["none", "low", "high", ["low"], ["none", "urgent"]]),
    "due_at": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    "repeats": st.sampled_from(["FREQ=DAILY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=SECONDLY", "x"]),
    "occurrence": _DAYS,
    "sort": st.sampled_from(["due", "-priority,title", "cellar", "due,due"]),
    "change_no": st.integers(1, 50),
    "days": st.integers(1, 31),
    **dict.fromkeys(("due_on", "due_before", "due_after"), _DAYS),
}
_FLAGS = ("dry_run", "is_completed", "overdue", "first")


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=header_at(server.url), timeout=30) as http:
        http.post("/v1/lists", json={"name": "Home"})
        for number in range(5):
            http.post("/v1/tasks", json={"title": str(number)})
        yield http


def arguments(tool: str, ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return arguments of a tool: members that fit, and one in ten that is anything."""
    known = st.sampled_from([*ids, str(uuid.uuid4())])

    def of(name: str) -> st.SearchStrategy[Any]:
        likely = st.booleans() if name in _FLAGS else LIKELY.get(name, known)
        return st.integers(0, 9).flatmap(lambda die: JUNK if die == 9 else likely)

    schema = TOOLS[tool].document["inputSchema"]
    needed = schema.get("required", [])
    members = {name: of(name) if name in needed else st.none() | of(name) for name in schema["properties"]}
    return st.fixed_dictionaries(
        {name: members[name] for name in needed},
        optional={name: strategy for name, strategy in members.items() if name not in needed},
    )


@pytest.mark.fuzz
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tool", TOOLS)
def test_fuzzer_finds_nothing_in_a_tool(http: httpx.Client, tool: str) -> None:
    ids = [task["id"] for task in http.get("/v1/tasks").json()["items"]]
    allowed = jsonschema_rs.Draft202012Validator(TOOLS[tool].document["inputSchema"])

    ended: set[bool] = set()

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(given_arguments=arguments(tool, ids))
    def ask(given_arguments: dict[str, Any]) -> None:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        answer = http.post("/mcp", json={**message, "params": {"name": tool, "arguments": given_arguments}})
        if answer.status_code == 400:  # half of a pair of surrogates, or a number that is none for all parsers
            assert answer.json()["error"]["code"] == -32700
            return
        assert answer.status_code == 200, answer.text
        result = answer.json()["result"]
        assert result["isError"] or allowed.is_valid(given_arguments), result
        assert not result["isError"] or result["structuredContent"]["error"]
        ended.add(result["isError"])

    ask()
    assert ended == {True, False}  # not refused throughout, which would prove little
