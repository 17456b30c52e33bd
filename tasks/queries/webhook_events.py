"""Events on their way to webhooks: what comes next at a hook, and what goes by itself.

As `webhook_claims`, behind nobody's token. The log of changes is followed by a position for each hook.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import models
from uuid_utils.compat import uuid7

from tasks.queries.feed import KINDS
from tasks.queries.webhook_claims import BATCH, Lease, Queued
from todoproject.database.client import sql
from todoproject.database.client.pool import pool
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import Rows, Statement

# Of the log at a time: what a hook does not want is passed over.
_SCANNED = 200
OVERLAP = "interval '1 day'"  # in which the secret before signs, too
_WANTS = "(kind || '.' || event = ANY (hook.events) OR kind || '.*' = ANY (hook.events))"


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


class Batch(NamedTuple):
    """What comes next at a hook: some events, and the number up to which there is no other that it wants."""

    target: Target
    events: list[Event]
    reached: int
    has_more: bool


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
def _next_events() -> Statement:
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
               SELECT * FROM behind WHERE event <> 'respaced' AND {_WANTS}
                ORDER BY change_no LIMIT {BATCH}) AS event ON true
          LEFT JOIN LATERAL ({_documents()}) AS thing ON true
         ORDER BY event.change_no
        """,  # noqa: S608 -- composed of our own statements
        repeatable=True,
    )


async def next_events(lease: Lease) -> Batch | None:
    """Return what comes next at a hook; None where it is not ours to deliver to any more."""
    rows = await pool.execute(_next_events(), {"hook": lease.hook, "lease": lease.number, "user": lease.user})
    if not rows:
        return None
    if rows.value(0, 7) is None:
        return Batch(_target(rows, 0), [], int(rows.text(0, 3)), rows.text(0, 4) == "t")
    # What was tried before is the first of them.
    events = [_event(rows, 0, int(rows.text(0, 5)), rows.value(0, 6))]
    events += [_event(rows, row, 0, None) for row in range(1, len(rows))]
    if len(events) == BATCH and events[-1].change_no is not None:
        return Batch(_target(rows, 0), events, events[-1].change_no, has_more=True)
    return Batch(_target(rows, 0), events, int(rows.text(0, 3)), rows.text(0, 4) == "t")


@lru_cache
def _queued() -> Statement:
    """Read deliveries by themselves; a test has no change, and one whose change is not in the log any more neither."""
    return Statement.unfenced(
        f"""
        SELECT {_TARGET}, delivery.change_no IS NOT NULL, delivery.type, NULL, NULL,
               event.change_no, event.kind || '.' || event.event, {_AT}, event.kind, event.entity_id, {_CHANGED},
               thing.document, to_char(delivery.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               delivery.id
          FROM webhooks_deliveries AS delivery
          JOIN webhooks AS hook ON hook.user_id = delivery.user_id AND hook.id = delivery.webhook_id
          JOIN unnest(%(ids)s::uuid[], %(tries)s::integer[]) AS held (id, tries)
            ON delivery.id = held.id AND delivery.tries = held.tries
          LEFT JOIN changes AS event ON event.user_id = delivery.user_id AND event.change_no = delivery.change_no
          LEFT JOIN LATERAL ({_documents()}) AS thing ON true
         WHERE delivery.state IN ('queued', 'set_aside') AND delivery.user_id = %(user)s
           AND (hook.is_enabled OR delivery.change_no IS NULL)
        """,  # noqa: S608 -- composed of our own statements
        repeatable=True,
    )


async def queued(leased: Sequence[Queued]) -> dict[UUID, tuple[Target, Event | None]]:
    """Return deliveries of one owner by their ids; without an event where the log holds it no longer.

    What is not ours to deliver any more is left out.
    """
    values = {"ids": [one.id for one in leased], "tries": [one.tries for one in leased], "user": leased[0].user}
    rows = await pool.execute(_queued(), values)
    tries = {one.id: one.tries - 1 for one in leased}
    found: dict[UUID, tuple[Target, Event | None]] = {}
    for row in range(len(rows)):
        delivery = UUID(rows.text(row, 15))
        event = None
        if rows.text(row, 3) == "f":
            event = Event(None, rows.text(row, 4), rows.text(row, 14), "", None, [], b"null", tries[delivery], delivery)
        elif rows.value(row, 7) is not None:
            event = _event(rows, row, tries[delivery], str(delivery).encode())
        found[delivery] = _target(rows, row), event
    return found


def _target(rows: Rows, row: int) -> Target:
    secrets = [rows.value(row, 1), rows.value(row, 2)]
    return Target(rows.text(row, 0), [bytes.fromhex(secret.decode()) for secret in secrets if secret is not None])


def _event(rows: Rows, row: int, tries: int, delivery: bytes | None) -> Event:
    kind, changed = rows.text(row, 10), orjson.loads(rows.value(row, 12) or b"[]")
    return Event(
        change_no=int(rows.text(row, 7)),
        type=rows.text(row, 8),
        at=rows.text(row, 9),
        kind=kind,
        id=rows.text(row, 11),
        changed=[member for member in KINDS[kind].fields if member in changed],
        document=rows.value(row, 13) or b"null",
        tries=tries,
        delivery=uuid7() if delivery is None else UUID(delivery.decode()),
    )
