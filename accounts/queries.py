"""What can be done with accounts and tokens, each as one round trip.

What a token proves goes through the fence as role `todo_account`. Register and login come before anybody is known:
their statements run as the owner and name exactly one row.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower, Now
from django.utils import timezone
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts import passwords, tokens
from accounts.models import AccessToken, Scope, User
from accounts.schemas import MePatch, TokenCreate
from accounts.schemas import Token as TokenDocument
from accounts.schemas import User as UserDocument
from accounts.tokens import Credentials
from todoproject.database import statements
from todoproject.database.errors import ConstraintViolated, NotUnique
from todoproject.database.pool import pool
from todoproject.database.statements import CurrentToken, CurrentUser, Parameter
from todoproject.database.unit import ACCOUNT_ROLE, Rows, Statement

USER_FIELDS = tuple(UserDocument.model_fields)
TOKEN_FIELDS = tuple(TokenDocument.model_fields)


class EmailTaken(Exception):
    """An account with this e-mail exists."""


class WrongCredentials(Exception):
    """No active account has this e-mail and password."""


class TokenNotFound(Exception):
    """There is no such live token, or it is somebody else's."""


class ScopeNotHeld(Exception):
    """A token may not make one that can do more than itself."""

    def __init__(self, required: list[str], held: list[str]) -> None:
        super().__init__(f"required {required}, held {held}")
        self.required = required
        self.held = held


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A new login: the token, shown once, and the rest as JSON."""

    token: str
    expires_at: str
    user: bytes


def _fenced(query: str, scope: Scope | None = Scope.ACCOUNT, *, repeatable: bool = False) -> Statement:
    return Statement.fenced(query, scope=scope, role=ACCOUNT_ROLE, repeatable=repeatable)


# --- Register, login, logout ----------------------------------------------------------------------

_NOW = sql.SQL("statement_timestamp()")
_NEW_TOKEN = ("id", "kind", "name", "digest", "scopes", "expires_at")
# Columns that Django fills in Python; the database has no default for them.
_NEW_USER: dict[str, sql.Composable] = {
    "timezone": sql.Literal("UTC"),
    "is_staff": sql.Literal(False),
    "is_active": sql.Literal(True),
    "is_superuser": sql.Literal(False),
}


def _with_token(new_user: str) -> Statement:
    """Make a session token for the user that `new_user` writes; return the user's JSON and the token's expiry."""
    values = {name: sql.Placeholder(f"token_{name}") for name in _NEW_TOKEN} | {
        "user": sql.SQL("(SELECT id FROM new_user)")
    }
    new_token = statements.insert(AccessToken, values, ["expires_at"])
    user = statements.as_json("SELECT * FROM new_user", User, USER_FIELDS)
    expiry = statements.as_json("SELECT * FROM new_token", AccessToken, ["expires_at"])
    return Statement.open(
        f"WITH new_user AS ({new_user}), new_token AS ({new_token}) SELECT ({user}), ({expiry})->>'expires_at'"
    )


def _token_parameters(token: str) -> dict[str, object]:
    return {
        "token_id": uuid7(),
        "token_kind": AccessToken.Kind.SESSION.value,
        "token_name": "login",
        "token_digest": tokens.digest(token),
        "token_scopes": Scope.values,
        "token_expires_at": timezone.now() + timedelta(days=settings.TOKEN_LIFETIME_DAYS),
    }


@lru_cache
def _register() -> Statement:
    values = statements.placeholders(["id", "email", "password"]) | _NEW_USER
    return _with_token(statements.insert(User, values, USER_FIELDS))


async def register(email: str, password: str) -> SessionRow:
    """Create an account and log it in. Raises EmailTaken."""
    encoded = await passwords.hash_password(password)
    token = tokens.generate()
    parameters = {"id": uuid7(), "email": email, "password": encoded, **_token_parameters(token)}
    try:
        return _session(token, await pool.run(_register(), parameters))
    except NotUnique:
        raise EmailTaken from None


@lru_cache
def _find_password() -> Statement:
    known = User.objects.annotate(lower_email=Lower("email")).filter(lower_email=Lower(Parameter("email")))
    return Statement.open(statements.select(known.filter(is_active=True).values("id", "password")), repeatable=True)


@lru_cache
def _login() -> Statement:
    # Looked up once more by id: between the password check and now the account may have been closed.
    user = User.objects.filter(id=Parameter("id"), is_active=True)
    return _with_token(statements.update(user, {"last_login": _NOW}, USER_FIELDS))


async def login(email: str, password: str) -> SessionRow:
    """Make a session token for the account. Raises WrongCredentials, as late for an unknown e-mail as for a known."""
    rows = await pool.run(_find_password(), {"email": email})
    encoded = rows.text(0, 1) if rows else None
    if not await passwords.verify_password(password, encoded):
        raise WrongCredentials
    token = tokens.generate()
    parameters = {"id": rows.text(0, 0), **_token_parameters(token)}
    try:
        return _session(token, await pool.run(_login(), parameters))
    except ConstraintViolated:  # the account was closed meanwhile: there is no user for the token
        raise WrongCredentials from None


def _session(token: str, rows: Rows) -> SessionRow:
    return SessionRow(token, rows.text(0, 1), rows.bytes(0, 0))


# --- The account itself ---------------------------------------------------------------------------


def _me() -> str:
    return statements.select(User.objects.filter(id=CurrentUser()).values(*USER_FIELDS))


@lru_cache
def _get_me() -> Statement:
    return _fenced(statements.as_json(_me(), User, USER_FIELDS), repeatable=True)


async def get_me(credentials: Credentials) -> bytes:
    """Return the account as JSON."""
    return (await pool.run(_get_me(), {"token_digest": credentials.digest})).bytes(0, 0)


@lru_cache(maxsize=8)
def _patch_me(changed: frozenset[str]) -> Statement:
    own = User.objects.filter(id=CurrentUser())
    write = statements.update(own, statements.placeholders(sorted(changed)), USER_FIELDS)
    return _fenced(statements.written_as_json(write, User, USER_FIELDS))


async def patch_me(credentials: Credentials, me: MePatch) -> bytes:
    """Change the members that the patch names and return the account as JSON."""
    changes = {name: getattr(me, name) for name in me.model_fields_set}
    statement = _patch_me(frozenset(changes)) if changes else _get_me()
    return (await pool.run(statement, {"token_digest": credentials.digest, **changes})).bytes(0, 0)


# --- Tokens ---------------------------------------------------------------------------------------


def _live() -> "QuerySet[AccessToken]":
    return AccessToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), user=CurrentUser(), revoked_at=None)


@lru_cache
def _list_tokens() -> Statement:
    rows = statements.select(_live().order_by("-created_at", "-id").values(*TOKEN_FIELDS))
    return _fenced(statements.as_json(rows, AccessToken, TOKEN_FIELDS), repeatable=True)


async def list_tokens(credentials: Credentials) -> bytes:
    """Return the live tokens of the account as JSON, newest first."""
    rows = await pool.run(_list_tokens(), {"token_digest": credentials.digest})
    return b'{"items":[%b]}' % b",".join([rows.bytes(row, 0) for row in range(len(rows))])


@lru_cache
def _current_token() -> Statement:
    rows = statements.select(_live().filter(id=CurrentToken()).values(*TOKEN_FIELDS))
    return _fenced(statements.as_json(rows, AccessToken, TOKEN_FIELDS), scope=None, repeatable=True)


async def current_token(credentials: Credentials) -> bytes:
    """Return the token in use as JSON."""
    return (await pool.run(_current_token(), {"token_digest": credentials.digest})).bytes(0, 0)


@lru_cache
def _create_token() -> Statement:
    # Nothing is inserted where the token in use does not hold every scope of the new one.
    held = statements.select(AccessToken.objects.filter(id=CurrentToken()).values("scopes"))
    values = {name: sql.Placeholder(f"new_{name}") for name in _NEW_TOKEN} | {"user": statements.CURRENT_USER}
    write = statements.insert(
        AccessToken, values, TOKEN_FIELDS, condition=f"%(new_scopes)s::varchar[] <@ ({held})::varchar[]"
    )
    return _fenced(statements.written_as_json(write, AccessToken, TOKEN_FIELDS))


async def create_token(credentials: Credentials, new: TokenCreate) -> tuple[str, bytes]:
    """Make a personal token; return the token, shown once, and the rest as JSON. Raises ScopeNotHeld."""
    token = tokens.generate()
    parameters = {
        "token_digest": credentials.digest,
        "new_id": uuid7(),
        "new_kind": AccessToken.Kind.PERSONAL.value,
        "new_name": new.name,
        "new_digest": tokens.digest(token),
        "new_scopes": [scope.value for scope in dict.fromkeys(new.scopes)],
        "new_expires_at": new.expires_at,
    }
    rows = await pool.run(_create_token(), parameters)
    if not rows:
        held: list[str] = json.loads(await current_token(credentials))["scopes"]
        raise ScopeNotHeld([scope.value for scope in new.scopes], held)
    return token, rows.bytes(0, 0)


@lru_cache
def _revoke() -> Statement:
    write = statements.update(_live().filter(id=Parameter("id")), {"revoked_at": _NOW}, ["id"])
    return _fenced(write)


async def revoke_token(credentials: Credentials, token_id: UUID) -> None:
    """End a token of the account at once, on every process. Raises TokenNotFound."""
    if not await pool.run(_revoke(), {"token_digest": credentials.digest, "id": token_id}):
        raise TokenNotFound


@lru_cache
def _logout() -> Statement:
    write = statements.update(_live().filter(id=CurrentToken()), {"revoked_at": _NOW}, ["id"])
    return _fenced(write, scope=None)


async def logout(credentials: Credentials) -> None:
    """End the token in use, whatever its scopes."""
    await pool.run(_logout(), {"token_digest": credentials.digest})


@lru_cache
def _verify() -> Statement:
    return _fenced("SELECT 1", scope=None, repeatable=True)


async def verify(credentials: Credentials) -> None:
    """Check the token and nothing else. Raises InvalidToken."""
    await pool.run(_verify(), {"token_digest": credentials.digest})
