"""Request bodies: read up to a limit, and JSON in its strictest reading (RFC 8259, I-JSON of RFC 7493)."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from django.core.exceptions import RequestAborted
from django.http import HttpRequest
from ninja.parser import Parser

from todoproject.http.problems import MALFORMED_REQUEST, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, Problem

MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 32  # no schema of ours nests deeper than a handful
_MAX_MEMBERS = 1_000  # of one object; no schema of ours knows fifty
# Of a document: a full batch has half of it. 1 MiB of `[],` would hold up everybody else for a fifth of a second.
_MAX_VALUES = 10_000
_STRING = re.compile(rb'"[^"]*+"')  # where no escaped quotes are left
_JSON = {"application/json"}
_MEDIA_TYPES = {"POST": _JSON, "PUT": _JSON, "DELETE": _JSON}
_PATCH_MEDIA_TYPES = {"application/json", "application/merge-patch+json"}


def refuse_length(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a body that says it will be too large, before any of it has come. Raises Problem."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > MAX_BYTES:
            raise _too_large()


def refuse_coding(headers: Mapping[str, Any]) -> None:
    """Refuse a body that is compressed: nothing here would unpack it. Raises Problem."""
    if headers.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, without Content-Encoding.")


async def read(receive: Any, most_bytes: int = MAX_BYTES) -> bytes:
    """Read a request body, refusing it as soon as it passes the limit. Raises Problem, RequestAborted."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most_bytes:
            raise _too_large(most_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if len(chunks) > 1 else chunk


def _too_large(most_bytes: int = MAX_BYTES) -> Problem:
    # The rest is never read: the connection is closed, for the next request could not be told from it.
    detail = f"The body is larger than {most_bytes // 2**20} MiB."
    return Problem(TOO_LARGE, detail, headers={"Connection": "close"})


class Unread:
    """A body that its operation reads, when it knows whether it wants it."""

    def __init__(self, receive: Any, headers: Mapping[str, Any]) -> None:
        self._receive, self._headers = receive, headers
        self.is_read = False

    async def read(self, most_bytes: int) -> bytes:
        """Read it. Raises Problem, RequestAborted."""
        refuse_coding(self._headers)
        content = await read(self._receive, most_bytes)
        self.is_read = True
        return content


class StrictParser(Parser):
    """Refuse what two JSON parsers could read differently: duplicate keys, NaN, lone surrogates, deep nesting."""

    def parse_body(self, request: HttpRequest) -> Any:
        allowed = _MEDIA_TYPES.get(request.method or "", _PATCH_MEDIA_TYPES)
        if request.content_type not in allowed:
            raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Send the body as {' or '.join(sorted(allowed))}.")
        if (request.content_params or {}).get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise Problem(UNSUPPORTED_MEDIA_TYPE, "Send the body in UTF-8.")
        refuse_coding(request.META)
        return loads(request.body)

    def parse_any(self, request: HttpRequest) -> Any:
        """Parse a body that nobody wants; None for one that is not even JSON. Raises Problem."""
        return loads(request.body) if request.content_type in _PATCH_MEDIA_TYPES else None


def loads(body: bytes) -> Any:
    """Parse a JSON document. Raises Problem."""
    _refuse_many_values(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(MALFORMED_REQUEST, "The body is not UTF-8.") from None
    try:
        document = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise Problem(MALFORMED_REQUEST, "The body is not JSON.") from None
    _refuse_depth(document, _MAX_DEPTH)
    return document


def _refuse_many_values(body: bytes) -> None:
    """Refuse a document of many small parts, which costs far more than its bytes; told by its commas, unparsed."""
    if body.count(b",") < _MAX_VALUES:
        return
    body = body.replace(rb"\\", b"").replace(b'\\"', b"")
    # A string for each member and each value, at most.
    if body.count(b'"') > _MAX_VALUES * 4 or _STRING.sub(b"", body).count(b",") >= _MAX_VALUES:
        raise Problem(TOO_LARGE, f"The body holds more than {_MAX_VALUES:,} values.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > _MAX_MEMBERS:
        raise Problem(MALFORMED_REQUEST, f"An object of the body has more than {_MAX_MEMBERS:,} members.")
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Problem(MALFORMED_REQUEST, "The body names a member twice.")
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are JavaScript, not JSON


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _refuse_depth(document: Any, depth: int) -> None:
    if depth == 0:
        raise Problem(MALFORMED_REQUEST, f"The body is nested deeper than {_MAX_DEPTH} levels.")
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for child in children:
        if isinstance(child, dict | list):
            _refuse_depth(child, depth - 1)
