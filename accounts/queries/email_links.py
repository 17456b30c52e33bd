"""What goes by mail: proving an address, and setting a new password without the old one.

A link belongs to an address. Asking for one writes the same row whether or not there is an account, in the same round
trip that looks for it; the mail goes out later. So neither the answer nor its time tells who has an account here.
"""

import secrets
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower, Now
from psycopg import sql
from uuid_utils.compat import uuid7

from accounts import addresses, mails, passwords, tokens
from accounts.audit import Origin
from accounts.models import EmailLink, User
from accounts.problems import LinkInvalid
from accounts.queries import email_changes
from accounts.queries.unit import NEW_USER, NOW
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work
from todoproject.database.client.sql import Parameter
from todoproject.database.client.statement import Rows, Statement
from todoproject.mail.outbox import outbox

_NEW_LINK = ("id", "purpose", "digest", "password")
# In the account's own spelling, where there is one: so a link is found by its account, and the other way round.
_ADDRESS = {
    "email": sql.SQL("coalesce((SELECT email FROM owner), %(email)s)"),
    "mailbox": sql.SQL("coalesce((SELECT mailbox FROM owner), %(stored_mailbox)s)"),
}


@lru_cache
def _new_link() -> Statement:
    """Write a link, forget some that have expired, and return who has the address, if anybody."""
    expiry = sql.SQL("statement_timestamp() + make_interval(secs => %(lifetime)s)")
    values = {**statements.placeholders(_NEW_LINK), **_ADDRESS, "expires_at": expiry}
    link = statements.insert(EmailLink, values, ["email"])
    known = User.objects.at(Lower(Parameter("email")), Parameter("mailbox"))
    owner = statements.select(known.values("id", "email", "mailbox", "is_active"))
    expired = statements.select(EmailLink.objects.filter(expires_at__lte=Now()).values("id"))
    purge = f"DELETE FROM email_links WHERE id IN ({expired} LIMIT 100 FOR UPDATE SKIP LOCKED)"  # noqa: S608 -- ours
    return Statement.unfenced(
        f"WITH owner AS ({owner}), link AS ({link}), purged AS ({purge})"  # noqa: S608 -- ours
        " SELECT owner.id, owner.email FROM link LEFT JOIN owner ON owner.is_active OR %(purpose)s = 'verify'",
        writes=True,
    )


async def _write_link(
    work: Work, purpose: EmailLink.Purpose, email: str, lifetime: int, password: str = ""
) -> tuple[str, Rows]:
    secret = secrets.token_urlsafe(32)
    parameters = {
        "id": uuid7(),
        "purpose": purpose.value,
        "email": email,
        "mailbox": addresses.mailbox(email),
        "stored_mailbox": addresses.stored_mailbox(email),
        "digest": tokens.digest(secret),
        "password": password,
        "lifetime": lifetime,
    }
    return secret, await work.execute(_new_link(), parameters)


async def request_verification(work: Work, email: str) -> None:
    """Mail a link that opens an account; or, where there is one, mail that there is.

    No password goes with it: who registers may not be who reads the mail, and would know the password of the account
    that the other then opens. The last release, beside us for a while, opens it with this hash, which no password has.
    """
    lifetime = settings.EMAIL_VERIFICATION_LIFETIME
    secret, owner = await _write_link(work, EmailLink.Purpose.VERIFY, email, lifetime, make_password(None))
    if owner.value(0, 0) is None:
        outbox.post(mails.verify(email, secret))
    else:
        outbox.post(mails.already_registered(owner.text(0, 1), owner.text(0, 0)))


async def request_reset(work: Work, email: str) -> None:
    """Mail a link that sets a new password, if there is an active account with this address."""
    secret, owner = await _write_link(work, EmailLink.Purpose.RESET, email, settings.PASSWORD_RESET_LIFETIME)
    if owner.value(0, 0) is not None:
        # To the address as it is stored: one that only looks the same in lower case may be a stranger's.
        outbox.post(mails.reset(owner.text(0, 1), secret, owner.text(0, 0)))


@lru_cache
def _open_account() -> Statement:
    """Use up a link and make the account it is for; of two links for an address, one does."""
    live = EmailLink.objects.filter(Q(expires_at__gt=Now()), digest=Parameter("digest"), purpose="verify")
    condition = statements.select(live.values("id")).split(" WHERE ", 1)[1]
    link = f"DELETE FROM email_links WHERE {condition} RETURNING email, mailbox"  # noqa: S608 -- ours
    address = {name: sql.SQL("(SELECT {} FROM link)").format(sql.Identifier(name)) for name in ("email", "mailbox")}
    given = {**statements.placeholders(["id", "password"]), **address}
    values = {"email_verified_at": NOW, **given, **NEW_USER}
    user = statements.insert(User, values, ["id", "email"], condition="EXISTS (SELECT FROM link)")
    once = user.replace(" RETURNING ", " ON CONFLICT DO NOTHING RETURNING ")  # by address, or by mailbox
    return Statement.unfenced(
        f"WITH link AS ({link}), opened AS ({once}), {email_changes.confirmed()}"  # noqa: S608 -- ours
        " SELECT opened.email, changed.id, changed.replaced FROM opened FULL JOIN changed ON true",
        writes=True,
    )


@lru_cache
def _find_link() -> Statement:
    live = EmailLink.objects.filter(expires_at__gt=Now(), digest=Parameter("digest"), purpose=Parameter("purpose"))
    owner = User.objects.annotate(lower_email=Lower("email")).filter(lower_email=Lower(OuterRef("email")))
    useful = live.filter(Q(purpose="verify") | Exists(owner.filter(is_active=True)))
    return Statement.unfenced(statements.select(useful.values("email")), repeatable=True)


async def _address(work: Work, purpose: EmailLink.Purpose, digest: bytes) -> str | None:
    """Return whom a live link was mailed to.

    Asked before a password is hashed: made-up codes cost nothing. Nobody guesses one, so the time tells nothing.
    """
    found = await work.execute(_find_link(), {"digest": digest, "purpose": purpose.value})
    return found.text(0, 0) if found else None


async def verify_email(work: Work, secret: str, password: str | None, origin: Origin) -> None:
    """Make the account that somebody registered for, with this password, now that its address is proved.

    Or give an account the other address that staff were asked for, which waited for the same proof. Without a password
    the new account has none that works, and a code to set one is mailed. Raises LinkInvalid.
    """
    digest, encoded = tokens.digest(secret), make_password(None)
    address = None if password is None else await _address(work, EmailLink.Purpose.VERIFY, digest)
    if password is not None and address is not None:
        passwords.validate(password, email=address)
        encoded = await passwords.hash_password(password)
    parameters = {"digest": digest, "id": uuid7(), "password": encoded, **origin.parameters(email_changes.ACTION)}
    done = await work.execute(_open_account(), parameters)
    if not done:
        raise LinkInvalid
    if done.value(0, 0) is not None and password is None:
        await request_reset(work, done.text(0, 0))
    if done.value(0, 1) is not None:
        outbox.post(mails.email_changed(done.text(0, 2), done.text(0, 1)))


# Until somebody has proved to read the address, an account may be a stranger's who was the first to register it: what
# they have made ends with the first proof, whether or not that is asked for.
_UNPROVED = """
SELECT FROM email_links AS link JOIN users ON lower(users.email) = lower(link.email)
 WHERE link.digest = %(digest)s AND users.email_verified_at IS NULL
"""
_RESET = Statement.unfenced(
    f"SELECT * FROM reset_password(%(digest)s, %(password)s, %(revoke_tokens)s OR EXISTS ({_UNPROVED}))",  # noqa: S608 -- ours
    writes=True,
)


async def confirm_reset(work: Work, secret: str, password: str, *, revoke_tokens: bool) -> None:
    """Set a new password, and end every session, with `revoke_tokens` every token. Raises LinkInvalid.

    Every token, too, where it is this code that proves the account's address for the first time.
    """
    digest = tokens.digest(secret)
    address = await _address(work, EmailLink.Purpose.RESET, digest)
    if address is None:
        raise LinkInvalid
    passwords.validate(password, email=address)
    encoded = await passwords.hash_password(password)
    parameters = {"digest": digest, "password": encoded, "revoke_tokens": revoke_tokens}
    changed = await work.execute(_RESET, parameters)
    if not changed:
        raise LinkInvalid
    outbox.post(mails.password_changed(changed.text(0, 1), str(UUID(changed.text(0, 0)))))
