"""Answers whose body is JSON already: PostgreSQL wrote it, Python only forwards the bytes."""

from collections.abc import Mapping

from django.http import HttpResponse


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON text."""
    return HttpResponse(body, content_type="application/json", status=status, headers=headers)


def no_content() -> HttpResponse:
    """Answer 204."""
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]
    return response
