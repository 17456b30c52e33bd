"""Preconditions of requests on one resource (RFC 9110, section 13): entity tags in, versions out.

The entity tag of a resource is its version in quotes, and strong; compressed, it has another (compression.py).
`If-Match` compares strongly, so that a weak tag never matches; `If-None-Match` compares weakly.
"""

import re
from typing import Any

from django.http import HttpRequest

from todoproject.http.problems import MALFORMED_REQUEST, PRECONDITION_REQUIRED, Problem

_TAG = re.compile(r'(?:W/)?"[!\x23-\x7e\x80-\xff]*"')  # RFC 9110, section 8.8.3: no quotes, blanks and controls
# With `-gzip` it is the same version, compressed.
_VERSION = re.compile(r'(W/)?"([1-9][0-9]{0,9})(?:-gzip)?"')
_ANY = "*"


def etag(version: str) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def if_match(request: HttpRequest) -> list[int] | None:
    """Return the versions that a write may find, None for any. Raises Problem.

    A write has no use for `If-None-Match`, and a condition that is not kept must not be overlooked.
    """
    if "HTTP_IF_NONE_MATCH" in request.META:
        raise Problem(MALFORMED_REQUEST, "If-None-Match means nothing here; send If-Match.")
    return _versions(request, "If-Match", allow_weak=False)


def is_not_modified(request: HttpRequest, version: str) -> bool:
    """Tell whether the client has this version already. Raises Problem."""
    if "HTTP_IF_NONE_MATCH" not in request.META:
        return False
    known = _versions(request, "If-None-Match", allow_weak=True)
    return known is None or int(version) in known


def is_creation(request: HttpRequest) -> bool:
    """Tell what a PUT asks for: to create (`If-None-Match: *`) or to replace (`If-Match`). Raises Problem."""
    has_match, none_match = "HTTP_IF_MATCH" in request.META, request.META.get("HTTP_IF_NONE_MATCH")
    if not has_match and none_match is None:
        raise Problem(PRECONDITION_REQUIRED, "Send If-None-Match: * to create, or If-Match with the ETag to replace.")
    if none_match is not None and (has_match or none_match.strip() != _ANY):
        raise Problem(MALFORMED_REQUEST, "A PUT takes either If-None-Match: * or If-Match.")
    return none_match is not None


def _versions(request: HttpRequest, header: str, *, allow_weak: bool) -> list[int] | None:
    """Return the versions among the header's tags; None where it is absent or `*`. Tags of others name no version."""
    value = request.META.get(f"HTTP_{header.upper().replace('-', '_')}", _ANY)
    if not is_entity_tags(value):
        raise Problem(MALFORMED_REQUEST, f'{header} holds entity tags in quotes, such as "3", or *.')
    return _read(value, allow_weak=allow_weak)


def is_entity_tags(text: str) -> bool:
    """Tell whether this is a list of entity tags, or `*`."""
    return text.strip(" \t") == _ANY or _is_list_of_tags(text)


def strong_versions(text: str) -> list[int] | None:
    """Return the versions that strong tags name; None for `*`."""
    return _read(text, allow_weak=False)


def _read(text: str, *, allow_weak: bool) -> list[int] | None:
    if text.strip(" \t") == _ANY:
        return None
    return [int(number) for weak, number in _VERSION.findall(text) if (allow_weak or not weak) and int(number) < 2**31]


def _is_list_of_tags(value: str) -> bool:
    """Tell whether there is nothing but tags between commas (RFC 9110, section 5.6.1: elements may be empty).

    Not one expression for the whole list: blanks between commas would make it try every way to share them out.
    """
    # A line break stands for a tag: there is none in a header.
    elements = {element.strip(" \t") for element in _TAG.sub("\n", value).split(",")}
    return "\n" in elements and elements <= {"\n", ""}


def headers(*names: str) -> dict[str, Any]:
    """Declare these headers as parameters of an operation in the OpenAPI document."""
    return {"parameters": [_HEADERS[name] for name in names]}


def _header(name: str, description: str) -> dict[str, Any]:
    """Declare one; without an `example`, which the reference would send with each try: true once at the most."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


_HEADERS = {
    "If-Match": _header(
        "If-Match", 'Only if it is one of these versions: ETags such as `"3"`, or `*` for any. Else 412.'
    ),
    "If-None-Match": _header(
        "If-None-Match", 'Only if it is none of these versions, such as `"3"`; else 304, without it.'
    ),
    "If-None-Match: *": _header("If-None-Match", "`*`: only if there is none with this id. Else 412."),
}
