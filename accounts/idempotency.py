"""Idempotency-Key: a write that is sent twice happens once, and the second answer is the first.

The key, the write and its answer are stored in one transaction, so there is never one without the others. A key
belongs to its user and counts for a day; a repeat needs the scopes that the request needed.
(draft-ietf-httpapi-idempotency-key-header; Stripe's API does the same.)
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, TypeVar

import orjson
from django.http import HttpResponse
from psycopg import sql

from accounts import encryption
from accounts.models import IdempotencyKey
from todoproject.database.client import sql as statements
from todoproject.database.client.pool import Work, pool
from todoproject.database.client.statement import ACCOUNT_ROLE, NOTHING, Credentials, Parameters, Rows, Statement
from todoproject.database.client.transaction import Transaction
from todoproject.database.errors import ConnectionLost, InFlight, OutcomeUnknown

LIFETIME = timedelta(hours=24)
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")  # 1 to 255 printable ASCII characters
# Outcomes of the write itself. What a client can mend and send again (its input, its token) is none.
OUTCOMES = frozenset({200, 201, 202, 204, 207, 404, 409, 412})
_HEADERS = ("Content-Type", "ETag", "Location", "Cache-Control", "Affected", "Change-No")
_SAVEPOINT = "before_write"

T = TypeVar("T")


class MalformedKey(Exception):
    """The key is empty, too long, or has characters that no header should have."""


class KeyReused(Exception):
    """The key was used before, for another request."""


class AnswerUnreadable(Exception):
    """The stored answer was encrypted under another SECRET_KEY: the write has happened, its answer is lost."""


class AnswerWithheld(Exception):
    """The stored answer holds a secret, and it was another token that asked for it."""


class Replayed(Exception):
    """The request was answered before, with `response`."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


Run = Callable[[Work], Awaitable[HttpResponse]]


def check(key: str) -> None:
    """Raise MalformedKey where this is none."""
    if _KEY.fullmatch(key) is None:
        raise MalformedKey


async def answer_once(
    credentials: Credentials, key: str, request: bytes, run: Run, *, prepares: bool = False
) -> HttpResponse:
    """Answer with what was stored under the key; else run the request and store its answer with its writes.

    `request` is everything that makes it this request; `run` does its writes by what it is given. One that `prepares`
    does something slow first, with no connection in hand: its key is claimed with its first statement.
    Raises MalformedKey, KeyReused, AnswerUnreadable, AnswerWithheld, ScopeMissing, and InFlight where the same key is
    being worked on at this moment.
    """
    check(key)
    keyed = _KeyedRequest(credentials, key, request)
    answer = partial(_prepare_and_answer if prepares else _answer, keyed, run)
    try:
        return await answer()
    except (ConnectionLost, OutcomeUnknown) as lost:
        # The one case in which a write is repeated whose outcome is unknown: if it has happened, its answer is there.
        try:
            return await answer()
        except InFlight:  # the server has not noticed yet that nobody listens to the first one
            raise lost from None


async def _answer(keyed: "_KeyedRequest", run: Run) -> HttpResponse:
    async def answer(transaction: Transaction) -> HttpResponse:
        await keyed.claim(transaction)
        response = await run(transaction)
        await keyed.store(transaction, response)
        return response

    try:
        return await pool.transact(answer, keyed.credentials)
    except Replayed as replayed:
        return replayed.response


async def _prepare_and_answer(keyed: "_KeyedRequest", run: Run) -> HttpResponse:
    async def look(transaction: Transaction) -> None:
        await keyed.claim(transaction)
        await transaction.command("ROLLBACK")

    try:
        await pool.transact(look, keyed.credentials)
        async with AsyncExitStack() as stack:
            work = _LateTransaction(stack, keyed)
            response = await run(work)
            if work.begun is not None and work.is_claimed:
                await keyed.store(work.begun, response)
            return response
    except Replayed as replayed:
        return replayed.response


class _LateTransaction:
    """The transaction of a request that prepares something: it begins, with the claim of the key, when it is needed."""

    def __init__(self, stack: AsyncExitStack, keyed: "_KeyedRequest") -> None:
        self._stack, self._keyed = stack, keyed
        self.begun: Transaction | None = None
        self.is_claimed = False

    async def _begin(self) -> Transaction:
        if self.begun is None:
            self.begun = await self._stack.enter_async_context(pool.transaction(self._keyed.credentials))
            await self._keyed.claim(self.begun)
            self.is_claimed = True
        return self.begun

    async def execute(
        self, statement: Statement, parameters: Parameters = NOTHING, credentials: Credentials | None = None
    ) -> Rows:
        return await (await self._begin()).execute(statement, parameters, credentials)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]], credentials: Credentials | None = None) -> T:
        return await (await self._begin()).transact(work, credentials)

    def on_commit(self, act: Callable[[], None]) -> None:
        (pool if self.begun is None else self.begun).on_commit(act)


class _KeyedRequest:
    """A request, its key, and who asks."""

    def __init__(self, credentials: Credentials, key: str, request: bytes) -> None:
        self.credentials, self._key = credentials, key
        self._names: dict[str, object] = {
            "key_digest": hashlib.sha256(key.encode()).digest(),
            "fingerprint": hashlib.sha256(request).digest(),
        }

    async def claim(self, transaction: Transaction) -> None:
        """Claim the key. Raises Replayed where it was answered before."""
        claimed = await transaction.execute(_claim(), self._names, self.credentials, savepoint=_SAVEPOINT)
        if claimed.value(0, 0) is None:
            return
        if claimed.text(0, 0) != "t":
            raise KeyReused
        answer = _unseal(self._key, bytes.fromhex(claimed.text(0, 1)))
        # Whoever repeats must be one who could have asked; and a secret is only for the token that was shown it.
        if answer["headers"].get("Cache-Control") == "no-store" and answer.get("by") != self._asker():
            raise AnswerWithheld
        for scope in answer.get("scopes", ()):
            await transaction.execute(_check(scope), credentials=self.credentials)
        raise Replayed(_response(answer))

    async def store(self, transaction: Transaction, response: HttpResponse) -> None:
        """Store the answer with the writes, or undo them where it is none to repeat."""
        if transaction.has_failed:  # the database refused the write; that refusal is an answer, too
            await transaction.command(f"ROLLBACK TO {_SAVEPOINT}")
        if response.status_code in OUTCOMES:
            sealed = _seal(self._key, response, by=self._asker(), scopes=sorted(transaction.scopes))
            await transaction.execute(_store(), {**self._names, "answer": sealed})
        elif response.status_code >= 400:
            await transaction.command("ROLLBACK")

    def _asker(self) -> str:
        return hashlib.sha256(self.credentials.digest).hexdigest()


@lru_cache
def _claim() -> Statement:
    query = "SELECT fingerprint = %(fingerprint)s, encode(answer, 'hex') FROM claim_idempotency_key(%(key_digest)s, {})"
    lifetime = sql.Literal(LIFETIME).as_string(None)
    return Statement.fenced(query.format(lifetime), scope=None, role=ACCOUNT_ROLE, notes_use=False)


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
    # The request may have ended its own token, and must not be undone for that.
    return Statement.continuing(insert.replace(" RETURNING ", f" {replace} RETURNING "), role=ACCOUNT_ROLE)


@lru_cache
def _check(scope: str) -> Statement:
    return Statement.fenced("SELECT 1", scope=scope, role=ACCOUNT_ROLE)


def _seal(key: str, response: HttpResponse, **more: object) -> bytes:
    headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
    answer = {"status": response.status_code, "headers": headers, "body": response.content.decode(), **more}
    return encryption.seal(next(_cipher_keys(key)), orjson.dumps(answer))


def _unseal(key: str, sealed: bytes) -> dict[str, Any]:
    content = encryption.unseal(_cipher_keys(key), sealed)
    if content is None:
        raise AnswerUnreadable
    answer: dict[str, Any] = orjson.loads(content)
    return answer


def _response(answer: dict[str, Any]) -> HttpResponse:
    response = HttpResponse(answer["body"], status=answer["status"], headers=answer["headers"])
    if "Content-Type" not in answer["headers"]:
        del response.headers["Content-Type"]
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _cipher_keys(key: str) -> Iterator[bytes]:
    """Return what answers under a client's key are encrypted with, and after it what they were.

    An answer may hold a new token, which must not lie in the database or its backups in clear. This comes from
    SECRET_KEY and the client's own key, of which the database has only a digest.
    """
    for secret in encryption.secret_keys():
        yield hmac.digest(secret.encode(), b"idempotency:" + key.encode(), "sha256")
