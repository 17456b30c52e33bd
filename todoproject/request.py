"""A request of the API."""

from collections.abc import Callable

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse


class ApiRequest(ASGIRequest):
    """Django's request, with its route as OpenAPI writes it and the query parameters that its operation has."""

    # How an error is answered; for those that are only a part of the answer.
    respond_to: Callable[[Exception], HttpResponse]
    route: str | None = None
    known_parameters: frozenset[str] = frozenset()
