"""The one path of calendars."""

from collections.abc import Mapping

from django.urls import URLPattern, URLResolver, path

from doors.calendar import feed
from todoproject.http.routing import template

ROOT = "calendar"
_SUFFIX = ".ics"
_ROUTE = f"{ROOT}/<str:secret>{_SUFFIX}"

patterns: list[URLPattern | URLResolver] = [path(_ROUTE, feed.show)]
parameters: Mapping[str, Mapping[str, Mapping[str, bool]]] = {template(_ROUTE): {"GET": {}}}


def secret_of(path: str) -> str | None:
    """Return the secret that a path of calendars holds."""
    return path.removeprefix(f"/{ROOT}/").removesuffix(_SUFFIX) or None
