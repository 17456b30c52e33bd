"""Addresses that hold a secret: it says who is asking, in place of a bearer token, and is good for one door only.

What is wrong with the secret is a 404, like a path that there is not; the fence itself looks which kind it is of.
"""

from collections.abc import Sequence

from django.http import HttpResponse

from accounts import tokens
from accounts.queries import verify
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import InvalidToken
from todoproject.http import problems
from todoproject.http.request import ApiRequest
from todoproject.observability import logs


def admit(request: ApiRequest, secret: str, kinds: Sequence[str]) -> Credentials:
    """Give the request the credentials of its address. Raises Problem where that cannot be one of ours."""
    credentials = tokens.parse(secret)
    if credentials is None:
        raise problems.not_found()
    credentials.kinds = tuple(kinds)
    if (context := logs.context.get()) is not None:
        credentials.request_id = context.request_id
    request.credentials = credentials
    return credentials


async def refuse(request: ApiRequest, error: Exception) -> HttpResponse:
    """Answer an error; 404 rather than what is wrong with the input where the secret is bad."""
    refusal = _answer(request, error)
    if refusal.status_code in (400, 409, 413, 415, 422) and request.credentials and not request.is_accepted:
        try:
            await verify(request.credentials)
        except Exception as worse:  # noqa: BLE001 -- handed to the same mapping as any other of the API
            return _answer(request, worse)
    return refusal


def _answer(request: ApiRequest, error: Exception) -> HttpResponse:
    if isinstance(error, InvalidToken):
        request.is_refused = True
        error = problems.not_found()
    return request.respond_to(request, error)
