"""Any page's script may use this door: its clients are pages, and who knows the address may do what it lets do.

Nothing is read from cookies, so none are allowed, and the rest of the API stays closed (Fetch Standard, section 3.3).
"""

from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

_OPEN = [(b"access-control-allow-origin", b"*")]
_EXPOSED = (b"access-control-expose-headers", b"Location, Retry-After, X-Request-ID")
_ACCEPTED = (b"access-control-allow-headers", b"Content-Type")
_KEPT = (b"access-control-max-age", b"7200")


def opened(app: App) -> App:
    """Return the application with its answers open to every origin."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def admit(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": _admitted(scope["method"], message["headers"])}
            await send(message)

        await app(scope, receive, admit)

    return answer


def _admitted(method: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [header for header in headers if not header[0].startswith(b"access-control-")]
    methods = [value for name, value in kept if name == b"allow"]
    if method == "OPTIONS" and methods:
        return [*kept, *_OPEN, (b"access-control-allow-methods", methods[0]), _ACCEPTED, _KEPT]
    return [*kept, *_OPEN, _EXPOSED]
