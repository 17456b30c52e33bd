"""When what is done once a day was done last, and who does it now. Behind nobody's token, as `webhook_claims`."""

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement

# Whoever was killed with a job in hand has it for so long. One that takes longer is done twice at once, and bears it.
LEASE_SECONDS = 3600

_NEXT = Statement.unfenced(
    """
    SELECT extract(epoch FROM greatest(max(ended_at) + %(every)s::integer * interval '1 second', max(leased_until))
                              - clock_timestamp())
      FROM background_jobs WHERE name = %(name)s
    """,
    repeatable=True,
)
_CLAIM = Statement.unfenced(
    f"""
    INSERT INTO background_jobs AS job (name, begun_at, leased_until)
    VALUES (%(name)s, statement_timestamp(), statement_timestamp() + interval '{LEASE_SECONDS} seconds')
        ON CONFLICT (name) DO UPDATE SET begun_at = EXCLUDED.begun_at, leased_until = EXCLUDED.leased_until
     WHERE coalesce(job.leased_until, '-infinity') <= statement_timestamp()
       AND coalesce(job.ended_at, '-infinity') <= statement_timestamp() - %(every)s::integer * interval '1 second'
    RETURNING name
    """,  # noqa: S608 -- ours
    writes=True,
)


async def next_due(name: str, every: int) -> float:
    """Return in how many seconds a job is due that is done so often, a number of seconds; 0 where it never was."""
    value = (await pool.execute(_NEXT, {"name": name, "every": every})).value(0, 0)
    return 0.0 if value is None else float(value)


async def claim(name: str, every: int) -> bool:
    """Take a job that is due; False where somebody else has it, or has done it since."""
    return bool(await pool.execute(_CLAIM, {"name": name, "every": every}))
