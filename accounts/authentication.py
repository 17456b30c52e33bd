"""How a request says who it is from."""

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest
from ninja.security.base import AuthBase

from accounts import tokens
from todoproject.database.client.statement import Credentials
from todoproject.http.request import ApiRequest, bearer_token
from todoproject.observability import logs

if TYPE_CHECKING:

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
        asked = cast(ApiRequest, request)
        if asked.credentials is None:  # else an Idempotency-Key has asked before
            token = bearer_token(request.META.get("HTTP_AUTHORIZATION"))
            asked.credentials = None if token is None else tokens.parse(token)
            if asked.credentials is not None and (context := logs.context.get()) is not None:
                asked.credentials.request_id = context.request_id
        return asked.credentials
