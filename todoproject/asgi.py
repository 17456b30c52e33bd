"""The two doors: the API through its own lean handler, everything else through Django's."""

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

from todoproject.api import api, query_parameters
from todoproject.http.client_address import ProxiedScopes
from todoproject.http.handler import ApiHandler
from todoproject.http.request import Request
from todoproject.observability import telemetry
from todoproject.pages.access_log import bounded
from todoproject.serving import lifespan
from todoproject.urls import api_patterns

telemetry.start()
_proxied = ProxiedScopes(settings.TRUSTED_PROXIES)
_pages = ASGIHandler()
_pages.request_class = Request
_django = telemetry.traced(bounded(_pages))
_api = telemetry.traced(ApiHandler(api_patterns, query_parameters(), api.on_exception))


def _is_api(path: str) -> bool:
    return path.startswith(("/v1/", "/health/")) or path in ("/v1", "/health", "/metrics")


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one ASGI connection."""
    if scope["type"] == "lifespan":
        await lifespan.run(receive, send)
    elif scope["type"] == "http":
        await (_api if _is_api(scope["path"]) else _django)(_proxied.rewrite(scope), receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})  # the server answers 403
