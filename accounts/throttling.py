"""How often somebody may try to log in, to register or to have a password reset.

An attempt is counted in PostgreSQL before anything is looked up or hashed, in a transaction of its own: failures count
like successes, known e-mails like unknown ones, on all workers together. A right password gives back what it took
itself and nothing more, or an attacker with an account of his own would only have to use it now and then: so whoever
logs in ten times an hour is not shut out, and every failure counts. `q` attempts in `w` seconds (the setting) mean:

| | account and address | account, any address | address, any account |
|---|---|---|---|
| login | q in w | 5 q in 4 w | 20 q in w |
| confirming one's password (by account, whichever the token) | q in w | 5 q in 4 w | 20 q in w |
| register, password reset, second factor | – | q in w | 20 q in w |
| code from a mail | – | – | 20 q in w |
| mail about a webhook | – | q in w | – |

Guessing from one address ends at the first column and so shuts nobody else out. Guessing from many addresses ends at
the second, with the default at 100 in any hour (the bound of OWASP ASVS 4.0.3, 2.2.1); it can delay the owner's next
login, but ends no session and no token. Spraying passwords over many accounts ends at the third, which is wide because
an office shares one address.
For mails and new accounts the account is what is to be protected, wherever the attempts come from.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from accounts.addresses import mailbox
from todoproject.database.client.pool import pool
from todoproject.database.client.statement import Statement
from todoproject.database.errors import DatabaseUnavailable
from todoproject.http.rate_limits import Policy

LOGIN = "login"
PASSWORD = "password"  # noqa: S105 -- a name: of somebody who has a token and confirms who they are
CODE = "code"  # from a mail; nobody guesses one, but each right one is a password to hash
REGISTER = "register"
PASSWORD_RESET = "password-reset"  # noqa: S105 -- a name
SECOND_FACTOR = "second-factor"
WEBHOOK = "webhook"  # a mail about one

_SETTINGS = {
    LOGIN: "LOGIN_LIMIT",
    PASSWORD: "LOGIN_LIMIT",
    CODE: "PASSWORD_RESET_LIMIT",
    REGISTER: "REGISTER_LIMIT",
    PASSWORD_RESET: "PASSWORD_RESET_LIMIT",
    SECOND_FACTOR: "LOGIN_LIMIT",
    WEBHOOK: "REGISTER_LIMIT",
}


class TooManyAttempts(Exception):
    """A limit is used up; `policy` says which, `wait` in how many seconds it allows one more."""

    def __init__(self, policy: Policy, wait: float) -> None:
        super().__init__(policy.name)
        self.policy = policy
        self.wait = wait


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What is counted under one key: by whom, as SQL, and how many."""

    subject: str
    policy: Policy


# Of the mailbox, else by as many names as it has forms; lower() is PostgreSQL's because the login's is.
_BOTH = "'both ' || %(address)s || ' ' || lower(%(email)s)"
_ADDRESS = "'address ' || %(address)s"
_ACCOUNT = "'account ' || lower(%(email)s)"


def _buckets(kind: str) -> list[_Bucket]:
    """Return the buckets of a kind of attempt, none where its setting is `off`; always in the same order."""
    limit: tuple[int, int] | None = getattr(settings, _SETTINGS[kind])
    if limit is None:
        return []
    quota, window = limit
    of_account = Policy(kind, quota, window)
    address = _Bucket(_ADDRESS, Policy(kind, 20 * quota, window))
    if kind == CODE:
        return [address]
    if kind == WEBHOOK:
        return [_Bucket(_ACCOUNT, of_account)]
    if kind in (LOGIN, PASSWORD):
        return [_Bucket(_BOTH, of_account), address, _Bucket(_ACCOUNT, Policy(kind, 5 * quota, 4 * window))]
    return [address, _Bucket(_ACCOUNT, of_account)]


def _keys(kind: str, subjects: list[str]) -> str:
    # Keyed, so that a copy of the table does not tell which of a list of e-mails have been tried.
    keys = (f"sha256(%(pepper)s || convert_to('{kind} ' || {subject}, 'UTF8'))" for subject in subjects)
    return f"ARRAY[{', '.join(keys)}]"


def _gift(kind: str, buckets: list[_Bucket]) -> str:
    keys = _keys(kind, [bucket.subject for bucket in buckets])
    return f"SELECT give_back_attempt({keys}, %(quotas)s, %(windows)s)"


def _query(kind: str, buckets: list[_Bucket]) -> str:
    keys = _keys(kind, [bucket.subject for bucket in buckets])
    return f"SELECT refused, wait FROM take_attempt({keys}, %(quotas)s, %(windows)s)"  # noqa: S608 -- of the constants above


def _parameters(buckets: list[_Bucket], email: str, address: str) -> dict[str, Any]:
    return {
        "pepper": _pepper(),
        "email": mailbox(email),
        "address": address,
        "quotas": [bucket.policy.quota for bucket in buckets],
        "windows": [bucket.policy.window for bucket in buckets],
    }


@cache
def _pepper() -> bytes:
    return salted_hmac("accounts.attempts", "", algorithm="sha256").digest()


async def take(kind: str, email: str, address: str) -> None:
    """Count an attempt of this kind, for good, in one round trip. Raises TooManyAttempts."""
    buckets = _buckets(kind)
    if not buckets:
        return
    statement = Statement.unfenced(_query(kind, buckets), repeatable=True, writes=True)  # counting twice does no harm
    # Alone, never in a request's transaction: it counts whatever becomes of the request.
    rows = await pool.execute(statement, _parameters(buckets, email, address))
    if rows.value(0, 0) is not None:
        raise TooManyAttempts(buckets[int(rows.text(0, 0)) - 1].policy, float(rows.text(0, 1)))


async def give_back(kind: str, email: str, address: str) -> None:
    """Undo one `take` of the same attempt, which has succeeded; in one round trip."""
    if buckets := _buckets(kind):
        statement = Statement.unfenced(_gift(kind, buckets), writes=True)  # twice would be one too many
        with suppress(DatabaseUnavailable):  # what has succeeded must not fail for an attempt
            await pool.execute(statement, _parameters(buckets, email, address))


def give_back_in_admin(kind: str, email: str, address: str) -> None:
    """Do what `give_back` does, over the admin's connection."""
    if buckets := _buckets(kind):
        with connection.cursor() as cursor:
            cursor.execute(_gift(kind, buckets), _parameters(buckets, email, address))


def take_in_admin(kind: str, email: str, address: str) -> None:
    """Do what `take` does, over the admin's connection. Raises TooManyAttempts."""
    buckets = _buckets(kind)
    if not buckets:
        return
    with connection.cursor() as cursor:
        cursor.execute(_query(kind, buckets), _parameters(buckets, email, address))
        refused, wait = cursor.fetchone()
    if refused is not None:
        raise TooManyAttempts(buckets[refused - 1].policy, wait)


def lift(email: str, addresses: list[str]) -> int:
    """Forget what was counted against an account, alone and together with these addresses; return in how many buckets.

    What is counted against an address alone stays: it protects all the other accounts.
    """
    lifted = 0
    with connection.cursor() as cursor:
        for address in ["", *addresses]:
            for kind in _SETTINGS:
                query = f"DELETE FROM attempt_buckets WHERE key = ANY ({_keys(kind, [_ACCOUNT, _BOTH])})"  # noqa: S608 -- ours
                values: dict[str, Any] = {"pepper": _pepper(), "email": mailbox(email), "address": address}
                cursor.execute(query, values)
                lifted += cursor.rowcount
    return lifted
