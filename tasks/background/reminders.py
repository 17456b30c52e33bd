"""Fire the reminders that are due, and send their mails."""

import asyncio
import logging
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from accounts import addresses
from tasks.queries import reminders
from tasks.queries.reminders import DueMail
from todoproject.background.runner import Job
from todoproject.http import activity
from todoproject.mail.outbox import Mail, send_now
from todoproject.observability import metrics

logger = logging.getLogger("todoproject.background")

# Somebody writes for an owner whose reminder is due: it fires when they have done.
_AGAIN_SECONDS = 1.0
_SUBJECT_LENGTH = 100


async def fire_reminders() -> float | None:
    """Fire what is due; return in how many seconds the next one is."""
    while (seconds := await reminders.next_due()) is not None and seconds <= 0:
        outcomes, owners = await reminders.fire(mails=not settings.EMAIL_IS_OFF)
        if not outcomes:  # their owners are being written for
            break
        for owner in owners:
            activity.note_change(owner)  # whose streams are told
        for outcome, number in outcomes.items():
            metrics.count("reminder", outcome, by=number)
        logger.info("reminders", extra=dict(outcomes))
    metrics.store.put("reminder_overdue", max(0.0, -(seconds or 0.0)))
    return None if seconds is None else max(seconds, _AGAIN_SECONDS if seconds <= 0 else 0.0)


async def send_mails() -> float | None:
    """Send the mails of those that have fired, one after the other; return in how many seconds to try again."""
    while (seconds := await reminders.next_mail()) is not None and seconds <= 0:
        if (mail := await reminders.lease_mail()) is None:  # somebody else has just taken it
            break
        if not mail.is_wanted:
            metrics.count("reminder_mail", "unwanted")
        elif await asyncio.to_thread(send_now, _letter(mail)):
            await reminders.note_mail(mail)
            metrics.count("reminder_mail", "sent")
        else:  # it is tried again when the lease has ended
            metrics.count("reminder_mail", "failed")
    return None if seconds is None else max(seconds, _AGAIN_SECONDS)


JOBS = (Job("reminders", fire_reminders, wakes=("reminder_mails", "webhooks")), Job("reminder_mails", send_mails))


def _letter(mail: DueMail) -> Mail:
    title = " ".join(mail.title.split())  # some titles are older than the rule that they are one line
    due = "" if mail.due_at is None else f"\nDue: {_local(mail.due_at, mail.timezone)}\n"
    text = f"{title}\n{due}\nYou asked for this reminder. To get none by mail, set reminder_mail to false.\n"
    return Mail("reminder", addresses.deliverable(mail.address), _subject(title), text, mail.user_id)


def _subject(title: str) -> str:
    return f"Reminder: {title[:_SUBJECT_LENGTH]}{'…' if len(title) > _SUBJECT_LENGTH else ''}"


def _local(due_at: str, timezone: str) -> str:
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):  # one that this machine does not know any more
        zone = ZoneInfo("UTC")
    return f"{datetime.fromisoformat(due_at).astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
