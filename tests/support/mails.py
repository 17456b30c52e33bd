"""What arrives by mail."""

import re

from django.core import mail

from todoproject.mail.outbox import outbox


async def to(email: str) -> list[mail.EmailMessage]:
    """Return what has been mailed to an address in this test, once all of it has been sent."""
    await outbox.drain()
    return [letter for letter in mail.outbox if letter.to == [email]]


async def code(email: str) -> str:
    """Return the code in the last mail to an address."""
    found = re.search(r"^[\w-]{43}$", (await to(email))[-1].body, re.MULTILINE)
    assert found is not None
    return found[0]
