"""Headers and parameters that hold for many operations, as the OpenAPI document describes them."""

from typing import Any

from todoproject.http.problems import INVALID_TOKEN

_TEXT = {"type": "string"}
HEADERS = {
    "X-Request-ID": ("The request's id, to find it in the logs: the client's own, or a new one.", _TEXT),
    "WWW-Authenticate": ("How to authenticate (RFC 6750).", {"enum": ["Bearer", INVALID_TOKEN], "type": "string"}),
    "Retry-After": ("After how many seconds to try again.", {"type": "integer", "minimum": 1}),
    "RateLimit": ("What is left of the limit.", _TEXT),
    "RateLimit-Policy": ("The limit.", _TEXT),
    "ETag": ("The version in quotes, for `If-Match` and `If-None-Match`.", _TEXT),
    "Location": ("Where the new object is.", {"type": "string", "format": "uri-reference"}),
    "Affected": (
        "How many things were changed: this one, and what went along with it.",
        {"type": "integer", "minimum": 0},
    ),
    "Change-No": (
        "The last of your change numbers that this took; absent where nothing was changed.",
        {"type": "integer"},
    ),
    "Dry-Run": ("Only there, and `true`, where this is what would happen, and nothing did.", _TEXT),
    "Preference-Applied": ("Only there where a preference was applied: `dry-run`.", _TEXT),
    "Idempotency-Replayed": ("Only there, and `true`, where this answer was stored under the key before.", _TEXT),
}
OPTIONAL = {
    *("Change-No", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Dry-Run", "Preference-Applied"),
}
OF_STATUS = {
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    412: ("ETag",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
PARAMETERS = {
    "Prefer": {
        "description": "`dry-run` is the same as `dry_run=true` (RFC 7240); where there is no dry run it is refused.",
        "schema": _TEXT,
    },
    "X-Request-ID": {
        "description": "An id of yours for this request, 1 to 128 printable ASCII characters; any other is replaced.",
        "schema": _TEXT,
    },
    "Idempotency-Key": {
        # No example: the reference would send it with each try, and the second would be another request's key.
        "description": "New for each write, such as a UUID, and the same when it is sent again: the write happens once."
        " Kept for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    },
}

DRY_RUN = {
    "in": "query",
    "name": "dry_run",
    "required": False,
    "description": "`true`: answer what would happen, with `Dry-Run: true`, and do nothing. Ids, times, versions and"
    " change numbers in it are provisional. It neither reads nor stores an `Idempotency-Key`.",
    "schema": {"type": "boolean", "default": False},
}


def described(name: str) -> dict[str, Any]:
    """Return a header of answers as the document describes it."""
    description, schema = HEADERS[name]
    return {"description": description, "required": name not in OPTIONAL, "schema": schema}
