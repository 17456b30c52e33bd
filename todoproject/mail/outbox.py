"""Mails on their way: handed over in no time, sent by a thread of their own, so that no answer waits for one.

A request that knows an address and one that does not take the same time. A mail that cannot be sent is logged with
the reason and its user, and is not tried again: whoever waits for it asks once more.
"""

import asyncio
import logging
import smtplib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.conf import settings
from django.core.mail import EmailMessage

logger = logging.getLogger("todoproject.mail")

# A mail takes 100 ms with an ordinary provider, so this many take a minute and a half. More are dropped, and logged.
MAX_WAITING = 1000
# How long a worker that ends still waits for them.
DRAIN_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one address. `kind` and `user_id` are for the log; the rest may hold secrets and is never logged."""

    kind: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    user_id: str | None = None


class Outbox:
    """The mails that one process still has to send."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")
        self._waiting: set[asyncio.Task[None]] = set()

    def post(self, mail: Mail) -> None:
        """Send a mail later."""
        if len(self._waiting) >= MAX_WAITING:
            _log(logging.ERROR, "mail dropped", mail, f"{MAX_WAITING} are waiting already")
            return
        task = asyncio.create_task(self._deliver(mail))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def drain(self) -> None:
        """Wait until what is waiting has been sent, for a few seconds at most."""
        if not self._waiting:
            return
        _, late = await asyncio.wait(self._waiting, timeout=DRAIN_TIMEOUT_SECONDS)
        if late:
            logger.error("mails lost at the end of the process", extra={"mails": len(late)})
        for task in late:
            task.cancel()

    async def _deliver(self, mail: Mail) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, send_now, mail)


outbox = Outbox()


def send_now(mail: Mail) -> bool:
    """Send a mail in this thread, which waits for it; one that cannot be sent is logged. Tell whether it was sent."""
    try:
        return _send(mail)
    except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: an address no header can hold
        _log(logging.ERROR, "mail not sent", mail, _reason(error))
        return False


def _send(mail: Mail) -> bool:
    if settings.EMAIL_IS_OFF:
        _log(logging.WARNING, "mail not sent", mail, "EMAIL_URL is not set")
        return False
    # The header keeps holiday notes from answering (RFC 3834, section 5).
    EmailMessage(mail.subject, mail.text, to=[mail.to], headers={"Auto-Submitted": "auto-generated"}).send()
    _log(logging.INFO, "mail sent", mail)
    return True


def _reason(error: Exception) -> str:
    """Return a kind of error and the server's code; what a server says besides may repeat the address."""
    return f"{type(error).__name__} {getattr(error, 'smtp_code', '')}".strip()


def _log(level: int, event: str, mail: Mail, reason: str | None = None) -> None:
    facts = {"mail": mail.kind, "mail_user_id": mail.user_id} | ({"reason": reason} if reason else {})
    logger.log(level, event, extra=facts)
