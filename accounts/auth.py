"""How a request says who it is from."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from ninja.security.base import AuthBase

from accounts import tokens
from accounts.tokens import Credentials

if TYPE_CHECKING:
    from todoproject.request import ApiRequest

    class AuthenticatedRequest(ApiRequest):
        """A request whose operation asks for a token; whether the token is good, the database says."""

        auth: Credentials


class Bearer(AuthBase):
    """`Authorization: Bearer <token>` (RFC 6750, section 2.1).

    Only the token's shape is checked here, without a round trip; the request unit checks the token itself.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    async def __call__(self, request: HttpRequest) -> Credentials | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return tokens.parse(token.strip()) if scheme.lower() == "bearer" else None
