"""Answers whose body is JSON already: PostgreSQL wrote it, Python only forwards the bytes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from django.http import HttpResponse

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Answer with JSON text."""
    return HttpResponse(body, content_type="application/json", status=status, headers=headers)


class Changes(Protocol):
    """How much a write has changed, and the last number that it took."""

    @property
    def affected(self) -> int: ...

    @property
    def change_no(self) -> str | None: ...


def change_headers(changes: Changes) -> dict[str, str]:
    """Return the headers that tell how much a write has changed."""
    number = {} if changes.change_no is None else {"Change-No": changes.change_no}
    return {"Affected": str(changes.affected), **number}


def no_content(headers: Mapping[str, str] = NO_HEADERS) -> HttpResponse:
    """Answer 204."""
    return _empty(204, headers)


def not_modified(etag: str) -> HttpResponse:
    """Answer 304: the client has this already (RFC 9110, section 15.4.5)."""
    return _empty(304, {"ETag": etag})


def _empty(status: int, headers: Mapping[str, str]) -> HttpResponse:
    response = HttpResponse(status=status, headers=headers)
    del response.headers["Content-Type"]
    return response
