"""Answers whose body is JSON already: PostgreSQL wrote it, Python only forwards the bytes."""

from collections.abc import Mapping

from django.http import HttpResponse


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON text."""
    return HttpResponse(body, content_type="application/json", status=status, headers=headers)


def no_content() -> HttpResponse:
    """Answer 204."""
    return _empty(204, {})


def not_modified(etag: str) -> HttpResponse:
    """Answer 304: the client has this already (RFC 9110, section 15.4.5)."""
    return _empty(304, {"ETag": etag})


def _empty(status: int, headers: Mapping[str, str]) -> HttpResponse:
    response = HttpResponse(status=status, headers=headers)
    del response.headers["Content-Type"]
    return response
