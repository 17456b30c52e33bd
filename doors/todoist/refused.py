"""What Todoist has and this server does not: sections, of which there are none, and what has no like of it here."""

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse

from accounts.queries import verify
from doors.todoist.errors import not_supported
from doors.todoist.operations import Run, page
from doors.todoist.schemas import SectionsQuery
from tasks.queries.resource import NotFound

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

SECTIONS = "There are no sections here: use labels, subtasks or projects of their own."
COMMENTS = "There are no comments here: a task has a description."
REMINDERS = "Reminders are part of a task here, as `reminders` of /v1/tasks."
LOCATION_REMINDERS = "There are no reminders by place here."
LABELS = "A label is there as soon as a task bears it: name it in the task's labels."
QUICK_ADD = "Plain English is not read here: create the task with its content, due date, labels and project."


def refuse(reason: str) -> Run:
    """Return an operation that says why there is nothing, to whoever has a good token."""

    async def run(request: "AuthenticatedRequest", /, **_: Any) -> HttpResponse:
        await verify(request.auth)
        raise not_supported(reason)

    return run


async def sections(request: "AuthenticatedRequest", *, query: SectionsQuery) -> HttpResponse:
    """List the sections: there are none."""
    await verify(request.auth)
    return page([])


async def section(request: "AuthenticatedRequest", *, section_id: str) -> HttpResponse:
    """Show a section: there is none."""
    await verify(request.auth)
    raise NotFound
