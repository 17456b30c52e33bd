"""Commands about who one is."""

import sys
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

import typer

from todo_client import models
from todo_client.cli.files import Login, folder
from todo_client.cli.options import Json
from todo_client.cli.session import RETRIES, Session, of
from todo_client.client import Client
from todo_client.errors import ScopeMissing, Unauthenticated

Email = Annotated[str | None, typer.Option("--email", help="Asked for, if it is not given.")]


def login(
    context: typer.Context,
    email: Email = None,
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Keep a token that you have, instead of logging in for one.")
    ] = False,
    json: Json = False,
) -> None:
    """Log in, and keep the token in your configuration, for you alone to read.

    The password, or the token, is asked for; where nobody sits, it is read from standard input.
    """
    session = of(context, json)
    _warn_of_plain_http(session)
    with Client(session.server, retries=RETRIES) as client:
        if with_token:
            client.token = _secret("Token")
            user = _owner(client)
            _keep(session, Login(client.token, user.email if user else "", user.timezone if user else None))
            return
        address = email or typer.prompt("E-mail", err=True)
        opened = client.login(address, _secret("Password"))
    _keep(session, Login(opened.token, opened.user.email, opened.user.timezone))


def register(context: typer.Context, email: Email = None, json: Json = False) -> None:
    """Make an account, and log it in."""
    session = of(context, json)
    _warn_of_plain_http(session)
    with Client(session.server, retries=RETRIES) as client:
        address = email or typer.prompt("E-mail", err=True)
        opened = client.register(address, _secret("Password", is_new=True))
    if opened is None:
        session.say("A mail is on its way. Follow it, then run: todo login")
        session.emit({"email": address})
        return
    _keep(session, Login(opened.token, opened.user.email, opened.user.timezone))


def logout(context: typer.Context, json: Json = False) -> None:
    """Revoke the token, and forget it."""
    session = of(context, json)
    kept = session.login
    with suppress(Unauthenticated):  # it may have ended already: that is what is wanted
        session.client.logout()
    if kept is not None and session.token in {None, kept.token}:  # not where another one came from the environment
        del session.logins.logins[session.server]
        session.logins.save()
    session.say(f"Logged out of {session.server}")
    session.emit({"server": session.server})


def whoami(context: typer.Context, json: Json = False) -> None:
    """Show whose tasks these are."""
    session = of(context, json)
    user = session.client.me()
    session.say(f"{user.email} at {session.server}, days of {user.timezone}")
    session.emit(user.document)


def _keep(session: Session, kept: Login) -> None:
    session.logins.server = session.server
    session.logins.logins[session.server] = kept
    session.logins.save()
    session.say(f"Logged in{f' as {kept.email}' if kept.email else ''} at {session.server}")
    session.emit({"server": session.server, "email": kept.email, "config": str(folder() / "config.json")})


def _warn_of_plain_http(session: Session) -> None:
    host = urlsplit(session.server).hostname or ""
    if session.server.startswith("http://") and host not in {"localhost", "127.0.0.1", "::1"}:
        session.warn(f"{session.server} is not encrypted: whoever is on the way can read what you send.")


def _secret(name: str, *, is_new: bool = False) -> str:
    if sys.stdin.isatty():
        secret: str = typer.prompt(name, hide_input=True, confirmation_prompt=is_new, err=True)
        return secret
    return sys.stdin.readline().rstrip("\n")


def _owner(client: Client) -> models.User | None:
    """Return whose token it is, as far as it may tell. Raises Unauthenticated."""
    client.current_token()
    try:
        return client.me()
    except ScopeMissing:
        return None


COMMANDS = {"login": login, "register": register, "logout": logout, "whoami": whoami}
