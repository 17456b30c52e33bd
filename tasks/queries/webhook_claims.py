"""Who delivers to which webhook, and whether it may still be delivered to.

All of it is behind nobody's token: the background process does it for everybody. A hook's position moves only forward,
and only with the number of the lease in hand: so any number of processes may deliver, and any may be killed. No lock is
held while a receiver is waited for.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement

# Three times what a request may take: whoever has it has ended by then, or will never come back.
LEASE_SECONDS = 30
# The longest wait of a hook for its event's next try (`webhook_outcomes.SCHEDULE`).
LONGEST_WAIT_SECONDS = 1800
# Of one account at a time: whose receivers hang must not hold all places.
MOST_OF_OWNER = 4
# Events of one hook that are read at once, and noted at once when they are delivered.
BATCH = 20


class Lease(NamedTuple):
    """A hook that is delivered to by whoever has this."""

    hook: UUID
    user: UUID
    number: int
    is_troubled: bool  # its last try has failed, or took long


class Queued(NamedTuple):
    """A delivery by itself, leased to whoever has this."""

    id: UUID
    user: UUID
    hook: UUID
    tries: int  # this one included
    is_troubled: bool


class Room(NamedTuple):
    """What may be begun: how many hooks, how many of them in trouble, and what is under way already."""

    most: int
    most_troubled: int
    busy: Collection[UUID]  # the owner of each hook that is being delivered to
    slow: Collection[UUID]  # hooks that have answered, but took long

    @property
    def values(self) -> dict[str, object]:
        return {**self._asdict(), "busy": list(self.busy), "slow": list(self.slow)}


_HAS_PLACE = f"place + cardinality(array_positions(%(busy)s::uuid[], user_id)) <= {MOST_OF_OWNER}"
_IS_TROUBLED = "(hook.failing_since IS NOT NULL OR hook.id = ANY (%(slow)s::uuid[]))"
# Those in trouble have places of their own: however many owners' hooks hang, what goes well waits for none of them.
_HAS_ROOM = "nth <= CASE WHEN is_troubled THEN %(most_troubled)s::integer ELSE %(most)s::integer END"
# Leases and waits end by the database's clock. What ends later than any that can be taken now is of a clock that was
# ahead and was set back: it is over, else nothing would be delivered until the clock is where it was.
_CLOCK_SECONDS = 60  # that a clock may be set back unseen


def _over(column: str, longest: int) -> str:
    late = f"{column} > statement_timestamp() + interval '{longest + _CLOCK_SECONDS} seconds'"
    begun = "least(hook.begun_at, statement_timestamp())"
    return f"CASE WHEN {late} THEN statement_timestamp() ELSE coalesce({column}, {begun}) END"


_LEASE_OVER = _over("hook.leased_until", LEASE_SECONDS)
_WAIT_OVER = _over("hook.next_try_at", LONGEST_WAIT_SECONDS)
_SINCE = "coalesce(hook.next_try_at, hook.leased_until, hook.begun_at)"
# Of the hooks that have something behind their position, those that have waited for longest.
_CLAIM = Statement.unfenced(
    f"""
    WITH due AS MATERIALIZED (
        SELECT hook.id, hook.user_id, {_IS_TROUBLED} AS is_troubled, {_SINCE} AS since,
               row_number() OVER (PARTITION BY hook.user_id ORDER BY {_SINCE}) AS place
          FROM webhooks AS hook JOIN users ON users.id = hook.user_id
         WHERE hook.is_enabled AND users.is_active AND users.change_no > hook.position
           AND {_WAIT_OVER} <= statement_timestamp() AND {_LEASE_OVER} <= statement_timestamp()),
    ranked AS (
        SELECT *, row_number() OVER (PARTITION BY is_troubled ORDER BY since) AS nth FROM due WHERE {_HAS_PLACE}),
    chosen AS MATERIALIZED (
        SELECT * FROM ranked WHERE {_HAS_ROOM} ORDER BY is_troubled, since LIMIT %(most)s::integer)
    UPDATE webhooks SET lease_no = lease_no + 1,
           leased_until = statement_timestamp() + interval '{LEASE_SECONDS} seconds'
      FROM chosen
     WHERE webhooks.id = chosen.id AND webhooks.id IN (
           SELECT id FROM webhooks AS hook
            WHERE {_LEASE_OVER} <= statement_timestamp() AND id IN (SELECT id FROM chosen)
              FOR UPDATE SKIP LOCKED)
    RETURNING webhooks.id, webhooks.user_id, lease_no, chosen.is_troubled
    """,  # noqa: S608 -- ours
    writes=True,
)
# Some of each hook's at once: they have one place, and go one after the other.
_CLAIM_QUEUED = Statement.unfenced(
    f"""
    WITH waiting AS MATERIALIZED (
        SELECT delivery.id, delivery.user_id, webhook_id, delivery.next_try_at, {_IS_TROUBLED} AS is_troubled,
               row_number() OVER (PARTITION BY webhook_id ORDER BY delivery.next_try_at, delivery.id) AS turn
          FROM webhooks_deliveries AS delivery JOIN users ON users.id = delivery.user_id
          JOIN webhooks AS hook ON hook.user_id = delivery.user_id AND hook.id = webhook_id
         WHERE state IN ('queued', 'set_aside') AND delivery.next_try_at <= statement_timestamp()
           AND is_active),
    due AS (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY next_try_at, id) AS place
          FROM waiting WHERE turn = 1),
    ranked AS (
        SELECT *, row_number() OVER (PARTITION BY is_troubled ORDER BY next_try_at) AS nth FROM due WHERE {_HAS_PLACE}),
    chosen AS MATERIALIZED (
        SELECT * FROM ranked WHERE {_HAS_ROOM} ORDER BY is_troubled, next_try_at LIMIT %(most)s::integer)
    UPDATE webhooks_deliveries SET tries = tries + 1,
           next_try_at = statement_timestamp() + interval '{LEASE_SECONDS} seconds'
      FROM chosen
     WHERE webhooks_deliveries.webhook_id = chosen.webhook_id AND webhooks_deliveries.id IN (
           SELECT id FROM webhooks_deliveries
            WHERE next_try_at <= statement_timestamp() AND id IN (
                  SELECT waiting.id FROM waiting JOIN chosen USING (webhook_id) WHERE waiting.turn <= {BATCH})
              FOR UPDATE SKIP LOCKED)
    RETURNING webhooks_deliveries.id, webhooks_deliveries.user_id, webhooks_deliveries.webhook_id, tries,
              chosen.is_troubled
    """,  # noqa: S608 -- ours
    writes=True,
)
_NEXT = Statement.unfenced(
    f"""
    SELECT extract(epoch FROM least(
        (SELECT min(greatest({_WAIT_OVER}, {_LEASE_OVER}))
           FROM webhooks AS hook JOIN users ON users.id = hook.user_id
          WHERE hook.is_enabled AND users.is_active AND users.change_no > hook.position),
        (SELECT min(next_try_at) FROM webhooks_deliveries JOIN users ON users.id = user_id
          WHERE state IN ('queued', 'set_aside') AND is_active)
        ) - clock_timestamp())
    """,  # noqa: S608 -- ours
    repeatable=True,
)


async def claim(room: Room) -> list[Lease]:
    """Lease hooks that have something behind their position; of an owner, with those under way, a few at a time."""
    rows = await pool.execute(_CLAIM, room.values)
    found = []
    for row in range(len(rows)):
        hook, owner = (UUID(rows.text(row, column)) for column in range(2))
        found.append(Lease(hook, owner, int(rows.text(row, 2)), rows.text(row, 3) == "t"))
    return found


async def claim_queued(room: Room) -> list[list[Queued]]:
    """Lease deliveries that go by themselves, some of a hook at a time; of an owner as many hooks as above."""
    rows = await pool.execute(_CLAIM_QUEUED, room.values)
    found: dict[UUID, list[Queued]] = {}
    for row in range(len(rows)):
        delivery, owner, hook = (UUID(rows.text(row, column)) for column in range(3))
        queued = Queued(delivery, owner, hook, int(rows.text(row, 3)), rows.text(row, 4) == "t")
        found.setdefault(hook, []).append(queued)
    return [sorted(queued) for queued in found.values()]


async def next_due() -> float | None:
    """Return in how many seconds there is something to deliver; negative where it is late, None where there is none."""
    value = (await pool.execute(_NEXT)).value(0, 0)
    return None if value is None else float(value)


# What was read some moments ago may be nobody's to send any more: its hook was deleted, disabled, or goes elsewhere.
_HELD = Statement.unfenced(
    """
    SELECT webhooks.id, lease_no
      FROM webhooks JOIN users ON users.id = user_id
      JOIN unnest(%(hooks)s::uuid[], %(numbers)s::bigint[]) AS held (id, number)
        ON webhooks.id = held.id AND lease_no = held.number
     WHERE is_enabled AND is_active
    """,
    repeatable=True,
)
_WAITING = Statement.unfenced(
    """
    SELECT delivery.id, delivery.tries
      FROM webhooks_deliveries AS delivery JOIN users ON users.id = delivery.user_id
      JOIN webhooks AS hook ON hook.user_id = delivery.user_id AND hook.id = delivery.webhook_id
      JOIN unnest(%(ids)s::uuid[], %(tries)s::integer[], %(urls)s::text[]) AS held (id, tries, url)
        ON delivery.id = held.id AND delivery.tries = held.tries AND hook.url = held.url
     WHERE state IN ('queued', 'set_aside') AND (hook.is_enabled OR delivery.change_no IS NULL) AND is_active
    """,
    repeatable=True,
)


async def held(leases: Sequence[Lease]) -> set[Lease]:
    """Return those of these leases whose hooks may still be sent to."""
    values = {"hooks": [lease.hook for lease in leases], "numbers": [lease.number for lease in leases]}
    rows = await pool.execute(_HELD, values)
    found = {(rows.text(row, 0), int(rows.text(row, 1))) for row in range(len(rows))}
    return {lease for lease in leases if (str(lease.hook), lease.number) in found}


async def waiting(deliveries: Sequence[tuple[Queued, str]]) -> set[tuple[Queued, str]]:
    """Return those of these deliveries, each with the URL that it is to go to, that may still be sent there."""
    values = {
        "ids": [leased.id for leased, _ in deliveries],
        "tries": [leased.tries for leased, _ in deliveries],
        "urls": [url for _, url in deliveries],
    }
    rows = await pool.execute(_WAITING, values)
    found = {rows.text(row, 0) for row in range(len(rows))}
    return {(leased, url) for leased, url in deliveries if str(leased.id) in found}
