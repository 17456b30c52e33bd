"""Deliver to webhooks, and tell their owners by mail what becomes of them."""

import asyncio
from urllib.parse import urlsplit

from django.conf import settings

from accounts import addresses, throttling
from tasks.queries import webhook_notices
from tasks.queries.webhook_notices import Notice
from tasks.webhooks.delivering import Deliveries
from todoproject.background.runner import Job
from todoproject.mail.outbox import Mail, send_now
from todoproject.observability import metrics

_AGAIN_SECONDS = 1.0
_NOT_YOU = "If this was not you, end all logins and set a new password at once: that disables all webhooks."
# By what is noted: the subject, and a sentence. `{}` is where it goes.
_SENTENCES = {
    "made": ("A webhook was made", "Changes of your tasks are now sent to {}."),
    "changed": ("A webhook was changed", "A webhook of your account was changed; it is now {}."),
    "gone": ("A webhook is disabled", "{} has answered that it is gone (410), so the webhook is disabled."),
    "staff": ("A webhook is disabled", "The staff of this server have disabled the webhook to {}."),
    "failing": ("A webhook is disabled", "{} has taken nothing for three days, so the webhook is disabled."),
}
_OTHERWISE = ("A webhook is disabled", "The webhook to {} is disabled, as the logins of your account were ended.")


async def tell_owners() -> float | None:
    """Send the mails about webhooks, one after the other; return in how many seconds to try again."""
    if settings.EMAIL_IS_OFF:
        return None
    while (seconds := await webhook_notices.next_due()) is not None and seconds <= 0:
        if (notice := await webhook_notices.claim()) is None:  # somebody else has just taken it
            break
        metrics.count("webhook_mail", await _tell(notice))
    return None if seconds is None else max(seconds, _AGAIN_SECONDS)


async def _tell(notice: Notice) -> str:
    """Send a mail; return what became of it. Who has had as many as anybody reads has the others later."""
    if notice.leased_until is None:
        return "given_up"
    try:
        await throttling.take(throttling.WEBHOOK, notice.address, "")
    except throttling.TooManyAttempts as error:
        await webhook_notices.put_off(notice, error.wait)
        return "put_off"
    if await asyncio.to_thread(send_now, letter(notice)):
        await webhook_notices.note(notice)
        return "sent"
    await throttling.give_back(throttling.WEBHOOK, notice.address, "")  # nobody has had it
    return "failed"  # it is tried again when the lease has ended


deliveries = Deliveries()
JOBS = (Job("webhooks", deliveries.run, wakes=("webhook_mails",)), Job("webhook_mails", tell_owners))


def letter(notice: Notice) -> Mail:
    """Return what is mailed. Of the address no more than where it is: the rest may hold a secret."""
    subject, sentence = _SENTENCES.get(notice.what, _OTHERWISE)
    parts = urlsplit(notice.url)
    place = f"{parts.scheme}://{parts.netloc}{parts.path}"
    text = f"{sentence.format(place)}\n\nGET /v1/webhooks shows the webhooks of your account.\n\n{_NOT_YOU}\n"
    return Mail("webhook", addresses.deliverable(notice.address), subject, text, notice.user_id)
