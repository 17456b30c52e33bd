"""How both clients speak to the server over httpx."""

import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypedDict

import httpx

from todo_client.exchange import Request

# The server itself gives up a query after less; more would only leave a program hanging.
TIMEOUT_SECONDS = 30.0
# An address that does not answer soon is not there.
CONNECT_SECONDS = 10.0

try:
    VERSION = version("todo-client")
except PackageNotFoundError:  # run from a checkout
    VERSION = "0"


class Options(TypedDict):
    """What both of httpx' clients are made with."""

    base_url: str
    timeout: httpx.Timeout
    headers: dict[str, str]
    follow_redirects: bool
    verify: ssl.SSLContext | bool


def options(server: str, timeout: float) -> Options:
    """Return what an httpx client is made with. A redirect is not followed: it would carry the token elsewhere."""
    # Without TLS the certificates need not be loaded, which takes longer than most requests. This context trusts none.
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if server.startswith("http://") else True
    return {
        "base_url": server.rstrip("/").removesuffix("/v1"),
        "timeout": httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        "headers": {"User-Agent": f"todo-client/{VERSION}"},
        "follow_redirects": False,
        "verify": trust,
    }


def arguments(request: Request, token: str | None, *, silence: float | None = None) -> dict[str, Any]:
    """Return what httpx sends a request with; `silence` is how long a stream may say nothing."""
    given: dict[str, Any] = {"method": request.method, "url": request.path, "params": dict(request.params)}
    given["headers"] = {**request.headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    if request.body is not None:
        given["json"] = request.body
    if silence is not None:
        given["timeout"] = httpx.Timeout(CONNECT_SECONDS, read=silence)
    return given


def change_no(response: httpx.Response, before: int) -> int:
    """Return the number that a write has taken; the one before where it has changed nothing."""
    number = response.headers.get("Change-No")
    return before if number is None else int(number)
