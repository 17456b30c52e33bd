"""The API, and the doors to it, through its own lean handler; everything else through Django's."""

import os
import sys
from typing import Any

import django
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproject.settings")
try:
    django.setup()
except ImproperlyConfigured as error:
    sys.exit(f"todoproject: {error}")

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

from doors.mounting import opened, secrets_behind
from todoproject.api import api, query_parameters
from todoproject.http.client_address import ProxiedScopes
from todoproject.http.handler import ApiHandler
from todoproject.http.request import Request
from todoproject.observability import telemetry
from todoproject.pages.access_log import BoundedPages
from todoproject.serving import lifespan
from todoproject.urls import api_patterns

telemetry.start()
_proxied = ProxiedScopes(settings.TRUSTED_PROXIES)
_pages = ASGIHandler()
_pages.request_class = Request
_django = telemetry.traced(BoundedPages(_pages))
_doors = opened(settings.DOORS)
# One handler for all, so that a client's requests count together, whichever way they come.
_patterns = [*api_patterns, *(pattern for door in _doors for pattern in door.patterns)]
_operations = query_parameters() | {route: known for door in _doors for route, known in door.parameters.items()}
_api = telemetry.traced(ApiHandler(_patterns, _operations, api.on_exception, secrets_behind(_doors)))
_behind = [(door, door.words(_api)) for door in _doors]


def _is_api(path: str) -> bool:
    return path.startswith(("/v1/", "/health/")) or path in ("/v1", "/health", "/metrics")


def _answers(path: str) -> Any:
    if _is_api(path):
        return _api
    return next((app for door, app in _behind if door.leads_to(path)), _django)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one ASGI connection."""
    if scope["type"] == "lifespan":
        await lifespan.run(receive, send)
    elif scope["type"] == "http":
        await _answers(scope["path"])(_proxied.rewrite(scope), receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})  # the server answers 403
