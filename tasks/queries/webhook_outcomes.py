"""What became of events at webhooks: how far each hook has come, when what has failed is tried again, and when not.

As `webhook_claims`, behind nobody's token.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.queries.webhook_claims import LEASE_SECONDS, Lease, Queued
from tasks.queries.webhook_events import Event
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement

# After how many seconds an event that has failed is tried again. After four tries the hook goes on without it.
SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
TRIES_IN_ORDER = 4
# A hook that has had no success for so long is disabled.
PATIENCE = "interval '3 days'"


class Outcome(NamedTuple):
    """What came of a try."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def is_delivered(self) -> bool:
        return self.error is None and self.status is not None and 200 <= self.status < 300


# Where the receiver is gone (410), or has taken nothing for days, the hook is disabled. A test proves no failure.
_HEALTH = f"""
    failing_since = CASE WHEN %(delivered)s THEN NULL WHEN %(is_test)s THEN failing_since
                         ELSE coalesce(failing_since, statement_timestamp()) END,
    is_enabled = is_enabled AND (%(delivered)s OR %(is_test)s
        OR (%(status)s::integer IS DISTINCT FROM 410
            AND coalesce(failing_since, statement_timestamp()) > statement_timestamp() - {PATIENCE})),
    disabled_reason = CASE WHEN NOT is_enabled THEN disabled_reason WHEN %(delivered)s OR %(is_test)s THEN NULL
                           WHEN %(status)s::integer = 410 THEN 'gone' ELSE 'failing' END
"""
# `moves`: the event is through, at this hook's turn; else the hook waits for it, and its lease ends.
_NOTE = Statement.unfenced(
    f"""
    WITH hook AS (
        UPDATE webhooks
           SET position = CASE WHEN %(moves)s THEN %(change_no)s ELSE position END,
               tries = CASE WHEN %(moves)s THEN 0 ELSE tries + 1 END,
               delivery_id = CASE WHEN %(moves)s THEN NULL ELSE %(delivery)s::uuid END,
               next_try_at = CASE WHEN %(moves)s THEN NULL
                                  ELSE statement_timestamp() + %(wait)s * interval '1 second' END,
               leased_until = CASE WHEN %(moves)s THEN statement_timestamp() + interval '{LEASE_SECONDS} seconds' END,
               {_HEALTH}
         WHERE id = %(hook)s AND lease_no = %(lease)s AND position < %(change_no)s
        RETURNING id, user_id, is_enabled)
    INSERT INTO webhooks_deliveries
           (id, user_id, webhook_id, change_no, type, state, tries, status, error, duration_ms, tried_at, next_try_at)
    SELECT %(delivery)s::uuid, user_id, id, %(change_no)s, %(type)s::text,
           CASE WHEN is_enabled OR %(delivered)s THEN %(state)s::text ELSE 'failed' END,
           %(tries)s::integer, %(status)s::integer, %(error)s::text, %(duration_ms)s::integer, statement_timestamp(),
           CASE WHEN is_enabled AND NOT %(delivered)s THEN statement_timestamp() + %(wait)s * interval '1 second' END
      FROM hook
        ON CONFLICT (id) DO UPDATE
           SET state = EXCLUDED.state, tries = EXCLUDED.tries, status = EXCLUDED.status, error = EXCLUDED.error,
               duration_ms = EXCLUDED.duration_ms, tried_at = EXCLUDED.tried_at, next_try_at = EXCLUDED.next_try_at
    RETURNING (SELECT is_enabled FROM hook)
    """,  # noqa: S608 -- ours
    writes=True,
)
# Some that were delivered in their order.
_COLUMNS = "id, user_id, webhook_id, change_no, type, state, tries, status, duration_ms, tried_at"
_DELIVERED = """
    unnest(%(deliveries)s::uuid[], %(numbers)s::bigint[], %(types)s::text[], %(tries)s::integer[],
           %(statuses)s::integer[], %(durations)s::integer[]) AS done (id, change_no, type, tries, status, duration_ms)
"""
_ALSO = """
    ON CONFLICT (id) DO UPDATE
       SET state = EXCLUDED.state, tries = EXCLUDED.tries, status = EXCLUDED.status, error = NULL,
           duration_ms = EXCLUDED.duration_ms, tried_at = EXCLUDED.tried_at, next_try_at = NULL
"""
_NOTE_DELIVERED = Statement.unfenced(
    f"""
    WITH hook AS (
        UPDATE webhooks
           SET position = greatest(%(reached)s::bigint, %(last)s::bigint),
               tries = 0, delivery_id = NULL, next_try_at = NULL, failing_since = NULL,
               leased_until = statement_timestamp() + interval '1 second' * %(lasts)s::integer
         WHERE id = %(hook)s AND lease_no = %(lease)s AND position < %(first)s
        RETURNING id, user_id)
    INSERT INTO webhooks_deliveries ({_COLUMNS})
    SELECT done.id, user_id, hook.id, change_no, type, 'delivered', tries, status, duration_ms, statement_timestamp()
      FROM hook, {_DELIVERED}
    {_ALSO}
    RETURNING id
    """,  # noqa: S608 -- ours
    writes=True,
)
# The hook was disabled or changed meanwhile. They have reached its receiver all the same, and its owner may know.
_NOTE_LATE = Statement.unfenced(
    f"""
    WITH hook AS MATERIALIZED (SELECT id, user_id FROM webhooks WHERE id = %(hook)s FOR KEY SHARE)
    INSERT INTO webhooks_deliveries ({_COLUMNS})
    SELECT done.id, user_id, hook.id, change_no, type, 'delivered', tries, status, duration_ms, statement_timestamp()
      FROM hook, {_DELIVERED}
    {_ALSO}
    """,  # noqa: S608 -- ours
    writes=True,
)
# Where the hook goes elsewhere now, its old address has answered: that says nothing of the new one, which is tried when
# the lease has ended.
_NOTE_QUEUED = Statement.unfenced(
    f"""
    WITH hook AS (
        UPDATE webhooks SET {_HEALTH}
         WHERE id = %(hook)s AND user_id = %(user)s AND url = %(url)s
        RETURNING id, is_enabled)
    UPDATE webhooks_deliveries
       SET state = CASE WHEN hook.is_enabled OR %(delivered)s THEN %(state)s::text ELSE 'failed' END,
           status = %(status)s, error = %(error)s, duration_ms = %(duration_ms)s, tried_at = statement_timestamp(),
           next_try_at = CASE WHEN %(state)s = 'set_aside' AND hook.is_enabled
                              THEN statement_timestamp() + %(wait)s * interval '1 second' END
      FROM hook
     WHERE webhook_id = hook.id AND webhooks_deliveries.id = %(delivery)s AND webhooks_deliveries.tries = %(tries)s
       AND state IN ('queued', 'set_aside')
    """,  # noqa: S608 -- ours
    writes=True,
)
_NOTE_QUEUED_DELIVERED = Statement.unfenced(
    f"""
    WITH hook AS (
        UPDATE webhooks SET failing_since = NULL
         WHERE id = %(hook)s AND user_id = %(user)s AND url = %(url)s
        RETURNING id)
    UPDATE webhooks_deliveries
       SET state = 'delivered', status = done.status, error = NULL, duration_ms = done.duration_ms,
           tried_at = statement_timestamp(), next_try_at = NULL
      FROM hook, {_DELIVERED}
     WHERE webhook_id = hook.id AND webhooks_deliveries.id = done.id AND webhooks_deliveries.tries = done.tries
       AND state IN ('queued', 'set_aside')
    """,  # noqa: S608 -- ours
    writes=True,
)
# They were leased, and not tried.
_PUT_BACK = Statement.unfenced(
    """
    UPDATE webhooks_deliveries SET tries = webhooks_deliveries.tries - 1, next_try_at = statement_timestamp()
      FROM unnest(%(ids)s::uuid[], %(tries)s::integer[]) AS held (id, tries)
     WHERE webhooks_deliveries.id = held.id AND webhooks_deliveries.tries = held.tries
       AND state IN ('queued', 'set_aside')
    """,
    writes=True,
)
_GIVE_UP = Statement.unfenced(
    "UPDATE webhooks_deliveries SET state = 'failed', error = %(error)s, next_try_at = NULL"
    " WHERE id = %(id)s AND tries = %(tries)s AND state IN ('queued', 'set_aside')",
    writes=True,
    repeatable=True,
)
# The lease ends, and with it the right to note anything.
_PASS_OVER = Statement.unfenced(
    """
    UPDATE webhooks SET position = greatest(position, %(reached)s),
           leased_until = CASE WHEN %(ends)s THEN statement_timestamp() ELSE leased_until END
     WHERE id = %(hook)s AND lease_no = %(lease)s
    """,
    writes=True,
    repeatable=True,
)


def wait_after(tries: int) -> int | None:
    """Return after how many seconds an event that was tried so often is tried again; None: never."""
    return SCHEDULE[tries - 1] if tries <= len(SCHEDULE) else None


async def note(lease: Lease, event: Event, outcome: Outcome) -> bool:
    """Note what became of an event at its hook's turn; tell whether the hook goes on, and it is ours still."""
    tries = event.tries + 1
    is_over = outcome.is_delivered or tries >= TRIES_IN_ORDER
    state = "delivered" if outcome.is_delivered else "set_aside" if is_over else "retrying"
    values = {"hook": lease.hook, "lease": lease.number, "moves": is_over, **_values(event, outcome, state)}
    rows = await pool.execute(_NOTE, values)
    return bool(rows) and rows.text(0, 0) == "t" and is_over


Delivered = Sequence[tuple[Event, Outcome]]


async def note_delivered(lease: Lease, done: Delivered, reached: int, *, ends: bool) -> bool:
    """Note events that were delivered at their hook's turn; tell whether it is ours still.

    `reached` is how far there is nothing else that the hook wants, 0 where that is not known.
    `ends`: nothing else waits, and others may have the hook.
    """
    first, last = done[0][0].change_no, done[-1][0].change_no
    values = {"hook": lease.hook, "lease": lease.number, "first": first, "last": last, "reached": reached}
    values["lasts"] = 0 if ends else LEASE_SECONDS
    if await pool.execute(_NOTE_DELIVERED, values | _lists(done)):
        return True
    await pool.execute(_NOTE_LATE, {"hook": lease.hook} | _lists(done))
    return False


async def note_queued_delivered(leased: Queued, url: str, done: Delivered) -> None:
    """Note deliveries by themselves of one hook that have reached this URL."""
    await pool.execute(_NOTE_QUEUED_DELIVERED, {"hook": leased.hook, "user": leased.user, "url": url, **_lists(done)})


async def put_back(leased: Sequence[Queued]) -> None:
    """Let others have deliveries that were not tried."""
    await pool.execute(_PUT_BACK, {"ids": [one.id for one in leased], "tries": [one.tries for one in leased]})


async def note_queued(leased: Queued, url: str, event: Event, outcome: Outcome) -> None:
    """Note what became of a delivery by itself at this URL; a test is not repeated."""
    is_last = event.change_no is None or wait_after(leased.tries) is None
    state = "delivered" if outcome.is_delivered else "failed" if is_last else "set_aside"
    values = _values(event, outcome, state)
    await pool.execute(_NOTE_QUEUED, {"hook": leased.hook, "user": leased.user, "url": url, **values})


def _values(event: Event, outcome: Outcome, state: str) -> dict[str, object]:
    tries = event.tries + 1
    return {
        "change_no": event.change_no,
        "type": event.type,
        "delivery": event.delivery,
        "tries": tries,
        "wait": wait_after(tries) or 0,
        "state": state,
        "delivered": outcome.is_delivered,
        "is_test": event.change_no is None,
        "status": outcome.status,
        "error": outcome.error,
        "duration_ms": outcome.milliseconds,
    }


def _lists(done: Delivered) -> dict[str, object]:
    return {
        "deliveries": [event.delivery for event, _ in done],
        "numbers": [event.change_no for event, _ in done],
        "types": [event.type for event, _ in done],
        "tries": [event.tries + 1 for event, _ in done],
        "statuses": [outcome.status for _, outcome in done],
        "durations": [outcome.milliseconds for _, outcome in done],
    }


async def give_up(leased: Queued, why: str) -> None:
    """Note that a delivery is not tried any more."""
    await pool.execute(_GIVE_UP, {"id": leased.id, "tries": leased.tries, "error": why})


async def pass_over(lease: Lease, reached: int, *, ends: bool) -> None:
    """Move a hook on to where nothing that it wants has been found; `ends`: and let others have it."""
    await pool.execute(_PASS_OVER, {"hook": lease.hook, "lease": lease.number, "reached": reached, "ends": ends})
