"""The sessions of an account, which are the tokens of its logins: list them, end one, end all."""

from functools import lru_cache
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q

from accounts import audit
from accounts.audit import Origin
from accounts.models import AccessToken
from accounts.problems import TokenNotFound
from accounts.queries.tokens import live
from accounts.queries.unit import NOW, fenced
from accounts.schemas import ActiveSession
from todoproject.database.client import sql
from todoproject.database.client.pool import Work
from todoproject.database.client.sql import CurrentToken, Parameter
from todoproject.database.client.statement import Credentials, Statement

_FIELDS = tuple(name for name in ActiveSession.model_fields if name != "is_current")
_SESSION = AccessToken.Kind.SESSION


@lru_cache
def _list_sessions() -> Statement:
    is_current = ExpressionWrapper(Q(id=CurrentToken()), output_field=BooleanField())
    sessions = live().filter(kind=_SESSION).annotate(is_current=is_current).order_by("-id")
    rows = sql.select(sessions.values(*_FIELDS, "is_current"))
    return fenced(sql.as_json(rows, AccessToken, _FIELDS, ["is_current"]), repeatable=True)


async def list_sessions(work: Work, credentials: Credentials) -> bytes:
    """Return the live sessions of the account as JSON, newest first."""
    rows = await work.execute(_list_sessions(), credentials=credentials)
    words = {"t": b"true", "f": b"false"}
    sessions = [
        b'%b,"is_current":%b}' % (rows.bytes(row, 0)[:-1], words[rows.text(row, 1)]) for row in range(len(rows))
    ]
    return b'{"items":[%b]}' % b",".join(sessions)


@lru_cache
def _end_session() -> Statement:
    session = live().filter(id=Parameter("id"), kind=_SESSION)
    return fenced(sql.update(session, {"revoked_at": NOW}, ["id"]), writes=True)


async def end_session(work: Work, credentials: Credentials, session_id: UUID) -> None:
    """End a session of the account at once, on every process; it may be the one in use. Raises TokenNotFound."""
    if not await work.execute(_end_session(), {"id": session_id}, credentials):
        raise TokenNotFound


_LOGOUT_EVERYWHERE = fenced(
    "SELECT record_sign_out(%(event_id)s, %(request_id)s, %(address)s::inet), logout_everywhere(%(revoke_tokens)s)",
    writes=True,
)


async def logout_everywhere(work: Work, credentials: Credentials, origin: Origin, *, revoke_tokens: bool) -> None:
    """End all sessions, the one in use and the admin's too, with `revoke_tokens` all personal tokens."""
    parameters = {**origin.parameters(audit.SIGN_OUT), "revoke_tokens": revoke_tokens}
    await work.execute(_LOGOUT_EVERYWHERE, parameters, credentials)
