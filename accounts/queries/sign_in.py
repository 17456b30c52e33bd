"""Register, log in, log out."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from django.conf import settings
from django.db.models.functions import Lower
from django.utils import timezone
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts import addresses, audit, passwords, tokens
from accounts.audit import Origin
from accounts.models import AccessToken, Scope, User
from accounts.problems import EmailTaken, WrongCredentials
from accounts.queries import email_links
from accounts.queries.tokens import live
from accounts.queries.unit import NEW_TOKEN, NEW_USER, NOW, USER_FIELDS, fenced
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work, pool
from todoproject.database.client.sql import CurrentToken, Parameter
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.database.errors import ConstraintViolated, NotUnique


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A new login: the token, shown once, and the rest as JSON."""

    token: str
    expires_at: str
    user: bytes


# Of one account, far beyond the devices that people have; whoever logs in once more ends the oldest.
MOST_SESSIONS = 100
_CROWDED = f"""
UPDATE access_tokens SET revoked_at = statement_timestamp() WHERE id IN (
    SELECT id FROM access_tokens WHERE user_id = (SELECT id FROM new_user) AND kind = 'session' AND revoked_at IS NULL
     ORDER BY id DESC OFFSET {MOST_SESSIONS - 1})
"""  # noqa: S608 -- ours


def _with_token(new_user: str) -> Statement:
    """Make a session token for the user that `new_user` writes; return the user's JSON and the token's expiry."""
    values = {name: sql.Placeholder(f"token_{name}") for name in NEW_TOKEN} | {
        "user": sql.SQL("(SELECT id FROM new_user)")
    }
    new_token = statements.insert(AccessToken, values, ["expires_at"])
    user = statements.as_json("SELECT * FROM new_user", User, USER_FIELDS)
    expiry = statements.as_json("SELECT * FROM new_token", AccessToken, ["expires_at"])
    # The sign-in and its record are one statement: there is never one without the other.
    return Statement.unfenced(
        f"WITH new_user AS ({new_user}), crowded AS ({_CROWDED}), new_token AS ({new_token}),"
        f" {audit.recorded('new_user')}"
        f" SELECT ({user}), ({expiry})::json->>'expires_at'",
        writes=True,
    )


def _parameters(token: str, action: str, origin: Origin) -> dict[str, object]:
    return {
        **origin.parameters(action),
        "token_id": uuid7(),
        "token_kind": AccessToken.Kind.SESSION.value,
        "token_name": "login",
        "token_digest": tokens.digest(token),
        "token_scopes": Scope.values,
        "token_expires_at": timezone.now() + timedelta(days=settings.TOKEN_LIFETIME_DAYS),
    }


@lru_cache
def _register() -> Statement:
    values = statements.placeholders(["id", "email", "mailbox", "password"]) | NEW_USER
    return _with_token(statements.insert(User, values, USER_FIELDS))


async def register(work: Work, email: str, password: str, origin: Origin) -> SessionRow | None:
    """Create an account and log it in, or, where addresses must be proved, send a mail to this one and return None.

    Raises EmailTaken, but only where nothing is mailed: who asks learns nothing about an address that is not theirs.
    """
    if settings.EMAIL_VERIFICATION == "required":
        await email_links.request_verification(work, email)
        return None
    encoded = await passwords.hash_password(password)
    token = tokens.generate()
    parameters = {
        "id": uuid7(),
        "email": email,
        "mailbox": addresses.stored_mailbox(email),
        "password": encoded,
        **_parameters(token, audit.REGISTER, origin),
    }
    try:
        return _session(token, await work.execute(_register(), parameters))
    except NotUnique:
        raise EmailTaken from None


@lru_cache
def _find_password() -> Statement:
    known = User.objects.at(Lower(Parameter("email")), Parameter("mailbox")).values("id", "password", "is_active")
    return Statement.unfenced(statements.select(known), repeatable=True)


_FAILED = Statement.unfenced(audit.FAILED_SIGN_IN, writes=True)


@lru_cache
def _login() -> Statement:
    # Looked up once more: since the check the account may have been closed, or its password changed. That change
    # ends all sessions, and one that begins behind its back would outlive it.
    user = User.objects.filter(id=Parameter("id"), password=Parameter("encoded"), is_active=True)
    return _with_token(statements.update(user, {"last_login": NOW}, USER_FIELDS))


async def login(work: Work, email: str, password: str, origin: Origin) -> SessionRow:
    """Make a session token for the account. Raises WrongCredentials, as late for an unknown e-mail as for a known."""
    rows = await work.execute(_find_password(), {"email": email, "mailbox": addresses.mailbox(email)})
    is_known = bool(rows) and rows.text(0, 2) == "t"
    encoded = rows.text(0, 1) if is_known else None
    if not await passwords.verify_password(password, encoded):
        who = rows.text(0, 0) if is_known else None
        # Alone: what was tried is recorded, whatever becomes of the request.
        await pool.execute(_FAILED, {**origin.parameters(audit.SIGN_IN_FAILED), "who": who})
        raise WrongCredentials
    token = tokens.generate()
    parameters = {"id": rows.text(0, 0), "encoded": encoded, **_parameters(token, audit.SIGN_IN, origin)}
    try:
        return _session(token, await work.execute(_login(), parameters))
    except ConstraintViolated:  # there is no such user any more whom the token could belong to
        raise WrongCredentials from None


def _session(token: str, rows: Rows) -> SessionRow:
    return SessionRow(token, rows.text(0, 1), rows.bytes(0, 0))


@lru_cache
def _logout() -> Statement:
    ended = statements.update(live().filter(id=CurrentToken()), {"revoked_at": NOW}, ["id"])
    record = "record_sign_out(%(event_id)s, %(request_id)s, %(address)s::inet)"
    return fenced(f"WITH ended AS ({ended}) SELECT {record} FROM ended", scope=None, writes=True)  # noqa: S608 -- ours


async def logout(work: Work, credentials: Credentials, origin: Origin) -> None:
    """End the token in use, whatever its scopes."""
    await work.execute(_logout(), origin.parameters(audit.SIGN_OUT), credentials)


@lru_cache
def _verify() -> Statement:
    return fenced("SELECT 1", scope=None, repeatable=True)


async def verify(credentials: Credentials) -> None:
    """Check the token and nothing else. Raises InvalidToken."""
    await pool.execute(_verify(), credentials=credentials)
