"""What an import reads of its account: its zone, its lists, and of its tasks no more than those that the file names.

All of it needs the scope to write tasks, and no other: who imports is told what becomes of the file, and nothing else.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.db.models import BooleanField, F, Func

from accounts.models import Scope
from tasks.models import Task
from tasks.queries.documents import FIELDS, own
from tasks.queries.import_names import Names
from tasks.queries.lists import LISTS
from todoproject.database.client import sql
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Credentials, Statement

_CHUNK = 500
_LEASE_SECONDS = 180  # for the next part of an import, its reading included: whoever was interrupted waits so long


class ImportRunning(Exception):
    """Another import into this account is under way."""


@lru_cache
def _zone() -> Statement:
    return Statement.fenced("SELECT owner_zone()", scope=Scope.TASKS_WRITE, repeatable=True)


async def read_zone(credentials: Credentials) -> ZoneInfo:
    """Return the owner's time zone, from a token that may write tasks."""
    return ZoneInfo((await pool.execute(_zone(), credentials=credentials)).text(0, 0))


@lru_cache
def _begin() -> Statement:
    text = f"""
        INSERT INTO imports_running (user_id, ends_at)
        VALUES (current_user_id(), clock_timestamp() + interval '{_LEASE_SECONDS} s')
            ON CONFLICT (user_id) DO UPDATE SET ends_at = EXCLUDED.ends_at
         WHERE imports_running.ends_at < clock_timestamp() RETURNING user_id
    """  # noqa: S608 -- a number of ours
    return Statement.fenced(text, scope=Scope.TASKS_WRITE)


@lru_cache
def _go_on() -> Statement:
    text = f"UPDATE imports_running SET ends_at = clock_timestamp() + interval '{_LEASE_SECONDS} s' RETURNING user_id"  # noqa: S608 -- as above
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=True)


@lru_cache
def _end() -> Statement:
    return Statement.fenced("DELETE FROM imports_running RETURNING user_id", scope=Scope.TASKS_WRITE, repeatable=True)


async def begin(credentials: Credentials) -> None:
    """Keep other imports out of the account. Raises ImportRunning."""
    if not await pool.execute(_begin(), credentials=credentials):
        raise ImportRunning


async def go_on(credentials: Credentials) -> None:
    """Keep them out for longer."""
    await pool.execute(_go_on(), credentials=credentials)


async def end(credentials: Credentials) -> None:
    """Let others in."""
    await pool.execute(_end(), credentials=credentials)


@lru_cache
def _lists() -> Statement:
    rows = sql.select(LISTS.own().filter(deleted_at=None).order_by("position", "id").values("id", "name"))
    text = f"SELECT coalesce(json_agg(json_build_array(rows.name, rows.id)), '[]') FROM ({rows}) AS rows"  # noqa: S608 -- composed of our own statements
    return Statement.fenced(text, scope=Scope.TASKS_WRITE, repeatable=True)


async def read_lists(credentials: Credentials) -> dict[str, str]:
    """Return the ids of the account's lists by name: of those of one name, the first by position."""
    rows = await pool.execute(_lists(), credentials=credentials)
    return dict(reversed(orjson.loads(rows.bytes(0, 0))))


@lru_cache
def _named(column: str, type_: str) -> Statement:
    is_one = Func(F(column), template=f"%(expressions)s = ANY (%%(names)s::{type_}[])", output_field=BooleanField())
    rows = sql.as_json(sql.select(own().filter(is_one).values(*FIELDS)), Task, FIELDS)
    return Statement.fenced(rows, scope=Scope.TASKS_WRITE, repeatable=True)


async def read_named(credentials: Credentials, names: Names) -> list[dict[str, Any]]:
    """Return the tasks that are called as the items are, the deleted ones too."""
    found: dict[str, dict[str, Any]] = {}
    for statement, wanted in (
        (_named("id", "uuid"), names.ids()),
        (_named("external_id", "text"), names.external_ids()),
    ):
        for chunk in _chunks(wanted):
            rows = await pool.execute(statement, {"names": [*chunk]}, credentials)
            documents = [rows.bytes(row, 0) for row in range(len(rows))]
            for task in await asyncio.to_thread(lambda read: [orjson.loads(each) for each in read], documents):
                found[task["id"]] = task
    return [*found.values()]


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))
