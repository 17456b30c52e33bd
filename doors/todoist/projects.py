"""Projects through Todoist's door: our lists, and the inbox, which is none."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from django.http import HttpResponse

from accounts.queries import verify
from doors.todoist import colors, documents
from doors.todoist.errors import not_supported
from doors.todoist.operations import answer, invalid, page, read
from doors.todoist.schemas import NewProject, Paging, ProjectChange, ProjectMembers, SearchQuery
from tasks.list_schemas import ListCreate, ListPatch, ListsQuery
from tasks.queries import lists
from tasks.queries.resource import NotFound, Plan, Row
from todoproject.http.responses import no_content

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

_AFTER_INBOX = "lists"  # the cursor of a first page that had room for the inbox only
_MOST = 200  # lists in one page of ours


def _document(request: "AuthenticatedRequest", row: Row) -> HttpResponse:
    return answer(documents.project(orjson.loads(row.json), str(request.auth.user_id)))


def list_id(project_id: str) -> UUID:
    """Return the list that a project is. Raises NotFound where it can be none."""
    try:
        return UUID(project_id)
    except ValueError:
        raise NotFound from None


async def changeable(request: "AuthenticatedRequest", project_id: str) -> UUID:
    """Return the list that a project is. Raises Problem for the inbox, to whoever may ask."""
    if project_id != documents.INBOX:
        return list_id(project_id)
    await verify(request.auth)
    raise not_supported("The inbox is no list: it cannot be changed, archived or deleted.")


async def find(request: "AuthenticatedRequest", *, query: Paging) -> HttpResponse:
    """List the active projects, a page at a time; the inbox is the first."""
    is_first = query.cursor is None
    if is_first and query.limit == 1:
        await verify(request.auth)
        return page([documents.inbox(str(request.auth.user_id))], _AFTER_INBOX)
    cursor = None if query.cursor == _AFTER_INBOX else query.cursor
    found = await _active(request, query.limit - is_first, cursor)
    user_id = str(request.auth.user_id)
    projects = [documents.project(each, user_id) for each in found["items"]]
    return page([documents.inbox(user_id), *projects] if is_first else projects, found["next_cursor"])


async def archived(request: "AuthenticatedRequest", *, query: Paging) -> HttpResponse:
    """List the archived projects, a page at a time."""
    found = await _active(request, query.limit, query.cursor, is_archived=True)
    user_id = str(request.auth.user_id)
    return page([documents.project(each, user_id) for each in found["items"]], found["next_cursor"])


async def _active(
    request: "AuthenticatedRequest", limit: int, cursor: str | None, *, is_archived: bool = False
) -> dict[str, Any]:
    query = ListsQuery(limit=limit, cursor=cursor, is_archived=is_archived, deleted=False)
    found: dict[str, Any] = orjson.loads(await lists.list_page(request.auth, query))
    return found


async def each_active(request: "AuthenticatedRequest") -> AsyncIterator[dict[str, Any]]:
    """Yield all lists that are not archived."""
    cursor = None
    while True:
        found = await _active(request, _MOST, cursor)
        for each in found["items"]:
            yield each
        if (cursor := found["next_cursor"]) is None:
            return


async def search(request: "AuthenticatedRequest", *, query: SearchQuery) -> HttpResponse:
    """List the active projects whose name holds the text, in one page: `*` stands for anything."""
    if query.cursor is not None:
        raise invalid("cursor", "cursor", "A search has one page.")
    named = [each async for each in each_active(request)]
    user_id = str(request.auth.user_id)
    found = [documents.inbox(user_id), *(documents.project(each, user_id) for each in named)]
    return page([project for project in found if holds(project["name"], query.query)])


def holds(name: str, text: str) -> bool:
    """Tell whether a name holds a text, or its parts between `*` in their order, whatever the case."""
    rest = name.casefold()
    for part in text.casefold().split("*"):
        _, found, rest = rest.partition(part) if part else ("", "*", rest)
        if not found:
            return False
    return True


async def get(request: "AuthenticatedRequest", *, project_id: str) -> HttpResponse:
    """Show a project."""
    if project_id == documents.INBOX:
        await verify(request.auth)
        return answer(documents.inbox(str(request.auth.user_id)))
    return _document(request, await lists.get(request.work, request.auth, list_id(project_id)))


async def add(request: "AuthenticatedRequest", *, body: NewProject) -> HttpResponse:
    """Create a project; it is the last one."""
    return _document(request, await create(request, body))


async def create(request: "AuthenticatedRequest", new: NewProject) -> Row:
    """Store a new list."""
    members = {"name": new.name, **_color(new)}
    return await carry_out(request, lists.creation(read(ListCreate, members)))


def _color(given: ProjectMembers) -> dict[str, str | None]:
    if given.color is None:
        return {}
    try:
        return {"color": colors.value(given.color)}
    except KeyError:
        raise invalid("color", "color", f"A colour is one of {', '.join(colors.NAMES)}.") from None


async def carry_out(request: "AuthenticatedRequest", plan: Plan) -> Row:
    """Write a list."""
    return await lists.carry_out(request.work, request.auth, plan)


async def update(request: "AuthenticatedRequest", *, project_id: str, body: ProjectChange) -> HttpResponse:
    """Change a project's name or colour."""
    return _document(request, await change(request, project_id, body))


async def change(request: "AuthenticatedRequest", project_id: str, changed: ProjectChange) -> Row:
    """Change what is named of a list."""
    members = {} if changed.name is None else {"name": changed.name}
    patch = read(ListPatch, {**members, **_color(changed)})
    return await carry_out(request, lists.change(await changeable(request, project_id), patch, None))


async def archive(request: "AuthenticatedRequest", *, project_id: str) -> HttpResponse:
    """Archive a project; its tasks stay in it."""
    return _document(request, await set_archived(request, project_id, is_archived=True))


async def unarchive(request: "AuthenticatedRequest", *, project_id: str) -> HttpResponse:
    """Take a project out of the archive."""
    return _document(request, await set_archived(request, project_id, is_archived=False))


async def set_archived(request: "AuthenticatedRequest", project_id: str, *, is_archived: bool) -> Row:
    """Archive a list, or take it back."""
    patch = read(ListPatch, {"is_archived": is_archived})
    return await carry_out(request, lists.change(await changeable(request, project_id), patch, None))


async def delete(request: "AuthenticatedRequest", *, project_id: str) -> HttpResponse:
    """Put a project with its tasks into the trash, as Todoist deletes them with it."""
    await remove(request, project_id)
    return no_content()


async def remove(request: "AuthenticatedRequest", project_id: str) -> Row:
    """Delete a list and its tasks."""
    return await carry_out(request, lists.deletion(await changeable(request, project_id), "delete", None))


async def collaborators(request: "AuthenticatedRequest", *, project_id: str, query: Paging) -> HttpResponse:
    """List who shares a project: nobody, if there is one."""
    if project_id == documents.INBOX:
        await verify(request.auth)
    else:
        await lists.get(request.work, request.auth, list_id(project_id))
    return page([])
