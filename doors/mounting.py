"""Which doors there are: the paths of each, for the API's own handler, and the words in which it answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from django.urls import URLPattern, URLResolver

from doors.mcp import routes as mcp
from doors.todoist import errors, routes


class Door(NamedTuple):
    """A way in: everything below `root` is answered by these patterns, and what they answer is put in its words."""

    root: str
    patterns: Sequence[URLPattern | URLResolver]
    parameters: Mapping[str, Mapping[str, Mapping[str, bool]]]
    words: Callable[[errors.App], errors.App]

    def leads_to(self, path: str) -> bool:
        """Tell whether a path is behind this door."""
        return path == self.root or path.startswith(f"{self.root}/")


DOORS: Mapping[str, Door] = {
    "todoist": Door(f"/{routes.ROOT}", routes.patterns, routes.parameters, errors.in_todoists_words),
    "mcp": Door(f"/{mcp.ROOT}", mcp.patterns, mcp.parameters, lambda app: app),
}


def opened(names: Sequence[str]) -> list[Door]:
    """Return the doors of these names."""
    return [DOORS[name] for name in names]
