"""A request of the API."""

from django.core.handlers.asgi import ASGIRequest


class ApiRequest(ASGIRequest):
    """Django's request, with its route as OpenAPI writes it and the query parameters that its operation has."""

    route: str | None = None
    known_parameters: frozenset[str] = frozenset()
