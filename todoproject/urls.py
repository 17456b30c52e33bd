"""Where everything lives: the API's patterns for its own handler, the rest for Django's."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from todoproject import docs
from todoproject.api import api, document
from todoproject.metrics.endpoint import scrape
from todoproject.responses import json_response


async def openapi_document(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI document."""
    return json_response(document())


# Ninja's own list, less its root, whose only purpose is to answer 404.
api_patterns: list[URLPattern | URLResolver] = [
    path("v1/openapi.json", openapi_document, name="openapi"),
    path("metrics", scrape, name="metrics"),
    *(pattern for pattern in api.urls[0] if getattr(pattern, "name", None) != "api-root"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", docs.home),
    path("docs", docs.swagger, name="docs"),
    path("docs/guide", docs.guide, name="guide"),
    path("docs/changelog", docs.changelog, name="changelog"),
    path("docs/errors", docs.error_index, name="errors"),
    path("docs/errors/<slug:code>", docs.error, name="error"),
    path("admin/", admin.site.urls),
]

handler400 = "todoproject.error_pages.bad_request"
handler403 = "todoproject.error_pages.permission_denied"
handler404 = "todoproject.error_pages.not_found"
handler500 = "todoproject.error_pages.server_error"
