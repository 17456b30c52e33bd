"""The commands of a sync: each is one operation, done once for its `uuid`, whatever becomes of the others."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
from django.http import HttpResponse
from pydantic import Field, StringConstraints

from doors.todoist import documents, dues, labels, places, projects, tasks
from doors.todoist.dues import DueObject
from doors.todoist.errors import document, not_supported
from doors.todoist.operations import answer, invalid, once, read
from doors.todoist.schemas import LabelChange, NewProject, NewTask, ProjectChange, TaskChange, TaskPlace
from tasks import queries
from tasks.queries.resource import Row
from tasks.schemas import DueInstant
from todoproject.http.field_types import Storable, Strict, Text

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

MOST = 100
_FAILURES = frozenset({401, 429, 500, 503})  # of the request as a whole: what was done before is known by its uuid
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]+$"), Storable]


class Command(Strict):
    """One command."""

    type: Word
    uuid: Word
    temp_id: Word | None = None
    args: dict[str, Any] = Field(default_factory=dict)


class _OnOne(Strict):
    id: Text


class _NewItem(NewTask):
    due: DueObject | None = None


class _ItemChange(TaskChange):
    id: Text
    due: DueObject | None = None


class _ItemPlace(TaskPlace):
    id: Text


class _Completion(_OnOne):
    date_completed: DueInstant | None = None


class _ProjectChange(ProjectChange):
    id: Text


class _LabelChange(LabelChange):
    id: Text


class _LabelRenaming(Strict):
    name_old: Text
    name_new: Text


def _due(given: DueObject | None) -> str:
    """Return a due object as `dues.members` takes it; null clears it."""
    if given is None:
        return ""
    if given.date is None:
        return dues.understood(given.string or "")
    due = dues.iso("due", given.date)
    if given.timezone is not None and "T" in due and dues.is_by_the_clock(due):
        raise invalid("due", "due", "A time in a time zone of its own is sent in UTC, with Z.")
    return due


def _one_due(given: "_NewItem | _ItemChange") -> str:
    """Return the due of a command, which names it in one way. Raises Problem."""
    if dues.asked(given) is not None:
        raise invalid("due", "one_due", "Give due, or one of due_string, due_date and due_datetime.")
    return _due(given.due)


def _checked(row: Row, due: DueObject | None) -> str:
    """Return the task's id. Raises Problem, which undoes the write, where it does not recur as the client says it does.

    A due is sent as it was given, or with words of the client's own, which are not read.
    """
    task = orjson.loads(row.json)
    shown = dues.document(task) or {}
    if due is not None and due.is_recurring and (not shown.get("is_recurring") or shown["string"] != due.string):
        raise invalid("due", "plain_english", "How a task recurs is not read from words: set it by /v1/tasks.")
    return str(task["id"])


async def _add(request: "AuthenticatedRequest", new: _NewItem) -> str:
    due = _one_due(new) if new.due is not None else None
    return _checked(await tasks.create(request, new, due), new.due)


async def _update(request: "AuthenticatedRequest", changed: _ItemChange) -> str:
    due = _one_due(changed) if "due" in changed.model_fields_set else None
    return _checked(await tasks.change(request, places.identity("id", changed.id), changed, due), changed.due)


async def _move(request: "AuthenticatedRequest", place: _ItemPlace) -> str:
    return _id(await tasks.put(request, places.identity("id", place.id), place))


async def _complete(request: "AuthenticatedRequest", what: _Completion) -> str:
    await tasks.complete(request, places.identity("id", what.id), what.date_completed)
    return what.id


async def _reopen(request: "AuthenticatedRequest", what: _OnOne) -> str:
    await queries.reopen(request.work, request.auth, places.identity("id", what.id))
    return what.id


async def _delete(request: "AuthenticatedRequest", what: _OnOne) -> str:
    await queries.delete(request.work, request.auth, places.identity("id", what.id))
    return what.id


async def _add_project(request: "AuthenticatedRequest", new: NewProject) -> str:
    return _id(await projects.create(request, new))


async def _update_project(request: "AuthenticatedRequest", changed: _ProjectChange) -> str:
    return _id(await projects.change(request, changed.id, changed))


async def _delete_project(request: "AuthenticatedRequest", what: _OnOne) -> str:
    await projects.remove(request, what.id)
    return what.id


async def _archive_project(request: "AuthenticatedRequest", what: _OnOne) -> str:
    return _id(await projects.set_archived(request, what.id, is_archived=True))


async def _unarchive_project(request: "AuthenticatedRequest", what: _OnOne) -> str:
    return _id(await projects.set_archived(request, what.id, is_archived=False))


async def _update_label(request: "AuthenticatedRequest", changed: _LabelChange) -> str:
    if changed.name is None:
        return documents.label_id(await labels.present(request, changed.id))
    return documents.label_id(await labels.rename(request, labels.named(changed.id), changed.name))


async def _rename_label(request: "AuthenticatedRequest", change: _LabelRenaming) -> str:
    return documents.label_id(await labels.rename(request, change.name_old, change.name_new))


async def _delete_label(request: "AuthenticatedRequest", what: _OnOne) -> str:
    await labels.remove(request, labels.named(what.id))
    return what.id


def _id(row: Row) -> str:
    return str(orjson.loads(row.json)["id"])


class _Kind(NamedTuple):
    """How a command reads its arguments, and what it does; it gives the id of what it was done to."""

    arguments: type[Strict]
    run: Callable[["AuthenticatedRequest", Any], Awaitable[str]]


KINDS: Mapping[str, _Kind] = {
    "item_add": _Kind(_NewItem, _add),
    "item_update": _Kind(_ItemChange, _update),
    "item_move": _Kind(_ItemPlace, _move),
    "item_complete": _Kind(_Completion, _complete),
    "item_close": _Kind(_OnOne, lambda request, what: _complete(request, _Completion(id=what.id))),
    "item_uncomplete": _Kind(_OnOne, _reopen),
    "item_delete": _Kind(_OnOne, _delete),
    "project_add": _Kind(NewProject, _add_project),
    "project_update": _Kind(_ProjectChange, _update_project),
    "project_delete": _Kind(_OnOne, _delete_project),
    "project_archive": _Kind(_OnOne, _archive_project),
    "project_unarchive": _Kind(_OnOne, _unarchive_project),
    "label_update": _Kind(_LabelChange, _update_label),
    "label_rename": _Kind(_LabelRenaming, _rename_label),
    "label_delete": _Kind(_OnOne, _delete_label),
}


async def carry_out(request: "AuthenticatedRequest", asked: Sequence[Command]) -> dict[str, Any]:
    """Do the commands in their order; return what became of each, and what their temporary ids are now."""
    status: dict[str, Any] = {}
    made: dict[str, str] = {}
    for command in asked:
        try:
            identity = await _carry_out(request, command, made)
        except Exception as error:
            refusal = request.respond_to(request, error)
            if refusal.status_code in _FAILURES:
                raise
            status[command.uuid] = document(orjson.loads(refusal.content))
            await asyncio.sleep(0)  # it may have waited for nothing, and others are to have their turn
            continue
        status[command.uuid] = "ok"
        if command.temp_id is not None:
            made[command.temp_id] = identity
    return {"sync_status": status, "temp_id_mapping": made} if asked else {}


async def _carry_out(request: "AuthenticatedRequest", command: Command, made: Mapping[str, str]) -> str:
    """Do a command once; a repeat gives what the first one gave."""
    if (kind := KINDS.get(command.type)) is None:
        raise not_supported("This command has no like here; docs/doors.md lists those that have.")
    arguments = read(kind.arguments, _with_ids(command.args, made))

    async def run() -> HttpResponse:
        return answer({"id": await kind.run(request, arguments)})

    content = json.dumps([command.type, command.args])  # orjson takes no number beyond 64 bits
    response = await once(request, f"todoist command {command.uuid}", content.encode(), run)
    return str(orjson.loads(response.content)["id"])


def _with_ids(arguments: Mapping[str, Any], made: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments with the ids that things have got in place of temporary ones."""
    ids = {name: value for name, value in arguments.items() if name in ("id", "project_id", "parent_id")}
    return {
        **arguments,
        **{name: made[value] for name, value in ids.items() if isinstance(value, str) and value in made},
    }
