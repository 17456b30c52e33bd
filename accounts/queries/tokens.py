"""Personal access tokens: list, make, rotate, revoke."""

import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts import tokens
from accounts.models import AccessToken
from accounts.problems import OutlivesMaker, ScopeNotHeld, TokenNotFound, TokenRotated, TooManyTokens
from accounts.queries.unit import NEW_TOKEN, NOW, TOKEN_FIELDS, fenced
from accounts.schemas import LAST_EXPIRY, TokenCreate
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.sql import CurrentToken, CurrentUser, Parameter
from todoproject.database.client.statement import Credentials, Statement
from todoproject.database.errors import InvalidToken

# Of personal tokens and of addresses for other clients, without a successor, far beyond what people make; and of all
# that live, those in their overlap and logins too. Whoever has a token must not fill the table with it.
MOST_PERSONAL, MOST_ALIVE = 100, 300
PERSONAL = "kind IN ('personal', 'backend') AND rotated_at IS NULL"
# Calendars have a path of their own.
_SHOWN = (AccessToken.Kind.SESSION, AccessToken.Kind.PERSONAL, AccessToken.Kind.BACKEND)


def live() -> "QuerySet[AccessToken]":
    """Return the account's tokens that are neither revoked nor expired."""
    return AccessToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), user=CurrentUser(), revoked_at=None)


def _shown() -> "QuerySet[AccessToken]":
    return live().filter(kind__in=_SHOWN)


@lru_cache
def _list_tokens() -> Statement:
    rows = statements.select(_shown().order_by("-created_at", "-id").values(*TOKEN_FIELDS))
    return fenced(statements.as_json(rows, AccessToken, TOKEN_FIELDS), repeatable=True)


async def list_tokens(work: Work, credentials: Credentials) -> bytes:
    """Return the live tokens of the account as JSON, newest first."""
    rows = await work.execute(_list_tokens(), credentials=credentials)
    return b'{"items":[%b]}' % b",".join([rows.bytes(row, 0) for row in range(len(rows))])


@lru_cache
def _current_token() -> Statement:
    rows = statements.select(live().filter(id=CurrentToken()).values(*TOKEN_FIELDS))
    return fenced(statements.as_json(rows, AccessToken, TOKEN_FIELDS), scope=None, repeatable=True)


async def current_token(work: Work, credentials: Credentials) -> bytes:
    """Return the token in use as JSON. Raises InvalidToken where it has ended since it was checked, a moment ago."""
    rows = await work.execute(_current_token(), credentials=credentials)
    if not rows:
        raise InvalidToken
    return rows.bytes(0, 0)


def maker() -> str:
    """Return the token in use as the CTE `maker`, unless it has a successor: then it makes nothing any more.

    Locked until the new token is there: whoever ends this one must find that one too.
    """
    current = live().filter(id=CurrentToken(), rotated_at=None).values("kind", "scopes", "expires_at")
    return f"maker AS ({statements.select(current)} FOR SHARE)"


# A login may make what lives longer than itself: somebody has given a password for it, and it is how they begin.
MAKERS_END = "(SELECT expires_at FROM maker WHERE kind = 'personal')"


def _room(most: int, condition: str) -> str:
    # Exact, since every write of tokens holds the owner's row.
    alive = statements.select(live().values("id"))
    return f"(SELECT count(*) FROM ({alive} AND {condition}) AS alive) < {most}"  # noqa: S608 -- ours


@lru_cache
def _create_token() -> Statement:
    # Nothing is inserted where the token in use is not up to it; see _why_not_created.
    end = sql.SQL(f"least(%(new_expires_at)s, {MAKERS_END})")
    values = {name: sql.Placeholder(f"new_{name}") for name in (*NEW_TOKEN, "list_id")}
    write = statements.insert(
        AccessToken,
        values | {"user": statements.CURRENT_USER, "expires_at": end},
        TOKEN_FIELDS,
        condition="%(new_scopes)s::varchar[] <@ (SELECT scopes FROM maker)::varchar[]"  # noqa: S608 -- ours
        f" AND (%(new_expires_at)s <= {MAKERS_END}) IS NOT FALSE"
        f" AND {_room(MOST_PERSONAL, PERSONAL)}",
    )
    document = statements.as_json("SELECT * FROM new", AccessToken, TOKEN_FIELDS)
    return fenced(f"WITH {maker()}, new AS ({write}) {document}", writes=True)


async def create_token(work: Work, credentials: Credentials, new: TokenCreate) -> tuple[str, bytes]:
    """Make a personal token, or an address for other clients; return the token, shown once, and the rest as JSON.

    One without an end that is made by a personal token ends with that. Raises TokenRotated, ScopeNotHeld,
    OutlivesMaker, TooManyTokens.
    """
    token = tokens.generate()
    parameters = {
        "new_id": uuid7(),
        "new_kind": new.kind,
        "new_name": new.name,
        "new_digest": tokens.digest(token),
        "new_scopes": [scope.value for scope in dict.fromkeys(new.scopes)],
        "new_expires_at": new.expires_at,
        "new_list_id": new.list_id,
    }
    rows = await work.execute(_create_token(), parameters, credentials)
    if not rows:
        raise _why_not_created(new, json.loads(await current_token(work, credentials)))
    return token, rows.bytes(0, 0)


def _why_not_created(new: TokenCreate, maker: dict[str, Any]) -> Exception:
    if maker["rotated_at"] is not None:
        return TokenRotated()
    if not set(new.scopes) <= set(maker["scopes"]):
        return ScopeNotHeld([scope.value for scope in new.scopes], maker["scopes"])
    end = maker["expires_at"]
    if maker["kind"] == "personal" and new.expires_at and end and new.expires_at > datetime.fromisoformat(end):
        return OutlivesMaker()
    return TooManyTokens()


_COPIED = ("id", "kind", "name", "scopes", "created_at", "expires_at", "list_id")
# As long as its predecessor was to live, but to no date that Python could not read.
_SAME_LIFETIME = sql.SQL(
    "(SELECT CASE WHEN expires_at IS NOT NULL"
    " THEN least(statement_timestamp() + (expires_at - created_at), {}) END FROM old)"
).format(sql.Literal(LAST_EXPIRY))
# Who holds a token must not be able to keep it alive for ever: only a login renews, and only personal tokens.
_NEW_END = sql.SQL(
    "least({}, (SELECT maker.expires_at FROM maker, old WHERE maker.kind = 'personal' OR old.kind = 'session'))"
).format(_SAME_LIFETIME)
_END_OF_OVERLAP = sql.SQL("least(expires_at, statement_timestamp() + %(overlap)s)")


@lru_cache
def _rotate() -> Statement:
    """Give a token a successor and, when the overlap is over at the latest, its end."""
    chosen = _shown().filter(id=Parameter("id"), rotated_at=None).values(*_COPIED)
    # A login can do more than it says: what it makes may outlive it. So only a login rotates one.
    fits = "scopes <@ (SELECT scopes FROM maker) AND (kind <> 'session' OR (SELECT kind FROM maker) = 'session')"
    old = f"{statements.select(chosen)} AND {fits} AND {_room(MOST_ALIVE, 'true')} FOR UPDATE"
    cut = AccessToken.objects.filter(id=RawSQL("SELECT id FROM old", ()))
    values = {
        "id": sql.Placeholder("new_id"),
        "digest": sql.Placeholder("new_digest"),
        "user": statements.CURRENT_USER,
        **{name: sql.SQL(f"(SELECT {name} FROM old)") for name in ("kind", "name", "scopes", "list_id")},  # noqa: S608 -- ours
        "expires_at": _NEW_END,
    }
    new = statements.insert(AccessToken, values, TOKEN_FIELDS, condition="EXISTS (SELECT FROM old)")
    ended = statements.update(cut, {"rotated_at": NOW, "expires_at": _END_OF_OVERLAP}, ["id"])
    document = statements.as_json("SELECT * FROM new", AccessToken, TOKEN_FIELDS)
    return fenced(f"WITH {maker()}, old AS ({old}), ended AS ({ended}), new AS ({new}) {document}", writes=True)


async def rotate_token(work: Work, credentials: Credentials, token_id: UUID) -> tuple[str, bytes]:
    """Make a token like this one, which then lives on for the overlap; return the new one as `create_token` does.

    Raises TokenNotFound, TokenRotated (of either), TooManyTokens, and ScopeNotHeld where the token can do more than the
    one in use.
    """
    token = tokens.generate()
    parameters = {
        "id": token_id,
        "new_id": uuid7(),
        "new_digest": tokens.digest(token),
        "overlap": timedelta(seconds=settings.TOKEN_ROTATION_OVERLAP),
    }
    rows = await work.execute(_rotate(), parameters, credentials)
    if not rows:
        raise await _why_not_rotated(work, credentials, token_id)
    return token, rows.bytes(0, 0)


@lru_cache
def _get_token() -> Statement:
    rows = statements.select(_shown().filter(id=Parameter("id")).values(*TOKEN_FIELDS))
    return fenced(statements.as_json(rows, AccessToken, TOKEN_FIELDS), repeatable=True)


async def _why_not_rotated(work: Work, credentials: Credentials, token_id: UUID) -> Exception:
    rows = await work.execute(_get_token(), {"id": token_id}, credentials)
    if not rows:
        return TokenNotFound()
    token, maker = json.loads(rows.bytes(0, 0)), json.loads(await current_token(work, credentials))
    if token["rotated_at"] is not None or maker["rotated_at"] is not None:
        return TokenRotated()
    if set(token["scopes"]) <= set(maker["scopes"]) and (maker["kind"], token["kind"]) != ("personal", "session"):
        return TooManyTokens()
    return ScopeNotHeld(token["scopes"], maker["scopes"])


@lru_cache
def _revoke() -> Statement:
    return fenced(statements.update(_shown().filter(id=Parameter("id")), {"revoked_at": NOW}, ["id"]), writes=True)


async def revoke_token(work: Work, credentials: Credentials, token_id: UUID) -> None:
    """End a token of the account at once, on every process. Raises TokenNotFound."""
    if not await work.execute(_revoke(), {"id": token_id}, credentials):
        raise TokenNotFound
