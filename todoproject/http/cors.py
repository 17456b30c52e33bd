"""Which pages' scripts may read the API's answers (Fetch Standard, section 3.3 "CORS protocol").

Not django-cors-headers: it belongs into Django's middleware, which the API does without, and answers a preflight
before the route is known. Here the route's own `Allow` is the answer, and errors carry the headers like anything else.
"""

import re
from collections.abc import Iterable

from django.http import HttpResponse

_EXPOSED = (
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-ID, Affected, Change-No,"
    " Dry-Run, Preference-Applied"
)
_ACCEPTED = (
    "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, X-Request-ID, Prefer,"
    " MCP-Protocol-Version, Mcp-Method, Mcp-Name"
)
_LOCALHOST = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_PREFLIGHT_SECONDS = "7200"  # Chromium caps it there


class AllowedOrigins:
    """The allow-list. No credentials are ever allowed: the API knows no cookies."""

    def __init__(self, origins: Iterable[str], allows_localhost: bool = False) -> None:
        self._origins = {origin.encode(): origin for origin in origins}
        self._allows_localhost = allows_localhost

    def known(self, sent: bytes) -> str | None:
        """Return the origin where its pages may read answers, else None."""
        if sent not in self._origins and self._allows_localhost and _LOCALHOST.fullmatch(sent):
            return sent.decode("ascii")
        return self._origins.get(sent)

    def admit(self, headers: dict[bytes, bytes], method: str, response: HttpResponse) -> None:
        """Let the page that asks read the response, if its origin is on the list."""
        origin = self.known(headers.get(b"origin", b""))
        if origin is None:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if method == "OPTIONS" and b"access-control-request-method" in headers and "Allow" in response.headers:
            response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
            response.headers["Access-Control-Allow-Headers"] = _ACCEPTED
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
