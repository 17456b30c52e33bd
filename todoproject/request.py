"""Requests: Django's, but their `Content-Type` can neither break them nor change how their URL is read."""

from collections.abc import Callable
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.utils.http import parse_header_parameters


class Request(ASGIRequest):
    """Django's request, sound whatever its headers say.

    Django reads the query string in the charset of the *body*, so that `charset=base64` would crash it, as would
    a parameter in an encoding that Python does not know (RFC 2231: `charset*=x''y`).
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            self.content_type, self.content_params = "", {}


RespondTo = Callable[["ApiRequest", Exception], HttpResponse]


class ApiRequest(Request):
    """A request of the API, with its route as OpenAPI writes it and the query parameters that its operation has."""

    # How an error is answered; for those that are only a part of the answer. Takes the request, so that the request
    # does not hold itself: it would stay until the garbage collector comes by.
    respond_to: RespondTo
    route: str | None = None
    known_parameters: frozenset[str] = frozenset()
