"""Addresses with a secret, made and asked without any token."""

from typing import Any

from tests.support.people import Person


async def calendar(person: Person, **fields: Any) -> str:
    """Make a calendar of theirs; return its address."""
    response = await person.http.post("/v1/calendars", json={"all": True} | fields)
    assert response.status_code == 201, response.text
    url: str = response.json()["url"]
    return url


async def backend(person: Person, *scopes: str, **fields: Any) -> str:
    """Make an address for Todo-Backend's clients; return its path."""
    asked = {"name": "todos", "kind": "backend", "scopes": scopes or ("tasks:read", "tasks:write"), **fields}
    response = await person.http.post("/v1/tokens", json=asked)
    assert response.status_code == 201, response.text
    return f"/todo-backend/{response.json()['token']}"
