"""Another e-mail for an account: by its owner, and what becomes of the codes that were mailed for it.

Where addresses must be proved, a change waits for the code from the new one (accounts/admin/email_changes.py: staff's,
from either). Who asks learns nothing about an address that is not theirs: that it is taken, only its reader is told.
"""

import secrets
from datetime import timedelta
from functools import partial

from django.conf import settings
from uuid_utils.compat import uuid7

from accounts import addresses, audit, mails, tokens
from accounts.problems import EmailTaken, WrongPassword
from accounts.queries.account import Confirmed, get_me
from accounts.queries.unit import fenced
from todoproject.database.client.pool import Work
from todoproject.database.client.statement import Credentials
from todoproject.database.errors import NotUnique
from todoproject.mail.outbox import outbox

ACTION = "change e-mail"


def confirmed() -> str:
    """Return the CTEs that give an account its new address, where `digest` is of such a code, and record it.

    Of `changed`, the first, there is a row where it was done: the account's id, and the address that was replaced.
    """
    changed = "changed AS (SELECT * FROM confirm_email_change(%(digest)s))"
    return f"{changed}, {audit.recorded('changed')}"


_CHANGE = fenced("SELECT change_email(%(known)s, %(email)s, %(mailbox)s), current_user_id()", writes=True)
_ASK = fenced(
    "SELECT before, current_user_id(), taken, taken_id FROM ask_email_change("
    "%(known)s, %(id)s, %(email)s, %(mailbox)s, %(compared)s, %(digests)s, %(lifetime)s)",
    writes=True,
)


async def change_email(work: Work, credentials: Credentials, known: Confirmed, new: str) -> bytes | None:
    """Give the account another address and return it as JSON; None where the address has to be proved first.

    Another spelling of the one that it has needs no proof. Raises EmailTaken, but only where nothing is mailed, and
    WrongPassword where the password has changed since it was confirmed.
    """
    is_another = addresses.mailbox(new) != addresses.mailbox(known.email)
    if is_another and settings.EMAIL_VERIFICATION == "required":
        await _ask(work, credentials, known, new)
        return None
    parameters = {"known": known.password, "email": new, "mailbox": addresses.stored_mailbox(new)}
    try:
        changed = await work.execute(_CHANGE, parameters, credentials)
    except NotUnique:
        raise EmailTaken from None
    if changed.value(0, 0) is None:
        raise WrongPassword
    if is_another:
        work.on_commit(partial(outbox.post, mails.email_changed(changed.text(0, 0), changed.text(0, 1))))
    return await get_me(work, credentials)


async def _ask(work: Work, credentials: Credentials, known: Confirmed, new: str) -> None:
    """Mail a code to the new address, and word of it to the old; or tell whoever reads it that it is taken."""
    secret, nobodys = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    parameters = {
        "known": known.password,
        "id": uuid7(),
        "email": new,
        "mailbox": addresses.stored_mailbox(new),
        "compared": addresses.mailbox(new),
        "digests": [tokens.digest(nobodys), tokens.digest(secret)],
        "lifetime": timedelta(seconds=settings.EMAIL_VERIFICATION_LIFETIME),
    }
    asked = await work.execute(_ASK, parameters, credentials)
    if not asked:
        raise WrongPassword
    if asked.value(0, 2) is not None:
        work.on_commit(partial(outbox.post, mails.already_registered(asked.text(0, 2), asked.text(0, 3))))
        return
    owner = asked.text(0, 1)
    work.on_commit(partial(outbox.post, mails.new_email(new, secret, owner)))
    work.on_commit(partial(outbox.post, mails.new_email_asked(asked.text(0, 0), owner)))
