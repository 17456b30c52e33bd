"""Which view answers a path: Django's patterns and converters, found by the path's shape, not one after another."""

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.urls import URLPattern, URLResolver
from django.urls.converters import StringConverter
from django.urls.resolvers import RoutePattern

from todoproject.http import hints

_LONGEST = 200  # characters of a wrong path that are compared
# A slash too many, a word in the plural, a slip of the fingers; what is less alike is another thing.
_ALIKE = 0.7
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")

_PLACE = re.compile(r"\{\w+\}")
_ID_LIKE = re.compile(r"(?<=/)[^/]*\d[^/]*(?=/|$)|(?<=/)\{[^/]*\}(?=/|$)|(?<=/):\w+(?=/|$)")  # also `{id}` and `:id`

# Stands for a slash that is part of a segment (RFC 3986, section 2.2): no path that is UTF-8 holds half a character.
_SLASH = "\ud800"

# How many slashes, the segment after the first slash, and the last one, each unless it is a parameter.
_Shape = tuple[int, str | None, str | None]


class Segment(StringConverter):
    """A text of any characters, sent as one segment of a path: a slash in it comes as `%2F`."""

    def to_python(self, value: str) -> str:
        return value.replace(_SLASH, "/")


def path_of(path: str, raw_path: bytes) -> str:
    """Return a decoded path in which an escaped slash is none; `raw_path` is what was sent, if the server tells it."""
    if b"%2f" not in raw_path.lower():
        return path
    segments = raw_path.decode("ascii", "replace").split("/")
    return "/".join(unquote(segment).replace("/", _SLASH) for segment in segments)


class Route(NamedTuple):
    """A path template as OpenAPI writes it, `/v1/tasks/{task_id}`, and the view behind it."""

    template: str
    view: Callable[..., Any]


class Routes:
    """All routes of the API. No parameter of theirs can hold a bare slash."""

    def __init__(self, patterns: Sequence[URLPattern | URLResolver]) -> None:
        self._routes: defaultdict[_Shape, list[tuple[RoutePattern, Route]]] = defaultdict(list)
        self._templates: list[str] = []
        for route, view in _flat(patterns, ""):
            count, second, last = _shape(route)
            shape = (count, None if "<" in second else second, None if "<" in last else last)
            found = Route(template(route), view)
            self._routes[shape].append((RoutePattern(route, is_endpoint=True), found))
            self._templates.append(found.template)
        self._segments = [_PLACE.sub("{}", template).split("/") for template in self._templates]

    def find(self, path: str) -> tuple[Route, dict[str, Any]] | None:
        """Return the route of a path and what its parameters are, or None."""
        path = path[1:]
        count, second, last = _shape(path)
        for shape in ((count, second, last), (count, second, None), (count, None, None), (count, None, last)):
            for pattern, route in self._routes.get(shape, ()):
                if (match := pattern.match(path)) is not None:
                    return route, match[2]
        return None

    def could_be(self, path: str) -> bool:
        """Tell whether a path is one of ours with something that is no id in the place of one."""
        found = path.split("/")
        return any(
            len(found) == len(ours) and all(_fits(*pair) for pair in zip(found, ours, strict=True))
            for ours in self._segments
        )

    def nearest(self, path: str) -> str | None:
        """Return the path template that a wrong path means, or is most like; None where it is like none of them."""
        path = _ID_LIKE.sub("{}", path[:_LONGEST].rstrip("/").lower())
        meant = "/".join(hints.SEGMENTS.get(part, part) for part in path.split("/"))
        templates = {_PLACE.sub("{}", template): template for template in self._templates}
        if meant in templates:
            return templates[meant]
        near = difflib.get_close_matches(meant, list(templates), n=1, cutoff=_ALIKE)
        # Two paths that begin alike are long alike, and yet may do something else.
        is_near = near and difflib.SequenceMatcher(None, meant.split("/")[-1], near[0].split("/")[-1]).ratio() >= _ALIKE
        return templates[near[0]] if is_near else None


def _fits(part: str, ours: str) -> bool:
    return part != "" if ours == "{}" else part == ours


def template(route: str) -> str:
    """Return a route as OpenAPI writes it: `v1/tasks/<uuid:task_id>` → `/v1/tasks/{task_id}`."""
    return "/" + _PARAMETER.sub(r"{\1}", route)


def _shape(path: str) -> tuple[int, str, str]:
    segments = path.split("/")
    return len(segments) - 1, segments[1] if len(segments) > 1 else "", segments[-1]


def _flat(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _flat(pattern.url_patterns, route)
        else:
            yield route, pattern.callback
