"""Reminders that are due: fired once each, noted as missed where that is too late, and their mails handed out.

All of it is behind nobody's token: the background process does it for everybody. It may be killed anywhere and run
twice at a time: a reminder is fired in the transaction that notes it, and a mail is leased to whoever sends it.
"""

from collections import Counter
from typing import NamedTuple
from uuid import UUID

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Rows, Statement

# Of one transaction: it holds the rows of that many owners at most, for some milliseconds.
MOST = 500  # reminders
# What is later than this nobody waits for any more.
LATEST = "interval '24 hours'"
# Longer than a mail server may take for a mail, so that whoever sends one has ended, or will never come back. Each try
# doubles it, up to an hour.
LEASE_SECONDS = 120
_LONGEST_LEASE_SECONDS = 3600

# Owners are locked before what is theirs, as everywhere, and in one order; who writes just now is left for later.
_LOCK_OWNERS = Statement.unfenced(
    f"""
    SELECT id FROM users
     WHERE id IN (SELECT user_id FROM (
               SELECT user_id FROM reminders WHERE settled_at IS NULL AND fires_at <= statement_timestamp()
                ORDER BY fires_at LIMIT {MOST}) AS due)
     ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    """  # noqa: S608 -- ours
)

# Sent after the locks, so it sees what their holders before us have done. The task is asked once more whether it has
# this reminder: then nothing but the lock has to be right. Its numbers follow the owner's last one.
_SETTLE = Statement.unfenced(
    f"""
    WITH due AS MATERIALIZED (
        SELECT held.user_id, held.task_id, held.reminder, held.fires_at, task.version,
               CASE WHEN task.is_completed OR task.deleted_at IS NOT NULL OR NOT EXISTS (
                        SELECT FROM reminders_of(task.reminders, task.due_at) AS present
                         WHERE present.reminder = held.reminder AND present.fires_at = held.fires_at) THEN 'dropped'
                    WHEN held.fires_at <= statement_timestamp() - {LATEST} THEN 'missed' ELSE 'fired' END AS outcome
          FROM reminders AS held JOIN tasks AS task ON task.user_id = held.user_id AND task.id = held.task_id
         WHERE held.user_id = ANY (%(owners)s::uuid[]) AND held.settled_at IS NULL
           AND held.fires_at <= statement_timestamp()
         ORDER BY held.fires_at LIMIT {MOST}),
    placed AS (
        SELECT due.*, row_number() OVER (PARTITION BY user_id ORDER BY fires_at, task_id, reminder) AS place
          FROM due WHERE outcome = 'fired'),
    numbered AS (
        UPDATE users
           SET change_no = change_no + added.numbers,
               changed_at = greatest(clock_timestamp(), changed_at + added.numbers * interval '1 microsecond')
          FROM (SELECT user_id, count(*) AS numbers FROM placed GROUP BY user_id) AS added
         WHERE users.id = added.user_id
        RETURNING id, change_no - added.numbers AS before, changed_at,
                  is_active AND reminder_mail AND email_verified_at IS NOT NULL AND %(mails)s::boolean AS is_mailed),
    fired AS (
        SELECT placed.*, before + place AS change_no, changed_at, is_mailed
          FROM placed JOIN numbered ON numbered.id = placed.user_id),
    logged AS (
        INSERT INTO changes
               (user_id, change_no, action, at, event, kind, entity_id, version, actor_kind, request_id)
        SELECT user_id, change_no, change_no, changed_at, 'reminder', 'task', task_id, version, 'system', ''
          FROM fired),
    dropped AS (
        DELETE FROM reminders USING due
         WHERE due.outcome = 'dropped'
           AND (reminders.user_id, reminders.task_id, reminders.fires_at, reminders.reminder)
               = (due.user_id, due.task_id, due.fires_at, due.reminder)),
    settled AS (
        UPDATE reminders
           SET settled_at = statement_timestamp(), change_no = fired.change_no,
               mail_at = CASE WHEN fired.is_mailed THEN statement_timestamp() END
          FROM due LEFT JOIN fired ON (fired.user_id, fired.task_id, fired.fires_at, fired.reminder)
                                      = (due.user_id, due.task_id, due.fires_at, due.reminder)
         WHERE due.outcome <> 'dropped'
           AND (reminders.user_id, reminders.task_id, reminders.fires_at, reminders.reminder)
               = (due.user_id, due.task_id, due.fires_at, due.reminder))
    SELECT due.user_id, due.task_id, due.outcome FROM due
    """,  # noqa: S608 -- ours
    writes=True,
)

# When there is something to do next, as the database's clock has it: nobody else's counts.
_NEXT = Statement.unfenced(
    "SELECT extract(epoch FROM min(fires_at) - clock_timestamp()) FROM reminders WHERE settled_at IS NULL",
    repeatable=True,
)
_NEXT_MAIL = Statement.unfenced(
    "SELECT extract(epoch FROM min(mail_at) - clock_timestamp()) FROM reminders WHERE mail_at IS NOT NULL",
    repeatable=True,
)

# The mail of whoever does not want it any more, or whose task needs no reminder now, is none. The number of tries is
# the lease: only who has the last one may note that the mail is sent.
_LEASE_MAIL = Statement.unfenced(
    f"""
    WITH due AS MATERIALIZED (
        SELECT user_id, task_id, fires_at, reminder FROM reminders WHERE mail_at <= statement_timestamp()
         ORDER BY mail_at LIMIT 1 FOR UPDATE SKIP LOCKED),
    wanted AS (
        SELECT due.*, email, title, due_at, due_on, timezone,
               is_active AND reminder_mail AND email_verified_at IS NOT NULL AND NOT is_completed AND deleted_at IS NULL
               AND due.fires_at > statement_timestamp() - {LATEST} AS is_wanted
          FROM due JOIN users ON users.id = due.user_id
          JOIN tasks ON tasks.user_id = due.user_id AND tasks.id = due.task_id)
    UPDATE reminders
       SET mail_tries = mail_tries + 1,
           mail_at = CASE WHEN is_wanted THEN statement_timestamp()
               + least({LEASE_SECONDS} * power(2, mail_tries), {_LONGEST_LEASE_SECONDS}) * interval '1 second' END
      FROM wanted
     WHERE (reminders.user_id, reminders.task_id, reminders.fires_at, reminders.reminder)
           = (wanted.user_id, wanted.task_id, wanted.fires_at, wanted.reminder)
    RETURNING reminders.user_id, reminders.task_id, reminders.fires_at, reminders.reminder, mail_tries, is_wanted,
              email, title, to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), timezone
    """,  # noqa: S608 -- ours
    writes=True,
)
_NOTE_MAIL = Statement.unfenced(
    """
    UPDATE reminders SET mail_at = NULL
     WHERE user_id = %(user_id)s AND task_id = %(task_id)s AND fires_at = %(fires_at)s AND reminder = %(reminder)s
       AND mail_tries = %(tries)s
    """,
    writes=True,
    repeatable=True,
)


class DueMail(NamedTuple):
    """A mail that is to be sent, leased to whoever has this."""

    user_id: str
    task_id: str
    fires_at: str
    reminder: str
    tries: int
    is_wanted: bool  # else there is nothing to be sent, and nothing to be noted
    address: str
    title: str
    due_at: str | None  # RFC 3339, in UTC
    timezone: str  # the owner's


async def fire(*, mails: bool) -> tuple[Counter[str], set[str]]:
    """Settle what is due, up to MOST of it; return how many were fired, missed and dropped, and whose were fired.

    `mails` says whether there is a way to send any. Raises DatabaseError.
    """
    async with pool.transaction() as transaction:
        locked = await transaction.execute(_LOCK_OWNERS)
        owners = [UUID(locked.text(row, 0)) for row in range(len(locked))]
        if not owners:
            return Counter(), set()
        rows = await transaction.execute(_SETTLE, {"owners": owners, "mails": mails})
    settled = [(rows.text(row, 0), rows.text(row, 2)) for row in range(len(rows))]
    return Counter(outcome for _, outcome in settled), {owner for owner, outcome in settled if outcome == "fired"}


async def next_due() -> float | None:
    """Return in how many seconds the next reminder is due; negative where it is late, None where there is none."""
    return _seconds(await pool.execute(_NEXT))


async def next_mail() -> float | None:
    """Return likewise when the next mail is to be sent."""
    return _seconds(await pool.execute(_NEXT_MAIL))


async def lease_mail() -> DueMail | None:
    """Take the mail that has waited for longest; None where there is none.

    Nobody else gets it before the lease ends.
    """
    rows = await pool.execute(_LEASE_MAIL)
    if not rows:
        return None
    due_at = rows.value(0, 8)
    return DueMail(
        user_id=rows.text(0, 0),
        task_id=rows.text(0, 1),
        fires_at=rows.text(0, 2),
        reminder=rows.text(0, 3),
        tries=int(rows.text(0, 4)),
        is_wanted=rows.text(0, 5) == "t",
        address=rows.text(0, 6),
        title=rows.text(0, 7),
        due_at=None if due_at is None else due_at.decode(),
        timezone=rows.text(0, 9),
    )


async def note_mail(mail: DueMail) -> None:
    """Note that a mail was sent, unless its lease has ended and somebody else sends it, too."""
    await pool.execute(_NOTE_MAIL, mail._asdict())


def _seconds(rows: Rows) -> float | None:
    value = rows.value(0, 0)
    return None if value is None else float(value)
