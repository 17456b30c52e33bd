"""Events on their way to webhooks: who delivers which hook, what comes next at it, and what became of that.

All of it is behind nobody's token: the background process does it for everybody. The log of changes is followed by a
position for each hook, which moves only forward, and only with the number of the lease in hand: so any number of
processes may deliver, and any may be killed. No lock is held while a receiver is waited for.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import models
from uuid_utils.compat import uuid7

from tasks.queries.feed import KINDS
from todoproject.database.client import sql
from todoproject.database.client.pool import pool
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import Rows, Statement

# Three times what a request may take: whoever has it has ended by then, or will never come back.
LEASE_SECONDS = 30
# Of one account at a time: whose receivers hang must not hold all places.
MOST_OF_OWNER = 4
# Of the log at a time: what a hook does not want is passed over.
_SCANNED = 200
OVERLAP = "interval '1 day'"  # in which the secret before signs, too
_WANTS = "(kind || '.' || event = ANY (hook.events) OR kind || '.*' = ANY (hook.events))"


class Lease(NamedTuple):
    """A hook that is delivered to by whoever has this."""

    hook: UUID
    user: UUID
    number: int


class Event(NamedTuple):
    """What is to be sent, and how often it was tried before."""

    change_no: int | None  # None: a test
    type: str
    at: str  # RFC 3339, in UTC
    kind: str
    id: str | None
    changed: list[str]  # members
    document: bytes  # JSON: the thing as it is now, null if it is purged
    tries: int
    delivery: UUID


class Target(NamedTuple):
    """Where to send, and the sealed secrets to sign with."""

    url: str
    secrets: list[bytes]


class Step(NamedTuple):
    """What comes next at a hook: an event, or, without one, the number up to which there is none that it wants."""

    target: Target
    event: Event | None
    reached: int
    has_more: bool


class Queued(NamedTuple):
    """A delivery by itself, leased to whoever has this."""

    id: UUID
    user: UUID
    hook: UUID
    tries: int  # this one included


# --- Who delivers what ----------------------------------------------------------------------------

# `busy` holds the owner of each request that is under way.
_HAS_PLACE = f"place + cardinality(array_positions(%(busy)s::uuid[], user_id)) <= {MOST_OF_OWNER}"
# Of the hooks that have something behind their position, those that have waited for longest.
_CLAIM = Statement.unfenced(
    f"""
    UPDATE webhooks SET lease_no = lease_no + 1,
           leased_until = statement_timestamp() + interval '{LEASE_SECONDS} seconds'
     WHERE id IN (
           SELECT id FROM webhooks
            WHERE coalesce(leased_until, begun_at) <= statement_timestamp() AND id IN (
                  SELECT id FROM (
                      SELECT hook.id, hook.user_id,
                             coalesce(hook.next_try_at, hook.leased_until, hook.begun_at) AS since,
                             row_number() OVER (PARTITION BY hook.user_id ORDER BY coalesce(
                                 hook.next_try_at, hook.leased_until, hook.begun_at)) AS place
                        FROM webhooks AS hook JOIN users ON users.id = hook.user_id
                       WHERE hook.is_enabled AND users.is_active AND users.change_no > hook.position
                         AND coalesce(hook.next_try_at, hook.begun_at) <= statement_timestamp()
                         AND coalesce(hook.leased_until, hook.begun_at) <= statement_timestamp()) AS due
                   WHERE {_HAS_PLACE} ORDER BY since LIMIT %(most)s)
              FOR UPDATE SKIP LOCKED)
    RETURNING id, user_id, lease_no
    """,  # noqa: S608 -- ours
    writes=True,
)
_CLAIM_QUEUED = Statement.unfenced(
    f"""
    UPDATE webhooks_deliveries SET tries = tries + 1,
           next_try_at = statement_timestamp() + interval '{LEASE_SECONDS} seconds'
     WHERE id IN (
           SELECT id FROM webhooks_deliveries
            WHERE next_try_at <= statement_timestamp() AND id IN (
                  SELECT id FROM (
                      SELECT delivery.id, user_id, next_try_at,
                             row_number() OVER (PARTITION BY user_id ORDER BY next_try_at, delivery.id) AS place
                        FROM webhooks_deliveries AS delivery JOIN users ON users.id = user_id
                       WHERE state IN ('queued', 'set_aside') AND next_try_at <= statement_timestamp()
                         AND is_active) AS due
                   WHERE {_HAS_PLACE} ORDER BY next_try_at LIMIT %(most)s)
              FOR UPDATE SKIP LOCKED)
    RETURNING id, user_id, webhook_id, tries
    """,  # noqa: S608 -- ours
    writes=True,
)
_NEXT = Statement.unfenced(
    """
    SELECT extract(epoch FROM least(
        (SELECT min(greatest(coalesce(hook.next_try_at, hook.begun_at), coalesce(hook.leased_until, hook.begun_at)))
           FROM webhooks AS hook JOIN users ON users.id = hook.user_id
          WHERE hook.is_enabled AND users.is_active AND users.change_no > hook.position),
        (SELECT min(next_try_at) FROM webhooks_deliveries JOIN users ON users.id = user_id
          WHERE state IN ('queued', 'set_aside') AND is_active)
        ) - clock_timestamp())
    """,
    repeatable=True,
)


async def claim(most: int, busy: Collection[UUID]) -> list[Lease]:
    """Lease up to so many hooks that have something behind their position; of an owner, with these, a few at a time."""
    rows = await pool.execute(_CLAIM, {"most": most, "busy": list(busy)})
    return [Lease(UUID(rows.text(row, 0)), UUID(rows.text(row, 1)), int(rows.text(row, 2))) for row in range(len(rows))]


async def claim_queued(most: int, busy: Collection[UUID]) -> list[Queued]:
    """Lease up to so many deliveries that go by themselves; of an owner, with these, a few at a time."""
    rows = await pool.execute(_CLAIM_QUEUED, {"most": most, "busy": list(busy)})
    found = []
    for row in range(len(rows)):
        delivery, owner, hook = (UUID(rows.text(row, column)) for column in range(3))
        found.append(Queued(delivery, owner, hook, int(rows.text(row, 3))))
    return found


async def next_due() -> float | None:
    """Return in how many seconds there is something to deliver; negative where it is late, None where there is none."""
    value = (await pool.execute(_NEXT)).value(0, 0)
    return None if value is None else float(value)


# --- What comes next ------------------------------------------------------------------------------


def _documents() -> str:
    """Return the thing that `event` is about, as JSON, from the tables of all kinds."""
    parts = []
    for kind, resource in KINDS.items():
        manager: models.Manager[Any] = resource.model._default_manager
        rows = sql.select(manager.filter(user=Parameter("user")))
        documents = sql.as_json(rows, resource.model, resource.fields, ["id"])
        parts.append(
            f"SELECT document FROM ({documents}) AS each (document, id)"  # noqa: S608 -- composed of our own statements
            f" WHERE id = event.entity_id AND event.kind = '{kind}'"
        )
    return " UNION ALL ".join(parts)


_AT = """to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_CHANGED = "(SELECT json_agg(key ORDER BY key) FROM jsonb_object_keys(event.before) AS key)"
_TARGET = f"""
    hook.url, encode(hook.secret, 'hex'),
    CASE WHEN hook.rotated_at > statement_timestamp() - {OVERLAP} THEN encode(hook.old_secret, 'hex') END
"""


@lru_cache
def _step() -> Statement:
    """Read what comes next, with the hook as it is: one that was deleted or disabled meanwhile gives no row."""
    return Statement.unfenced(
        f"""
        WITH hook AS MATERIALIZED (
            SELECT webhooks.*, users.change_no AS last FROM webhooks JOIN users ON users.id = webhooks.user_id
             WHERE webhooks.id = %(hook)s AND lease_no = %(lease)s AND is_enabled AND users.is_active),
        behind AS MATERIALIZED (
            SELECT * FROM changes WHERE user_id = %(user)s AND change_no > (SELECT position FROM hook)
             ORDER BY change_no LIMIT {_SCANNED})
        SELECT {_TARGET},
               CASE WHEN scanned.count = {_SCANNED} THEN scanned.last ELSE hook.last END,
               scanned.count = {_SCANNED}, hook.tries, hook.delivery_id,
               event.change_no, event.kind || '.' || event.event, {_AT}, event.kind, event.entity_id, {_CHANGED},
               thing.document
          FROM hook CROSS JOIN (SELECT count(*) AS count, max(change_no) AS last FROM behind) AS scanned
          LEFT JOIN LATERAL (
               SELECT * FROM behind WHERE event <> 'respaced' AND {_WANTS} ORDER BY change_no LIMIT 1) AS event ON true
          LEFT JOIN LATERAL ({_documents()}) AS thing ON true
        """,  # noqa: S608 -- composed of our own statements
        repeatable=True,
    )


async def step(lease: Lease) -> Step | None:
    """Return what comes next at a hook; None where it is not ours to deliver to any more."""
    rows = await pool.execute(_step(), {"hook": lease.hook, "lease": lease.number, "user": lease.user})
    if not rows:
        return None
    event = None if rows.value(0, 7) is None else _event(rows, int(rows.text(0, 5)), rows.value(0, 6))
    return Step(_target(rows), event, int(rows.text(0, 3)), rows.text(0, 4) == "t")


@lru_cache
def _queued() -> Statement:
    """Read a delivery by itself; a test has no change, and one whose change is not in the log any more neither."""
    return Statement.unfenced(
        f"""
        SELECT {_TARGET}, delivery.change_no IS NOT NULL, delivery.type, NULL, NULL,
               event.change_no, event.kind || '.' || event.event, {_AT}, event.kind, event.entity_id, {_CHANGED},
               thing.document, to_char(delivery.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
          FROM webhooks_deliveries AS delivery
          JOIN webhooks AS hook ON hook.user_id = delivery.user_id AND hook.id = delivery.webhook_id
          LEFT JOIN changes AS event ON event.user_id = delivery.user_id AND event.change_no = delivery.change_no
          LEFT JOIN LATERAL ({_documents()}) AS thing ON true
         WHERE delivery.id = %(id)s AND delivery.tries = %(tries)s AND delivery.state IN ('queued', 'set_aside')
           AND delivery.user_id = %(user)s AND (hook.is_enabled OR delivery.change_no IS NULL)
        """,  # noqa: S608 -- composed of our own statements
        repeatable=True,
    )


async def queued(leased: Queued) -> tuple[Target, Event | None] | None:
    """Return a delivery by itself; without an event where the log holds it no longer, None where it is not ours."""
    values = {"id": leased.id, "tries": leased.tries, "user": leased.user}
    rows = await pool.execute(_queued(), values)
    if not rows:
        return None
    tries = leased.tries - 1
    if rows.text(0, 3) == "f":
        test = Event(None, rows.text(0, 4), rows.text(0, 14), "", None, [], b"null", tries, leased.id)
        return _target(rows), test
    event = None if rows.value(0, 7) is None else _event(rows, tries, str(leased.id).encode())
    return _target(rows), event


def _target(rows: Rows) -> Target:
    secrets = [rows.value(0, 1), rows.value(0, 2)]
    return Target(rows.text(0, 0), [bytes.fromhex(secret.decode()) for secret in secrets if secret is not None])


def _event(rows: Rows, tries: int, delivery: bytes | None) -> Event:
    kind, changed = rows.text(0, 10), orjson.loads(rows.value(0, 12) or b"[]")
    return Event(
        change_no=int(rows.text(0, 7)),
        type=rows.text(0, 8),
        at=rows.text(0, 9),
        kind=kind,
        id=rows.text(0, 11),
        changed=[member for member in KINDS[kind].fields if member in changed],
        document=rows.value(0, 13) or b"null",
        tries=tries,
        delivery=uuid7() if delivery is None else UUID(delivery.decode()),
    )
