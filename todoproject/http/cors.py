"""Which pages' scripts may read the API's answers (Fetch Standard, section 3.3 "CORS protocol").

Not django-cors-headers: it belongs into Django's middleware, which the API does without, and answers a preflight
before the route is known. Here the route's own `Allow` is the answer, and errors carry the headers like anything else.
"""

from collections.abc import Iterable

from django.http import HttpResponse

_EXPOSED = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-ID"
_ACCEPTED = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, X-Request-ID"
_PREFLIGHT_SECONDS = "7200"  # Chromium caps it there


class AllowedOrigins:
    """The allow-list. No credentials are ever allowed: the API knows no cookies."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = {origin.encode(): origin for origin in origins}

    def admit(self, headers: dict[bytes, bytes], method: str, response: HttpResponse) -> None:
        """Let the page that asks read the response, if its origin is on the list."""
        origin = self._origins.get(headers.get(b"origin", b""))
        if origin is None:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if method == "OPTIONS" and b"access-control-request-method" in headers and "Allow" in response.headers:
            response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
            response.headers["Access-Control-Allow-Headers"] = _ACCEPTED
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
