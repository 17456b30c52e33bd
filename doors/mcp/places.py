"""Lists by their names, as people speak of them."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from doors.mcp.input import read
from tasks.list_schemas import ListsQuery
from tasks.queries import lists
from todoproject.http import validation

if TYPE_CHECKING:
    from accounts.authentication import AuthenticatedRequest

INBOX = "inbox"
_MOST = 200  # lists that are looked through, and told


async def list_id(request: "AuthenticatedRequest", called: str) -> str | None:
    """Return the id of a list; None for the inbox. Raises Problem, with the names that there are."""
    if called.casefold() == INBOX:
        return None
    try:
        return str(UUID(called))
    except ValueError:
        pass
    found = await active(request)
    named = [each for each in found if each["name"].casefold() == called.casefold()]
    if len(named) == 1:
        return str(named[0]["id"])
    names = ", ".join([INBOX, *(each["name"] for each in found)])
    problem = f"Several lists are called {called}: give the id." if named else "There is no such list."
    raise validation.invalid([{"pointer": "#/list", "code": "no-such-place", "detail": f"{problem} Lists: {names}."}])


async def active(request: "AuthenticatedRequest") -> list[dict[str, Any]]:
    """Return the lists that are not archived, by position."""
    page = await lists.list_page(request.auth, read(ListsQuery, {"limit": _MOST, "is_archived": False}))
    found: list[dict[str, Any]] = orjson.loads(page)["items"]
    return found
