"""The account itself: show, change, export, erase."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

from accounts import mails, passwords, throttling
from accounts.models import User
from accounts.problems import WrongPassword
from accounts.queries import account_export
from accounts.queries.unit import USER_FIELDS, fenced
from accounts.schemas import MePatch
from todoproject.database.client import sql
from todoproject.database.client.pool import Work, pool
from todoproject.database.client.sql import CurrentUser
from todoproject.database.client.statement import Credentials, Rows, Statement
from todoproject.database.errors import InvalidToken
from todoproject.http import read_only
from todoproject.mail.outbox import outbox


@lru_cache
def _get_me() -> Statement:
    rows = sql.select(User.objects.filter(id=CurrentUser()).values(*USER_FIELDS))
    return fenced(sql.as_json(rows, User, USER_FIELDS), repeatable=True)


async def get_me(work: Work, credentials: Credentials) -> bytes:
    """Return the account as JSON."""
    return _only(await work.execute(_get_me(), credentials=credentials))


@lru_cache(maxsize=64)
def _patch_me(changed: frozenset[str], sent: frozenset[str]) -> Statement:
    own = User.objects.filter(id=CurrentUser())
    condition = read_only.condition(sent) or "true"
    write = sql.update(own, sql.placeholders(sorted(changed)), USER_FIELDS, condition)
    return fenced(sql.written_as_json(write, User, USER_FIELDS), writes=True)


async def patch_me(work: Work, credentials: Credentials, me: MePatch) -> bytes:
    """Change the members that the patch names and return the account as JSON. Raises ReadOnlyDiffers."""
    sent = read_only.sent(me)
    changes = {name: getattr(me, name) for name in me.model_fields_set - sent.keys()}
    if not changes:
        return _as_sent(sent, await get_me(work, credentials))
    statement = _patch_me(frozenset(changes), frozenset(sent))
    rows = await work.execute(statement, {**changes, **read_only.parameters(sent)}, credentials)
    if not rows and sent:
        _as_sent(sent, await get_me(work, credentials))
        raise read_only.ReadOnlyDiffers(sent)  # it differed a moment ago
    return _only(rows)


def _as_sent(sent: Mapping[str, object], account: bytes) -> bytes:
    read_only.refuse_differing(sent, account)
    return account


def _only(rows: Rows) -> bytes:
    if not rows:  # the account was erased since its token was checked, a moment ago
        raise InvalidToken
    return rows.bytes(0, 0)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a password was checked against: the account's hash, and its address."""

    password: str = field(repr=False)
    email: str = field(repr=False)


_OWN_PASSWORD = fenced("SELECT own_password(), (SELECT email FROM users WHERE id = current_user_id())", repeatable=True)
_CHANGE_PASSWORD = fenced(
    "SELECT change_password(%(known)s, %(password)s, %(revoke_tokens)s), current_user_id()", writes=True
)
_ERASE = fenced("SELECT erase_account(%(known)s)", writes=True)


async def confirm_password(credentials: Credentials, password: str, address: str) -> Confirmed:
    """Check the account's password; return what it was checked against.

    Counted by account: it makes tokens, so counting by token would count nothing. Always alone, outside of a request's
    transaction: what is counted stays so, and no connection is held while a password is hashed. Raises WrongPassword,
    TooManyAttempts.
    """
    own = await pool.execute(_OWN_PASSWORD, credentials=credentials)
    encoded = own.value(0, 0)
    if encoded is None or credentials.user_id is None:  # erased since the token was checked, a moment ago
        raise InvalidToken
    await throttling.take(throttling.PASSWORD, credentials.user_id, address)
    if not await passwords.verify_password(password, encoded.decode()):
        raise WrongPassword
    await throttling.give_back(throttling.PASSWORD, credentials.user_id, address)
    return Confirmed(encoded.decode(), own.text(0, 1))


async def change_password(
    work: Work, credentials: Credentials, known: Confirmed, new: str, *, revoke_tokens: bool
) -> None:
    """Set the hash of a new password in place of the one that was confirmed, and end every other session.

    With `revoke_tokens` every other token. Raises WrongPassword where the password has changed since.
    """
    parameters = {"known": known.password, "password": new, "revoke_tokens": revoke_tokens}
    changed = await work.execute(_CHANGE_PASSWORD, parameters, credentials)
    if changed.value(0, 0) is None:  # by somebody else, since the check
        raise WrongPassword
    work.on_commit(partial(outbox.post, mails.password_changed(changed.text(0, 0), changed.text(0, 1))))


async def erase(work: Work, credentials: Credentials, known: Confirmed) -> None:
    """Remove the account with everything that belongs to it, at once. Raises WrongPassword as `change_password` does.

    The database counts afterwards, in the same transaction: an account of which anything is left is not erased.
    """
    if (await work.execute(_ERASE, {"known": known.password}, credentials)).text(0, 0) != "t":
        raise WrongPassword


async def export(work: Work, credentials: Credentials) -> bytes:
    """Return everything that is held about the account, as one JSON document."""
    document = []
    for name, part in account_export.parts():
        rows = await work.execute(part(), credentials=credentials)
        if not rows or rows.value(0, 0) is None:  # erased since the part before
            raise InvalidToken
        document.append(b'"%b":%b' % (name.encode(), rows.bytes(0, 0)))
    return b"{%b}" % b",".join(document)
