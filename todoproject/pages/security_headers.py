"""What the pages for people carry besides their text: a request id, and what a browser may do with them.

The policy lets scripts come from our own files only: no inline script, no `on…` attribute, no eval. For that the
admin's Alpine.js is the build that parses its expressions instead of evaluating them (static/unfold/js/alpine).
Style elements need the nonce; style attributes are allowed, for the admin's widgets and Swagger UI set sizes by them.
"""

import re
import secrets

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from uuid_utils.compat import uuid7

from todoproject.observability import logs

_REQUEST_ID = re.compile(r"[!-~]{1,128}")  # as in todoproject/http/middleware.py

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src-elem 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
    "style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
_CONSTANT = {
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class PageHeaders(MiddlewareMixin):
    """Gives every page of Django's door its request id and its headers."""

    def process_request(self, request: HttpRequest) -> None:
        request.request_id = _request_id(request)  # type: ignore[attr-defined]
        request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        policy = _POLICY.format(nonce=request.csp_nonce)  # type: ignore[attr-defined]
        response.headers.setdefault("Content-Security-Policy", policy)
        for name, value in _CONSTANT.items():
            response.headers[name] = value
        return response


def _request_id(request: HttpRequest) -> str:
    """Return the id that the request's log lines carry; else the client's if it is a sane one, else a new one."""
    context = logs.context.get()
    sent = context.request_id if context else request.headers.get("X-Request-ID", "")
    return sent if _REQUEST_ID.fullmatch(sent) else str(uuid7())
