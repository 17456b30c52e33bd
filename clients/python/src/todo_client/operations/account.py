"""Who one is: registering, logging in and out, the account, its tokens and its figures."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import httpx

from todo_client.exchange import Request
from todo_client.models import Session, Statistics, Token, User
from todo_client.operations import Operation, get, nothing, plain, reading, segment, write

Scope = Literal["tasks:read", "tasks:write", "account"]


def register(email: str, password: str) -> Operation[Session | None]:
    """Make an account, and log it in. None where the address is to be proved first: a mail is on its way."""
    return _without_token("/v1/auth/register", {"email": email, "password": password}, _session)


def login(email: str, password: str) -> Operation[Session]:
    """Log in. Raises Unauthenticated for a wrong e-mail or password alike."""
    return _without_token("/v1/auth/login", {"email": email, "password": password}, reading(Session.read))


def logout() -> Operation[None]:
    """Revoke the token in use."""
    return write("POST", "/v1/auth/logout", nothing)


def me() -> Operation[User]:
    """Get the account; needs the scope `account`."""
    return get("/v1/me", User.read)


def update_me(*, timezone: str | None = None, reminder_mail: bool | None = None) -> Operation[User]:
    """Change the account: its time zone (IANA's name), and whether reminders come as mail, too."""
    changes = {"timezone": timezone, "reminder_mail": reminder_mail}
    changes = {name: value for name, value in changes.items() if value is not None}
    return write("PATCH", "/v1/me", reading(User.read), body=changes)


def statistics() -> Operation[Statistics]:
    """Count tasks, by days of the account's zone."""
    return get("/v1/me/statistics", Statistics.read)


def export() -> Operation[dict[str, Any]]:
    """Get everything that the server holds about the account."""
    return get("/v1/me/export", dict)


def tokens() -> Operation[list[Token]]:
    """Get the live tokens, newest first."""
    return get("/v1/tokens", lambda document: [Token.read(one) for one in document["items"]])


def current_token() -> Operation[Token]:
    """Get the token in use."""
    return get("/v1/tokens/current", Token.read)


def create_token(name: str, scopes: Sequence[Scope], *, expires_at: datetime | None = None) -> Operation[Token]:
    """Make a token for a script, with only the scopes that it needs; its `secret` is shown this once."""
    body = {"name": name, "scopes": list(scopes), "expires_at": expires_at}
    return write("POST", "/v1/tokens", reading(Token.read), body=body)


def revoke_token(token: Token | str) -> Operation[None]:
    """Revoke a token: it is refused from the next request on."""
    path = f"/v1/tokens/{segment(token if isinstance(token, str) else token.id)}"
    return write("DELETE", path, nothing)


def _without_token(path: str, body: dict[str, str], read: Any) -> Operation[Any]:
    """Make an operation that nobody is known for yet: an idempotency key would belong to no one, so it has none."""
    return Operation(Request("POST", path, body=plain(body)), read)


def _session(response: httpx.Response) -> Session | None:
    return Session.read(response.json()) if response.status_code == 201 else None
