"""Alice, Bob and Charlie: accounts with a client that carries their token."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

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

    async def token_for(self, *scopes: str, **fields: Any) -> dict[str, str]:
        """Make a personal token of theirs and return the header that carries it."""
        response = await self.http.post("/v1/tokens", json={"name": "script", "scopes": scopes, **fields})
        assert response.status_code == 201, response.text
        return {"Authorization": f"Bearer {response.json()['token']}"}


@asynccontextmanager
async def register(transport: httpx.AsyncBaseTransport, name: str) -> AsyncIterator[Person]:
    """Register somebody new, whose e-mail begins with `name`."""
    email = f"{name}-{uuid.uuid4().hex}@example.com"
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        response = await http.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
        assert response.status_code == 201, response.text
        session = response.json()
        http.headers["Authorization"] = f"Bearer {session['token']}"
        yield Person(email, session["user"]["id"], session["token"], http)
