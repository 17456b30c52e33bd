"""What browsers and crawlers ask for unasked, at the root: an icon, and where they may go."""

from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse

_ICON = Path(__file__).parent.parent / "static" / "todoproject" / "icon.svg"
_ROBOTS = """User-agent: *
Disallow: /v1/
Disallow: /admin/
Disallow: /health
Disallow: /metrics
"""
_A_DAY = {"Cache-Control": "public, max-age=86400"}


@cache
def _icon() -> bytes:
    return _ICON.read_bytes()


def favicon(request: HttpRequest) -> HttpResponse:
    """Give the icon to browsers that look for it without being told where it is."""
    return HttpResponse(_icon(), content_type="image/svg+xml", headers=_A_DAY)


def robots(request: HttpRequest) -> HttpResponse:
    """Keep crawlers from the API and the admin (RFC 9309); the documentation may be found."""
    return HttpResponse(_ROBOTS, content_type="text/plain; charset=utf-8", headers=_A_DAY)
