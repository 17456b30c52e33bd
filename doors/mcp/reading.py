"""The tools that only read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from accounts.queries import get_me
from doors.mcp import documents, places
from doors.mcp.input import read
from tasks import queries
from tasks.list_query import TaskListQuery

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

Given = Mapping[str, Any]

# What is on somebody's mind: no completed task, and nothing that is archived.
_OPEN = {"is_completed": False, "in_archived_list": False}
_MOST_ON_AGENDA = 100  # tasks of each part
_DEFAULT_LIMIT = 20


async def find(request: "AuthenticatedRequest", given: Given) -> dict[str, Any]:
    """Find tasks, a page at a time."""
    wanted = {"limit": _DEFAULT_LIMIT, "is_completed": False} | {**given}
    if "query" in wanted:
        wanted["q"] = wanted.pop("query")
    if (named := wanted.pop("list", None)) is not None:
        wanted["list_id"] = await places.list_id(request, named) or "null"
    asked = {name: value for name, value in wanted.items() if value is not None}
    return await _page(request, asked)


async def agenda(request: "AuthenticatedRequest", given: Given) -> dict[str, Any]:
    """Tell what is overdue, what comes next, and which lists there are."""
    days = given.get("days", 7)
    me = orjson.loads(await get_me(request.work, request.auth))
    wanted = {**_OPEN, "sort": "due", "limit": _MOST_ON_AGENDA}
    overdue = await _page(request, {**wanted, "overdue": True})
    coming = await _page(request, {**wanted, "overdue": False, "due_before": f"+{days}d"})
    lists = [{"id": each["id"], "name": each["name"]} for each in await places.active(request)]
    now = datetime.now(UTC).astimezone(ZoneInfo(me["timezone"])).isoformat(timespec="minutes")
    return {
        "now": now,
        "timezone": me["timezone"],
        "overdue": overdue["tasks"],
        "coming": coming["tasks"],
        "is_whole": "next_cursor" not in overdue and "next_cursor" not in coming,
        "lists": lists,
    }


async def _page(request: "AuthenticatedRequest", wanted: Given) -> dict[str, Any]:
    return documents.page(await queries.list_page(request.auth, read(TaskListQuery, wanted, source="query")))
