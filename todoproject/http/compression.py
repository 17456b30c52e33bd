"""Answers in fewer bytes, for clients that take them (RFC 9110, sections 8.4 and 12.5.3).

Compressed here, so that no proxy needs to: one that does makes the strong entity tags weak, and `If-Match` with a weak
one never matches. What is compressed is another representation and has a tag of its own (section 8.8.3), `"3-gzip"`
beside `"3"`; as a precondition both name the version.
"""

import asyncio
import re
import zlib
from collections.abc import Mapping

LEAST_BYTES = 1024  # below, the headers outweigh what is saved
_ON_THE_LOOP = 256 * 1024  # more would keep all other requests waiting for milliseconds
_LEVEL = 1  # a page of JSON becomes a sixth; the slower levels make it a seventh, for three times the time
_GZIP = zlib.MAX_WBITS | 16
_CODING = re.compile(rb"\s*([^\s;,]+)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?", re.IGNORECASE)
_SUFFIX = b"-gzip"


def is_wanted(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a client takes gzip: by its name, or as any coding that it does not refuse."""
    weights = {}
    for element in headers.get(b"accept-encoding", b"").split(b","):
        if (match := _CODING.fullmatch(element)) is not None:
            weights[match[1].lower()] = match[2] is None or match[2].strip(b"0.") != b""
    return weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*", False)))


async def compress(body: bytes) -> bytes:
    """Return a body in gzip's format (RFC 1952); a large one is compressed in a thread."""
    return _compress(body) if len(body) <= _ON_THE_LOOP else await asyncio.to_thread(_compress, body)


def _compress(body: bytes) -> bytes:
    return zlib.compress(body, _LEVEL, _GZIP)


def tag(etag: bytes) -> bytes:
    """Return the entity tag of the compressed representation."""
    return etag[:-1] + _SUFFIX + b'"'
