"""Idempotency-Key: a write that is sent twice happens once, and the second answer is the first.

The key, the write and its answer are stored in one transaction, so there is never one without the others. A key
belongs to its user and counts for a day. (draft-ietf-httpapi-idempotency-key-header; Stripe's API does the same.)
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import lru_cache

import orjson
from django.conf import settings
from django.http import HttpResponse
from psycopg import sql

from accounts import seals
from accounts.models import IdempotencyKey
from todoproject.database import statements
from todoproject.database.errors import ConnectionLost, InFlight, OutcomeUnknown
from todoproject.database.pool import pool
from todoproject.database.transaction import Transaction
from todoproject.database.unit import ACCOUNT_ROLE, Credentials, Statement

LIFETIME = timedelta(hours=24)
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")  # 1 to 255 printable ASCII characters
# Outcomes of the write itself. What a client can mend and send again (its input, its token) is none.
OUTCOMES = frozenset({200, 201, 202, 204, 207, 404, 409, 412})
_HEADERS = ("Content-Type", "ETag", "Location", "Cache-Control")
_SAVEPOINT = "before_write"


class MalformedKey(Exception):
    """The key is empty, too long, or has characters that no header should have."""


class KeyReused(Exception):
    """The key was used before, for another request."""


class AnswerUnreadable(Exception):
    """The stored answer was encrypted under another SECRET_KEY: the write has happened, its answer is lost."""


async def answer_once(
    credentials: Credentials, key: str, request: bytes, run: Callable[[Transaction], Awaitable[HttpResponse]]
) -> HttpResponse:
    """Answer with what was stored under the key; else run the request and store its answer with its writes.

    `request` is everything that makes it this request; `run` does its writes in the transaction it is given.
    Raises MalformedKey, KeyReused, AnswerUnreadable, and InFlight where the same key is being worked on at this moment.
    """
    if _KEY.fullmatch(key) is None:
        raise MalformedKey
    try:
        return await _answer(credentials, key, request, run)
    except (ConnectionLost, OutcomeUnknown) as lost:
        # The one case in which a write is repeated whose outcome is unknown: if it has happened, its answer is there.
        try:
            return await _answer(credentials, key, request, run)
        except InFlight:  # the server has not noticed yet that nobody listens to the first one
            raise lost from None


async def _answer(
    credentials: Credentials, key: str, request: bytes, run: Callable[[Transaction], Awaitable[HttpResponse]]
) -> HttpResponse:
    names: dict[str, object] = {
        "key_digest": hashlib.sha256(key.encode()).digest(),
        "fingerprint": hashlib.sha256(request).digest(),
    }

    async def answer(transaction: Transaction) -> HttpResponse:
        claimed = await transaction.execute(_claim(), names, credentials, savepoint=_SAVEPOINT)
        if claimed.value(0, 0) is not None:
            if claimed.text(0, 0) != "t":
                raise KeyReused
            return _replay(key, bytes.fromhex(claimed.text(0, 1)))
        return await _run_and_store(transaction, credentials, key, names, run)

    return await pool.transact(answer)


async def _run_and_store(
    transaction: Transaction,
    credentials: Credentials,
    key: str,
    names: dict[str, object],
    run: Callable[[Transaction], Awaitable[HttpResponse]],
) -> HttpResponse:
    response = await run(transaction)
    if transaction.has_failed:  # the database refused the write; that refusal is an answer, too
        await transaction.command(f"ROLLBACK TO {_SAVEPOINT}")
    if response.status_code in OUTCOMES:
        await transaction.execute(_store(), {**names, "answer": _seal(key, response)}, credentials)
    elif response.status_code >= 400:
        await transaction.command("ROLLBACK")
    return response


@lru_cache
def _claim() -> Statement:
    query = "SELECT fingerprint = %(fingerprint)s, encode(answer, 'hex') FROM claim_idempotency_key(%(key_digest)s, {})"
    lifetime = sql.Literal(LIFETIME).as_string(None)
    return _fenced(query.format(lifetime))


@lru_cache
def _store() -> Statement:
    columns = ("key_digest", "fingerprint", "answer")
    values = statements.placeholders(columns) | {"user": statements.CURRENT_USER}
    insert = statements.insert(IdempotencyKey, values, ["created_at"])
    # One older than its lifetime may be in the way.
    replace = (
        "ON CONFLICT (user_id, key_digest) DO UPDATE"
        " SET fingerprint = EXCLUDED.fingerprint, answer = EXCLUDED.answer, created_at = statement_timestamp()"
    )
    return _fenced(insert.replace(" RETURNING ", f" {replace} RETURNING "))


def _fenced(query: str) -> Statement:
    return Statement.fenced(query, scope=None, role=ACCOUNT_ROLE)


def _seal(key: str, response: HttpResponse) -> bytes:
    headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
    answer = {"status": response.status_code, "headers": headers, "body": response.content.decode()}
    return seals.seal(_cipher_key(key), orjson.dumps(answer))


def _replay(key: str, sealed: bytes) -> HttpResponse:
    content = seals.unseal(_cipher_key(key), sealed)
    if content is None:
        raise AnswerUnreadable
    answer = orjson.loads(content)
    response = HttpResponse(answer["body"], status=answer["status"], headers=answer["headers"])
    if "Content-Type" not in answer["headers"]:
        del response.headers["Content-Type"]
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _cipher_key(key: str) -> bytes:
    """Return what answers under a client's key are encrypted with.

    An answer may hold a new token, which must not lie in the database or its backups in clear. This comes from
    SECRET_KEY and the client's own key, of which the database has only a digest.
    """
    return hmac.digest(settings.SECRET_KEY.encode(), b"idempotency:" + key.encode(), "sha256")
