"""What owners of webhooks are told by mail: that one was made, changed, or disabled. Behind nobody's token, too.

A mail is leased to whoever sends it. It is sent at least once, unless no mail can be sent for days.
"""

from typing import NamedTuple

from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement

# Longer than a mail server may take, so that whoever sends one has ended, or will never come back. What has waited for
# long waits for as long again, up to an hour, and as long in all as mail servers wait for each other (RFC 5321, section
# 4.5.4.1). What is told has been noted with the row's last change.
_LEASE = "least(greatest(statement_timestamp() - updated_at, interval '2 minutes'), interval '1 hour')"
_PATIENCE = "interval '5 days'"

_NEXT = Statement.unfenced(
    "SELECT extract(epoch FROM min(notice_at) - clock_timestamp()) FROM webhooks WHERE notice_at IS NOT NULL",
    repeatable=True,
)
_CLAIM = Statement.unfenced(
    f"""
    UPDATE webhooks
       SET notice_at = CASE WHEN updated_at > statement_timestamp() - {_PATIENCE}
                            THEN statement_timestamp() + {_LEASE} END
     WHERE id = (SELECT id FROM webhooks WHERE notice_at <= statement_timestamp()
                  ORDER BY notice_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, user_id, (SELECT email FROM users WHERE users.id = user_id), url, notice, notice_at
    """,  # noqa: S608 -- ours
    writes=True,
)
# Changed again meanwhile: that is told, too.
_NOTE = Statement.unfenced(
    "UPDATE webhooks SET notice = NULL, notice_at = NULL WHERE id = %(id)s AND notice_at = %(leased_until)s",
    writes=True,
    repeatable=True,
)
_PUT_OFF = Statement.unfenced(
    "UPDATE webhooks SET notice_at = statement_timestamp() + %(seconds)s::double precision * interval '1 second'"
    " WHERE id = %(id)s AND notice_at = %(leased_until)s",
    writes=True,
)


class Notice(NamedTuple):
    """Something that somebody is to be told, leased to whoever has this."""

    id: str
    user_id: str
    address: str
    url: str
    what: str  # made, changed, or why it was disabled
    leased_until: str | None  # None: it is too old, and given up


async def next_due() -> float | None:
    """Return in how many seconds somebody is to be told something; None where there is nothing."""
    value = (await pool.execute(_NEXT)).value(0, 0)
    return None if value is None else float(value)


async def claim() -> Notice | None:
    """Take what has waited for longest; None where there is nothing."""
    rows = await pool.execute(_CLAIM)
    if not rows:
        return None
    hook, owner, address, url, what = (rows.text(0, column) for column in range(5))
    until = rows.value(0, 5)
    return Notice(hook, owner, address, url, what, None if until is None else until.decode())


async def note(notice: Notice) -> None:
    """Note that somebody was told."""
    await pool.execute(_NOTE, {"id": notice.id, "leased_until": notice.leased_until})


async def put_off(notice: Notice, seconds: float) -> None:
    """Let somebody be told no earlier than in so many seconds."""
    await pool.execute(_PUT_OFF, {"id": notice.id, "leased_until": notice.leased_until, "seconds": seconds})
