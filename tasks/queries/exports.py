"""Exports: what an account has, read a page at a time, as items that any format can write."""

from collections.abc import AsyncIterator, Collection
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from accounts.models import Scope
from tasks.formats.items import Item, of_task
from tasks.list_query import TaskListQuery
from tasks.list_schemas import ListsQuery
from tasks.queries import lists
from tasks.queries.pages import list_page
from todoproject.database.client.replica import replica
from todoproject.database.client.statement import Credentials, Statement

_PAGE = 200  # the most that a page has


async def export_items(credentials: Credentials, zone: ZoneInfo) -> AsyncIterator[Item]:
    """Yield the account's tasks as they were put by hand, list by list; what is in the trash is left out."""
    names = {row["id"]: row["name"] for row in await all_lists(credentials)}
    async for page in pages(credentials):
        for task in page:
            yield of_task(task, names, zone)


async def pages(credentials: Credentials, list_id: UUID | str | None = None) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the account's tasks, or those of a list (`null`: the inbox), a page at a time, as the API shows them.

    Not of one moment: a task that is moved meanwhile may be missing, or come twice.
    """
    of_list = {} if list_id is None else {"list_id": str(list_id)}
    query: TaskListQuery | None = TaskListQuery.model_validate({"limit": _PAGE, "sort": "position", **of_list})
    while query is not None:
        page = orjson.loads(await list_page(credentials, query))
        yield page["items"]
        query = query.model_copy(update={"cursor": page["next_cursor"]}) if page["next_cursor"] else None


@lru_cache
def _zone() -> Statement:
    return Statement.fenced("SELECT owner_zone()", scope=Scope.TASKS_READ, repeatable=True)


async def read_zone(credentials: Credentials) -> ZoneInfo:
    """Return the owner's time zone, from a token that may read tasks."""
    return ZoneInfo((await replica.execute(_zone(), {}, credentials)).text(0, 0))


async def all_lists(credentials: Credentials) -> list[dict[str, Any]]:
    """Return the account's lists, by position."""
    found: list[dict[str, Any]] = []
    query: ListsQuery | None = ListsQuery.model_validate({"limit": _PAGE})
    while query is not None:
        page = orjson.loads(await lists.list_page(credentials, query))
        found += page["items"]
        query = query.model_copy(update={"cursor": page["next_cursor"]}) if page["next_cursor"] else None
    return found


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
