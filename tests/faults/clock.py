"""The database's clock set back by an hour, and later forth again: as if it had been ahead until now.

Who tells the time cannot be asked to lie, so it is the other way round: all moments that were noted are moved.
"""

from collections.abc import Sequence

import psycopg

from tests.faults.cluster import Cluster

# By itself and first: a statement that also locks would not see what was written while it waited.
_LOCK_OWNERS = "SELECT FROM todo.users WHERE id = ANY (%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
# What is moved of hooks and deliveries says who has them, and when they are tried again.
_MOVE = """
WITH users AS (UPDATE todo.users SET changed_at = changed_at + %(by)s::interval WHERE id = ANY (%(owners)s::uuid[])),
     hooks AS (UPDATE todo.webhooks
                  SET begun_at = begun_at + %(by)s::interval, leased_until = leased_until + %(by)s::interval,
                      next_try_at = next_try_at + %(by)s::interval, failing_since = failing_since + %(by)s::interval
                WHERE user_id = ANY (%(owners)s::uuid[])),
     deliveries AS (UPDATE todo.webhooks_deliveries
                       SET tried_at = tried_at + %(by)s::interval, next_try_at = next_try_at + %(by)s::interval
                     WHERE user_id = ANY (%(owners)s::uuid[])),
     held AS (UPDATE todo.reminders
                 SET fires_at = fires_at + %(by)s::interval, settled_at = settled_at + %(by)s::interval
               WHERE user_id = ANY (%(owners)s::uuid[]) AND (%(tasks)s::uuid[] IS NULL OR task_id = ANY (%(tasks)s))
              RETURNING task_id::text, settled_at IS NULL)
SELECT * FROM held
"""
_TRIES = 20


async def set_back(cluster: Cluster, owners: Sequence[str]) -> dict[str, bool]:
    """Set it back for these owners; return whose reminders were held, by task, and whether each is still to fire."""
    return await _move(cluster, owners, "1 hour", None)


async def set_forth(cluster: Cluster, owners: Sequence[str], tasks: Sequence[str]) -> None:
    """Set it forth again; `tasks` are those whose reminders were there when it was set back."""
    await _move(cluster, owners, "-1 hour", list(tasks))


async def _move(cluster: Cluster, owners: Sequence[str], by: str, tasks: Sequence[str] | None) -> dict[str, bool]:
    values = {"owners": list(owners), "by": by, "tasks": tasks}
    for _ in range(_TRIES):
        try:
            async with cluster.holding(_LOCK_OWNERS, [values["owners"]]) as session:
                return dict(await (await session.execute(_MOVE, values)).fetchall())
        except psycopg.errors.DeadlockDetected:  # with who delivers, who does not lock owners
            continue
    raise AssertionError("the clock cannot be set")
