"""What the server and the load generator can do at most: an answer as long as a task's, and nothing done for it."""

from typing import Any

_BODY = b'{"hello":"' + b"." * 330 + b'"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one ASGI connection."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _BODY})
