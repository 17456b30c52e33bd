"""What the last release asks of the database: its statements, kept in the tree and tried on each new schema.

While two versions of the code serve side by side, the older one sends just these. `make statements` writes the copy
anew: on releasing, and not before.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.operations import Operation, operations
from tests.people import Person
from todoproject.database.pool import Pool
from todoproject.database.unit import Parameters, Rows, Statement

COPY = Path(__file__).parent / "statements.json"

# What lists depend on: tests/test_lists.py shows that each works; here they only need to be asked for.
_SORTS = ("created_at", "updated_at", "due", "priority", "title")
_FILTERS = (
    "is_completed=true",
    "priority=high",
    "overdue=true",
    "deleted=true",
    "q=milk",
    "include=total",
    "due_before=2030-01-01",
    "due_after=2020-01-01",
    "created_after=2020-01-01T00:00:00Z",
    "updated_after=2020-01-01T00:00:00Z",
)
# The account's end is the end of its token.
_ENDS = ("DELETE /v1/me", "POST /v1/me/password", "POST /v1/auth/logout")


async def collect(person: Person, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ask for everything that the API does, and return the texts of all statements that took."""
    texts: set[str] = set()
    run = Pool.run

    async def record(pool: Pool, statement: Statement, parameters: Parameters) -> Rows:
        texts.add(statement.text)
        return await run(pool, statement, parameters)

    monkeypatch.setattr(Pool, "run", record)
    await _use_everything(person)
    return sorted(texts)


async def _use_everything(person: Person) -> None:
    for number in range(3):
        await person.task(f"Task {number}")
    for sort in (*_SORTS, *(f"-{name}" for name in _SORTS)):
        page = (await person.http.get(f"/v1/tasks?limit=1&sort={sort}")).json()
        await person.http.get(f"/v1/tasks?limit=1&sort={sort}&cursor={page['next_cursor']}")
    for condition in _FILTERS:
        await person.http.get(f"/v1/tasks?{condition}")
    # What ends the account comes last.
    for operation in sorted(operations(), key=lambda operation: f"{operation.method} {operation.path}" in _ENDS):
        await _call(person, operation)


async def _call(person: Person, operation: Operation) -> httpx.Response:
    path = operation.path
    if "{task_id}" in path:
        path = path.replace("{task_id}", (await person.task())["id"])
    elif "{token_id}" in path:
        made = await person.http.post("/v1/tokens", json={"name": "script", "scopes": ["account"]})
        path = path.replace("{token_id}", made.json()["id"])
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"key-{operation.id}"}
    return await person.http.request(operation.method, path, content=operation.content, headers=headers)


def kept() -> list[str]:
    texts: list[str] = json.loads(COPY.read_text("utf-8"))
    return texts


def keep(texts: list[str]) -> None:
    COPY.write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", "utf-8")


def explain(connection: "psycopg.Connection[tuple[object, ...]]", text: str) -> None:
    """Let PostgreSQL plan each part of a statement, under the role that it is run under. Raises psycopg.Error.

    Planning finds every name, type and signature, and checks the grants; it changes nothing.
    """
    role = re.search(r"set_config\('role', '(\w+)'", text)
    with connection.transaction(force_rollback=True):
        opening, _, query = text.partition(";\n")
        connection.execute("EXPLAIN " + _bound(connection, opening))
        if role is not None:
            connection.execute(f"SET LOCAL ROLE {role[1]}")
        connection.execute("EXPLAIN " + _bound(connection, query))


def _bound(connection: "psycopg.Connection[tuple[object, ...]]", query: str) -> str:
    names: Mapping[str, None] = dict.fromkeys(re.findall(r"%\((\w+)\)s", query))
    return psycopg.ClientCursor(connection).mogrify(query, names)
