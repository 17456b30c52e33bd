"""Tickets: a browser's EventSource sends no header, and a token must never stand in a URL.

A ticket stands for the token that asked for it: it opens one stream, once, within a minute. Only its digest is kept.
"""

import hashlib
import secrets
from functools import lru_cache
from typing import NamedTuple

from accounts.models import Scope
from accounts.queries.unit import fenced
from todoproject.database.client.pool import Work, pool
from todoproject.database.client.statement import Credentials, Statement

LIFETIME_SECONDS = 60


class InvalidTicket(Exception):
    """The ticket is not ours, was used, or is too old."""


class Ticket(NamedTuple):
    """A new ticket, as it is answered."""

    ticket: str
    expires_at: str


@lru_cache
def _make() -> Statement:
    query = f"""
        INSERT INTO stream_tickets (digest, user_id, token_id, expires_at)
        VALUES (%(digest)s, current_user_id(), current_token_id(),
                statement_timestamp() + interval '{LIFETIME_SECONDS} seconds')
        RETURNING to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    """  # noqa: S608 -- ours
    return fenced(query, Scope.TASKS_READ, writes=True)


# Gone with its use, whoever uses it and whether or not it is still good. By the owner of the tables: whose it is, only
# the row tells.
_USE = Statement.unfenced(
    """
    WITH used AS (DELETE FROM stream_tickets WHERE digest = %(digest)s RETURNING token_id, expires_at)
    SELECT encode(token.digest, 'hex') FROM used JOIN access_tokens AS token ON token.id = used.token_id
     WHERE used.expires_at > statement_timestamp()
    """,
    writes=True,
)


async def make(work: Work, credentials: Credentials) -> Ticket:
    """Make a ticket for the token in use."""
    secret = secrets.token_urlsafe(32)
    rows = await work.execute(_make(), {"digest": _digest(secret)}, credentials)
    return Ticket(secret, rows.text(0, 0))


async def use(secret: str) -> Credentials:
    """Return what the token behind a ticket proves, and end the ticket. Raises InvalidTicket."""
    rows = await pool.execute(_USE, {"digest": _digest(secret)})
    if not rows:
        raise InvalidTicket
    return Credentials(bytes.fromhex(rows.text(0, 0)))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
