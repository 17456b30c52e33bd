"""Which doors there are: the paths of each, for the API's own handler, and the words in which it answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver

from doors.calendar import routes as calendar_routes
from doors.mcp import routes as mcp_routes
from doors.todobackend import cors, place
from doors.todobackend import routes as todobackend_routes
from doors.todoist import errors
from doors.todoist import routes as todoist_routes

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def _no_secret(path: str) -> str | None:
    return None


def _our_own(app: App) -> App:
    return app


class Door(NamedTuple):
    """A way in: everything below `root` is answered by these patterns, and what they answer is put in its words.

    `secret_of` returns what a path holds in place of a bearer token.
    """

    root: str
    patterns: Sequence[URLPattern | URLResolver]
    parameters: Mapping[str, Mapping[str, Mapping[str, bool]]]
    words: Callable[[App], App] = _our_own
    secret_of: Callable[[str], str | None] = _no_secret

    def leads_to(self, path: str) -> bool:
        """Tell whether a path is behind this door."""
        return path == self.root or path.startswith(f"{self.root}/")


DOORS: Mapping[str, Door] = {
    "todoist": Door(
        f"/{todoist_routes.ROOT}", todoist_routes.patterns, todoist_routes.parameters, errors.in_todoists_words
    ),
    "mcp": Door(f"/{mcp_routes.ROOT}", mcp_routes.patterns, mcp_routes.parameters),
    "calendar": Door(
        f"/{calendar_routes.ROOT}",
        calendar_routes.patterns,
        calendar_routes.parameters,
        secret_of=calendar_routes.secret_of,
    ),
    "todo-backend": Door(
        f"/{place.ROOT}",
        todobackend_routes.patterns,
        todobackend_routes.parameters,
        cors.opened,
        place.secret_of,
    ),
}


def opened(names: Sequence[str]) -> list[Door]:
    """Return the doors of these names."""
    return [DOORS[name] for name in names]


def secrets_behind(doors: Sequence[Door]) -> Callable[[str], str | None]:
    """Return what finds the secret in a path behind one of these doors."""

    def secret_of(path: str) -> str | None:
        return next((door.secret_of(path) for door in doors if door.leads_to(path)), None)

    return secret_of
