"""Requests: Django's, but their `Content-Type` can neither break them nor change how their URL is read."""

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.utils.http import parse_header_parameters

from todoproject.database.client.pool import Work, pool
from todoproject.database.client.statement import Credentials

# Nothing but spaces before a token68, and nothing behind it (RFC 9110, section 11.4): another byte would make another
# name of the same token, with a rate limit of its own.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)


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
    # Who is asking: None without a token of the right shape; its user is None until PostgreSQL has accepted it.
    credentials: Credentials | None = None
    # What its statements are executed by: each alone by the pool, or in the transaction of its Idempotency-Key.
    work: Work = pool
    # Each with whether it may be given more than once.
    known_parameters: Mapping[str, bool] = MappingProxyType({})
    takes_body: bool = True
    # Whatever its method says, it changes nothing: nobody is told of it as of a write.
    only_reads: bool = False
    is_dry_run: bool = False
    tries_by_itself: bool = False  # a dry run is the operation's own matter
    # Reads a body that the operation reads itself, up to so many bytes. Raises Problem, RequestAborted.
    read_body: Callable[[int], Awaitable[bytes]]
    # Whether PostgreSQL has refused the secret in its path, which is answered as if there were no such path.
    is_refused: bool = False

    @property
    def is_accepted(self) -> bool:
        """Tell whether PostgreSQL has accepted the token."""
        return self.owner is not None

    @property
    def owner(self) -> str | None:
        """Whose token it is; None until PostgreSQL has accepted it."""
        return None if self.credentials is None else self.credentials.user_id


def has_sent_token(authorization: str | None) -> bool:
    """Tell whether an `Authorization` header is of the scheme for tokens, be the token malformed."""
    scheme, _, token = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and token.strip() != ""


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an `Authorization` header (RFC 6750, section 2.1), None where it is another or malformed."""
    match = None if authorization is None else _BEARER.fullmatch(authorization)
    return None if match is None else match[1]
