"""Calendars: secret addresses at which an app reads tasks (doors/calendar). Each is a token of a kind of its own.

Only the digest of the secret is kept. Whoever may make one holds the scope for tasks, too: the address gives them away.
"""

from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from psycopg import sql
from uuid_utils.compat import uuid7

from accounts import mails, tokens
from accounts.calendar_schemas import Calendar, CalendarCreate
from accounts.models import AccessToken, Scope
from accounts.problems import TokenNotFound, TokenRotated, TooManyCalendars
from accounts.queries.tokens import MAKERS_END, current_token, live, maker
from accounts.queries.unit import NOW
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import ACCOUNT_ROLE, Credentials, Rows, Statement
from todoproject.mail.outbox import outbox

if TYPE_CHECKING:
    from django.db.models import QuerySet

# At once, and in a day, ended ones counted too: each is told by mail.
MOST_CALENDARS, MOST_A_DAY = 50, 50
_KINDS = {"todo": AccessToken.Kind.TODOS, "event": AccessToken.Kind.EVENTS}
_COMPONENTS = {kind.value: component for component, kind in _KINDS.items()}
_FIELDS = tuple(name for name in Calendar.model_fields if name not in ("all", "as_"))
# Exact, since every write of tokens holds the owner's row.
_COUNT = "SELECT count(*) FROM access_tokens WHERE user_id = current_user_id() AND kind IN ('todos', 'events')"
_LIVE = f"({_COUNT} AND revoked_at IS NULL)"
_OF_TODAY = f"({_COUNT} AND created_at > statement_timestamp() - interval '1 day')"


class Made(NamedTuple):
    """A new calendar: its document, and its secret, shown this once."""

    document: bytes
    secret: str


def _fenced(query: str, *, repeatable: bool = False, writes: bool = False) -> Statement:
    scope = f"{Scope.ACCOUNT},{Scope.TASKS_READ}"
    return Statement.fenced(query, scope=scope, role=ACCOUNT_ROLE, repeatable=repeatable, writes=writes)


def _own() -> "QuerySet[AccessToken]":
    return live().filter(kind__in=_COMPONENTS)


@lru_cache
def _list() -> Statement:
    rows = statements.select(_own().order_by("-id").values(*_FIELDS, "kind"))
    return _fenced(statements.as_json(rows, AccessToken, _FIELDS, ["kind"]), repeatable=True)


async def list_all(work: Work, credentials: Credentials) -> bytes:
    """Return the calendars of the account as JSON, newest first."""
    rows = await work.execute(_list(), credentials=credentials)
    return b'{"items":[%b]}' % b",".join([_document(rows, row) for row in range(len(rows))])


def _document(rows: Rows, row: int) -> bytes:
    document, component = rows.bytes(row, 0), _COMPONENTS[rows.text(row, 1)]
    is_all = b"true" if b'"list_id":null' in document else b"false"
    return b'%b,"all":%b,"as":"%b"}' % (document[:-1], is_all, component.encode())


@lru_cache
def _create() -> Statement:
    names = ("id", "kind", "name", "digest", "list_id")
    values = statements.placeholders(names) | {
        "user": statements.CURRENT_USER,
        "scopes": sql.SQL("ARRAY['tasks:read']::varchar[]"),
        "expires_at": sql.SQL(MAKERS_END),
    }
    write = statements.insert(
        AccessToken,
        values,
        [*_FIELDS, "kind"],
        condition=f"EXISTS (SELECT FROM maker) AND {_LIVE} < {MOST_CALENDARS} AND {_OF_TODAY} < {MOST_A_DAY}",
    )
    document = statements.as_json("SELECT * FROM new", AccessToken, _FIELDS, ["kind"])
    owner = "(SELECT email FROM users WHERE id = current_user_id())"
    return _fenced(
        f"WITH {maker()}, new AS ({write}) SELECT made.*, {owner}, current_user_id() FROM ({document}) AS made",  # noqa: S608 -- ours
        writes=True,
    )


async def create(work: Work, credentials: Credentials, new: CalendarCreate) -> Made:
    """Make a calendar, and tell the account by mail.

    One that is made by a personal token ends with that. Raises TokenRotated, TooManyCalendars.
    """
    secret = tokens.generate()
    values = {
        "id": uuid7(),
        "kind": _KINDS[new.as_].value,
        "name": new.name,
        "digest": tokens.digest(secret),
        "list_id": new.list_id,
    }
    rows = await work.execute(_create(), values, credentials)
    if not rows:
        is_replaced = b'"rotated_at":null' not in await current_token(work, credentials)
        raise TokenRotated if is_replaced else TooManyCalendars
    work.on_commit(partial(outbox.post, mails.calendar_made(rows.text(0, 2), new.name, rows.text(0, 3))))
    return Made(_document(rows, 0), secret)


@lru_cache
def _revoke() -> Statement:
    return _fenced(statements.update(_own().filter(id=Parameter("id")), {"revoked_at": NOW}, ["id"]), writes=True)


async def revoke(work: Work, credentials: Credentials, calendar_id: UUID) -> None:
    """End a calendar's address at once, on every process. Raises TokenNotFound."""
    if not await work.execute(_revoke(), {"id": calendar_id}, credentials):
        raise TokenNotFound
