"""Exports: what an account has, read a page at a time, as items that any format can write."""

from collections.abc import AsyncIterator, Collection
from zoneinfo import ZoneInfo

import orjson

from tasks.formats.items import Item, of_task
from tasks.list_query import TaskListQuery
from tasks.queries.imports import all_lists
from tasks.queries.pages import list_page
from todoproject.database.client.statement import Credentials

_PAGE = 200  # the most that a page has


async def export_items(credentials: Credentials, zone: ZoneInfo) -> AsyncIterator[Item]:
    """Yield the account's tasks as they were put by hand, list by list; what is in the trash is left out.

    Not of one moment: a task that is moved meanwhile may be missing, or come twice.
    """
    names = {row["id"]: row["name"] for row in await all_lists(credentials)}
    query: TaskListQuery | None = TaskListQuery.model_validate({"limit": _PAGE, "sort": "position"})
    while query is not None:
        page = orjson.loads(await list_page(credentials, query))
        for task in page["items"]:
            yield of_task(task, names, zone)
        query = query.model_copy(update={"cursor": page["next_cursor"]}) if page["next_cursor"] else None


async def not_kept(credentials: Credentials, names: Collection[str]) -> list[str]:
    """Return what of the account's lists a file that knows only tasks has no place for; `names` are those it has."""
    rows = await all_lists(credentials)
    same = len(rows) - len({row["name"] for row in rows})
    found = {
        "colors of lists": sum(row["color"] is not None for row in rows),
        "archived lists, which are lists like others there": sum(bool(row["is_archived"]) for row in rows),
        "lists without tasks": sum(row["name"] not in names for row in rows),
        "lists that have another's name, which are one there": same,
    }
    return [f"{number:,} {what}" for what, number in found.items() if number]
