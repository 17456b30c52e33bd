"""Alice, Bob and Charlie: accounts with a client that carries their token."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import psycopg
from django.contrib.auth.hashers import make_password
from uuid_utils.compat import uuid7

from accounts import tokens
from accounts.models import Scope
from tests.support.postgres.databases import connect

PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """Somebody with an account."""

    email: str
    id: str
    token: str
    http: httpx.AsyncClient

    async def task(self, title: str = "Buy milk", **fields: Any) -> dict[str, Any]:
        """Create a task of theirs."""
        response = await self.http.post("/v1/tasks", json={"title": title, **fields})
        assert response.status_code == 201, response.text
        task: dict[str, Any] = response.json()
        return task

    async def list(self, name: str = "Groceries", **fields: Any) -> dict[str, Any]:
        """Create a list of theirs."""
        response = await self.http.post("/v1/lists", json={"name": name, **fields})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def token_for(self, *scopes: str, **fields: Any) -> dict[str, str]:
        """Make a personal token of theirs and return the header that carries it."""
        response = await self.http.post("/v1/tokens", json={"name": "script", "scopes": scopes, **fields})
        assert response.status_code == 201, response.text
        return {"Authorization": f"Bearer {response.json()['token']}"}


@asynccontextmanager
async def register(transport: httpx.AsyncBaseTransport, name: str) -> AsyncIterator[Person]:
    """Make an account whose e-mail begins with `name`, and log it in.

    It is written as registering writes it (test_accounts.py), but with one password hash for everybody: hashing
    takes longer than most tests.
    """
    email, identity, token = f"{name}-{uuid.uuid4().hex}@example.com", str(uuid7()), tokens.generate()
    _write([identity, email, _hash(), uuid7(), identity, tokens.digest(token), Scope.values])
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        http.headers["Authorization"] = f"Bearer {token}"
        yield Person(email, identity, token, http)


def session_at(url: str, *, email: str = "", password: str = PASSWORD) -> dict[str, Any]:
    """Register somebody at a server in another process; return what it answers: `token`, `expires_at`, `user`."""
    account = {"email": email or f"somebody-{uuid.uuid4().hex}@example.com", "password": password}
    answer = httpx.post(f"{url}/v1/auth/register", json=account, timeout=20)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


def header_at(url: str, *, email: str = "", password: str = PASSWORD) -> dict[str, str]:
    """Register somebody at a server in another process; return the header that carries their token."""
    return {"Authorization": f"Bearer {session_at(url, email=email, password=password)['token']}"}


_ACCOUNT = """
WITH account AS (INSERT INTO users (id, email, password, timezone, is_staff, is_active, is_superuser)
                 VALUES (%s, %s, %s, 'UTC', false, true, false))
INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes, expires_at)
VALUES (%s, %s, 'session', 'login', %s, %s, now() + interval '30 days')
"""


def _write(values: list[Any]) -> None:
    try:
        _connection().execute(_ACCOUNT, values)
    except psycopg.OperationalError:  # some tests end every connection
        _connection.cache_clear()
        _connection().execute(_ACCOUNT, values)


@cache
def _hash() -> str:
    return make_password(PASSWORD)


@cache
def _connection() -> "psycopg.Connection[tuple[Any, ...]]":
    return connect(autocommit=True)
