"""`/sync`: what has changed since a token, and commands, each done once.

The token is the cursor of our feed of changes. `*`, and a token of which something was purged since, give the whole
account in one answer, as its owner would see it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import orjson
from django.http import HttpResponse
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from accounts.queries import verify
from doors.todoist import documents, labels, pages
from doors.todoist.commands import MOST as MOST_COMMANDS
from doors.todoist.commands import Command, carry_out
from doors.todoist.operations import answer
from doors.todoist.schemas import Cursor
from tasks.change_schemas import ChangesQuery
from tasks.queries import feed
from tasks.queries.feed import Changes, SyncExpired, Thing
from todoproject.http.body import StrictParser, loads
from todoproject.http.field_types import Strict, Text
from todoproject.http.problems import MALFORMED_REQUEST, TOO_LARGE, Problem
from todoproject.http.request import ApiRequest

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

MOST = 20_000  # things in one answer
MOST_BYTES = 32 * 1024 * 1024  # of documents; an answer of that size takes as much again while it is put together
_FEWER = 500  # things in one answer that would be larger
_MOST_FIELDS = 10
_MOST_OF_A_FORM = 256 * 1024  # bytes; undoing the escapes of more holds others up
_AT_ONCE = 2000  # documents that are made before others have their turn: about three milliseconds
_FORM = "application/x-www-form-urlencoded"
_BEGINNING = "*"
# What there is none of here: asked for, it is empty.
_NONE = (
    *("sections", "notes", "project_notes", "filters", "reminders", "reminders_location"),
    *("collaborators", "collaborator_states", "live_notifications", "workspaces"),
)
_SOME = ("items", "projects", "labels")


def _distinct(commands: list[Command]) -> list[Command]:
    """Refuse a `uuid` that stands there twice: what becomes of commands is told by it."""
    if len({command.uuid for command in commands}) < len(commands):
        raise PydanticCustomError("distinct", "Each command has a uuid of its own.")
    return commands


class SyncRequest(Strict):
    """From where on, what of it, and what is to be done before."""

    sync_token: Cursor | None = None
    resource_types: Annotated[list[Text], Field(max_length=50)] = []
    commands: Annotated[list[Command], Field(max_length=MOST_COMMANDS), AfterValidator(_distinct)] = []


def read_body(request: ApiRequest) -> Any:
    """Return the body, which is JSON or a form whose lists are JSON. Raises Problem."""
    if request.content_type != _FORM:
        return StrictParser().parse_body(request)
    if len(request.body) > _MOST_OF_A_FORM:
        raise Problem(TOO_LARGE, "A form may have up to 256 KiB. Send more as JSON.")
    try:
        fields = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise Problem(MALFORMED_REQUEST, "The body is not a form in UTF-8 of a few fields.") from None
    if len(dict(fields)) < len(fields):
        raise Problem(MALFORMED_REQUEST, "The body names a member twice.")
    lists = ("resource_types", "commands")
    return {name: loads(text.encode()) if name in lists else text for name, text in fields}


async def synchronize(request: "AuthenticatedRequest", *, body: SyncRequest) -> HttpResponse:
    """Do the commands in their order, then tell what has changed, these included.

    Who asks for no kind of thing is told nothing and keeps the token: with a newer one something would be missed.
    """
    wanted = _wanted(body.resource_types)
    token = body.sync_token or _BEGINNING
    if wanted and body.commands:
        await _refuse_unread(request, token)
    done = await carry_out(request, body.commands)
    if not wanted:
        await verify(request.auth)
        return answer({"full_sync": False, "sync_token": token} | done)
    found = await (_whole(request, wanted) if token == _BEGINNING else _since(request, token, wanted))
    return answer(found | done)


async def _refuse_unread(request: "AuthenticatedRequest", token: str) -> None:
    """Raise what reading will raise, before anything is done: an error is no place to say what became of commands."""
    with suppress(SyncExpired):
        await _changes(request, None if token == _BEGINNING else token, 1)


def _wanted(types: Sequence[str]) -> set[str]:
    """Return the kinds that are asked for: `all`, names, and names with a `-` that are left out."""
    named = {*_SOME, *_NONE} if "all" in types else {*types}
    return named - {name[1:] for name in types if name.startswith("-")}


async def _whole(request: "AuthenticatedRequest", wanted: Collection[str]) -> dict[str, Any]:
    """Return the account as it is: its active projects and tasks. Raises Problem where that is too much."""
    changes = await _changes(request, None, MOST)
    if changes.has_more:
        raise _too_large()
    user_id = str(request.auth.user_id)
    lists = [orjson.loads(thing.document) for thing in changes.things if thing.kind == b"list" and not _is_gone(thing)]
    active = [each for each in lists if not each["is_archived"]]
    there = {b"", *(each["id"].encode() for each in active)}

    def shown(thing: Thing) -> bytes | None:
        completed, list_id, text = thing.document.split(b"\n", 2)
        return pages.task(text) if completed == b"f" and list_id in there else None

    items = await _each(shown, [t for t in changes.things if t.kind == b"task" and not _is_gone(t)])
    projects = [documents.inbox(user_id), *(documents.project(each, user_id) for each in active)]
    found = {"full_sync": True, "sync_token": changes.next_cursor}
    return found | await _of_kinds(request, wanted, items, projects)


async def _since(request: "AuthenticatedRequest", token: str, wanted: Collection[str]) -> dict[str, Any]:
    """Return what has changed since the token; the whole account where something was purged meanwhile."""
    try:
        changes = await _changes(request, token, MOST)
    except SyncExpired:
        return await _whole(request, wanted)
    user_id = str(request.auth.user_id)
    items = await _each(lambda thing: _item(thing, user_id), [t for t in changes.things if t.kind == b"task"])
    projects = [_project(thing, user_id) for thing in changes.things if thing.kind == b"list"]
    found = {"full_sync": False, "sync_token": changes.next_cursor}
    return found | await _of_kinds(request, wanted, items, projects)


async def _each(written: Callable[[Thing], bytes | None], found: Sequence[Thing]) -> list[bytes]:
    """Return the documents of many things, as far as they have one; other requests have their turn in between."""
    made: list[bytes] = []
    for begin in range(0, len(found), _AT_ONCE):
        made += filter(None, map(written, found[begin : begin + _AT_ONCE]))
        await asyncio.sleep(0)
    return made


async def _changes(request: "AuthenticatedRequest", cursor: str | None, limit: int) -> Changes:
    # In one answer: not a page at a time, as our API has it.
    query = ChangesQuery.model_construct(limit=limit, cursor=cursor)
    found = await feed.changes(request.auth, query, pages.changed())
    if sum(len(thing.document) for thing in found.things) > MOST_BYTES and limit > _FEWER:
        if cursor is None:
            raise _too_large()
        return await _changes(request, cursor, _FEWER)  # the next token gives the rest
    return found


def _too_large() -> Problem:
    detail = f"The account holds more than {MOST:,} things or 32 MiB: follow GET /v1/changes instead."
    return Problem(TOO_LARGE, detail)


def _is_gone(thing: Thing) -> bool:
    return thing.document == b"null"


def _item(thing: Thing, user_id: str) -> bytes:
    if _is_gone(thing):
        return orjson.dumps(documents.deleted_task(thing.id.decode(), user_id))
    _, _, text = thing.document.split(b"\n", 2)
    return pages.task(text)


def _project(thing: Thing, user_id: str) -> dict[str, Any]:
    if _is_gone(thing):
        return documents.deleted_project(thing.id.decode(), user_id)
    return documents.project(orjson.loads(thing.document), user_id)


async def _of_kinds(
    request: "AuthenticatedRequest",
    wanted: Collection[str],
    items: Sequence[bytes],
    projects: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what was asked for. Labels are part of tasks: all of them are told, where any task has changed."""
    found: dict[str, Any] = {name: [] for name in _NONE if name in wanted}
    told = {"items": orjson.Fragment(b"[%b]" % b",".join(items)), "projects": projects}
    found |= {name: each for name, each in told.items() if name in wanted}
    if "labels" in wanted:
        names = await labels.names(request) if items else []
        found["labels"] = [documents.label(name, rank) for rank, name in enumerate(names, 1)]
    return found
