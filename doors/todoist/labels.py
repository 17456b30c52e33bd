"""Labels through Todoist's door: names on tasks, and nothing else. Their ids are made of their names."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from django.http import HttpResponse

from doors.todoist import documents
from doors.todoist.operations import answer, invalid, page, read
from doors.todoist.projects import holds
from doors.todoist.schemas import (
    LabelChange,
    LabelNamed,
    LabelQuery,
    NewLabelName,
    Paging,
    SearchQuery,
    SharedLabelsQuery,
)
from tasks.label_schemas import LabelName
from tasks.queries import InvalidCursor, labels
from tasks.queries.labels import LabelNotFound
from todoproject.http.responses import no_content

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

T = TypeVar("T")
_LONGEST_CURSOR = 6  # digits; no account may have a million labels


async def names(request: "AuthenticatedRequest") -> list[str]:
    """Return the names of all labels, in their order."""
    return [label["name"] for label in orjson.loads(await labels.counts(request.auth))["items"]]


def _paged(found: Sequence[T], query: Paging, document: Callable[[T], Any]) -> HttpResponse:
    """Answer with a page of what was read as a whole; the cursor is how many came before."""
    cursor = query.cursor or "0"
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _LONGEST_CURSOR):
        raise InvalidCursor
    begin, end = int(cursor), int(cursor) + query.limit
    return page([document(each) for each in found[begin:end]], str(end) if end < len(found) else None)


def _label(pair: tuple[int, str]) -> dict[str, Any]:
    rank, name = pair
    return documents.label(name, rank)


async def find(request: "AuthenticatedRequest", *, query: Paging) -> HttpResponse:
    """List the labels, a page at a time."""
    return _paged([*enumerate(await names(request), 1)], query, _label)


async def search(request: "AuthenticatedRequest", *, query: SearchQuery) -> HttpResponse:
    """List the labels whose name holds a text."""
    found = [pair for pair in enumerate(await names(request), 1) if holds(pair[1], query.query)]
    return _paged(found, query, _label)


async def get(request: "AuthenticatedRequest", *, label_id: str) -> HttpResponse:
    """Show a label."""
    found = [documents.label(name, rank) for rank, name in enumerate(await names(request), 1)]
    for label in found:
        if label["id"] == label_id:
            return answer(label)
    raise LabelNotFound


async def present(request: "AuthenticatedRequest", label_id: str) -> str:
    """Return the name of a label that a task bears. Raises LabelNotFound."""
    for name in await names(request):
        if documents.label_id(name) == label_id:
            return name
    raise LabelNotFound


async def update(request: "AuthenticatedRequest", *, label_id: str, body: LabelChange) -> HttpResponse:
    """Rename a label everywhere. Its id is made of its name, so it has another one then."""
    if body.name is None:
        return await get(request, label_id=label_id)
    name = await rename(request, named(label_id), body.name)
    return answer(documents.label(name, 1))


def named(label_id: str) -> str:
    """Return the name of a label. Raises LabelNotFound where it can be none."""
    if (name := documents.label_name(label_id)) is None:
        raise LabelNotFound
    return name


async def rename(request: "AuthenticatedRequest", present: str, name: str) -> str:
    """Give a label another name on all tasks."""
    new = read(LabelName, {"name": name}).name
    await labels.rename(request.work, request.auth, _bearable(present), new)
    return new


async def delete(request: "AuthenticatedRequest", *, label_id: str) -> HttpResponse:
    """Take a label off all tasks."""
    await remove(request, named(label_id))
    return no_content()


async def remove(request: "AuthenticatedRequest", name: str) -> None:
    """Take a label off all tasks."""
    await labels.remove(request.work, request.auth, _bearable(name))


def _bearable(name: str) -> str:
    """Return a name that a task can bear: whether one does is asked of the database, which takes no NUL."""
    if "\x00" in name:
        raise LabelNotFound
    return name


async def shared(request: "AuthenticatedRequest", *, query: SharedLabelsQuery) -> HttpResponse:
    """List the names of labels: all of them are their owner's own."""
    found = await names(request)
    return _paged([] if query.omit_personal else found, query, str)


async def rename_shared(request: "AuthenticatedRequest", *, query: LabelQuery, body: NewLabelName) -> HttpResponse:
    """Rename a label by its name."""
    if (query.name is None) == (body.name is None):
        raise invalid("name", "missing", "Say which label is meant, in the query or in the body.")
    await rename(request, str(query.name or body.name), body.new_name)
    return no_content()


async def remove_shared(request: "AuthenticatedRequest", *, body: LabelNamed) -> HttpResponse:
    """Take a label off all tasks, by its name."""
    await remove(request, body.name)
    return no_content()
