"""Where everything lives: the API's patterns for its own handler, the rest for Django's."""

import asyncio

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from todoproject.api import api, document
from todoproject.http.responses import json_response
from todoproject.monitoring.prometheus import scrape
from todoproject.openapi.document import ADDRESS, at
from todoproject.pages import documentation, root_files


async def openapi_document(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI document, whose examples ask the server that it is read from."""
    address = request.build_absolute_uri("/")[:-1] if "HTTP_HOST" in request.META else ADDRESS  # HTTP/1.0 needs none
    # A good while of work for the first who asks, and nobody else is to wait for it.
    whole = await asyncio.to_thread(document)
    return json_response(at(whole, address))


# Ninja's own list, less its root, whose only purpose is to answer 404.
api_patterns: list[URLPattern | URLResolver] = [
    path("v1/openapi.json", openapi_document, name="openapi"),
    path("metrics", scrape, name="metrics"),
    *(pattern for pattern in api.urls[0] if getattr(pattern, "name", None) != "api-root"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", documentation.home),
    path("docs", documentation.swagger, name="docs"),
    path("docs/guide", documentation.guide, name="guide"),
    path("docs/changelog", documentation.changelog, name="changelog"),
    path("docs/errors", documentation.error_index, name="errors"),
    path("docs/errors/<slug:code>", documentation.error, name="error"),
    path("favicon.ico", root_files.favicon),
    path("robots.txt", root_files.robots),
    path("admin/", admin.site.urls),
]

handler400 = "todoproject.pages.error_pages.bad_request"
handler403 = "todoproject.pages.error_pages.permission_denied"
handler404 = "todoproject.pages.error_pages.not_found"
handler500 = "todoproject.pages.error_pages.server_error"
