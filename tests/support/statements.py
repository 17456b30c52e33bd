"""What the last release asks of the database: its statements, kept in the tree and tried on each new schema.

While two versions of the code serve side by side, the older one sends just these. `make statements` writes the copy
anew: on releasing, and not before.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.http.operations import Operation, operations
from tests.support.people import Person
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Credentials, Parameters, Rows, Statement
from todoproject.database.client.transaction import Outcome, Transaction

Commands = tuple[str, str]
Steps = Sequence[tuple[Statement, Parameters]]

COPY = Path(__file__).parent.parent / "statements.json"

# What lists depend on: tests/tasks/test_lists.py shows that each works; here they only need to be asked for.
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
_ENDS = ("DELETE /v1/me", "POST /v1/me/password", "POST /v1/auth/logout", "POST /v1/auth/logout-everywhere")


async def collect(person: Person, monkeypatch: pytest.MonkeyPatch) -> list[Commands]:
    """Ask for everything that the API does, and return the commands that took, an opening and a query each."""
    found: set[Commands] = set()
    alone, together, each = Pool.execute, Transaction.execute, Transaction.execute_each

    async def record(pool: Pool, statement: Statement, *arguments: Any, **named: Any) -> Rows:
        found.add(_texts(statement))
        return await alone(pool, statement, *arguments, **named)

    async def record_step(transaction: Transaction, statement: Statement, *arguments: Any, **named: Any) -> Rows:
        found.add(_texts(statement))
        return await together(transaction, statement, *arguments, **named)

    async def record_each(
        transaction: Transaction, statements: Steps, credentials: Credentials, **named: Any
    ) -> list[Outcome]:
        found.update(_texts(statement) for statement, _ in statements)
        return await each(transaction, statements, credentials, **named)

    monkeypatch.setattr(Pool, "execute", record)
    monkeypatch.setattr(Transaction, "execute", record_step)
    monkeypatch.setattr(Transaction, "execute_each", record_each)
    await _use_everything(person)
    return sorted(found)


def _texts(statement: Statement) -> Commands:
    return statement.preamble.text.decode() if statement.preamble else "", statement.query.text.decode()


async def _use_everything(person: Person) -> None:
    for number in range(3):
        await person.task(f"Task {number}")
    recurring = await person.task("Series", due_on="2027-01-04", recurrence={"rule": "FREQ=DAILY;UNTIL=20280101"})
    for verb, day in (("complete", "2027-01-04"), ("skip", "2027-01-05")):
        await person.http.post(f"/v1/tasks/{recurring['id']}/{verb}", json={"occurrence": day})
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
    elif "{list_id}" in path:
        path = path.replace("{list_id}", (await person.list())["id"])
    elif "{token_id}" in path:
        made = await person.http.post("/v1/tokens", json={"name": "script", "scopes": ["account"]})
        path = path.replace("{token_id}", made.json()["id"])
    elif "{external_id}" in path or "{name}" in path:
        await person.task(labels=["errand"])
        path = path.replace("{external_id}", "elsewhere").replace("{name}", "errand")
    path = path.replace("{change_no}", "1")
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"key-{operation.id}"}
    return await person.http.request(operation.method, path, content=operation.content, headers=headers)


def kept() -> list[Commands]:
    return [(opening, query) for opening, query in json.loads(COPY.read_text("utf-8"))]


def keep(commands: list[Commands]) -> None:
    COPY.write_text(json.dumps(commands, indent=1, ensure_ascii=False) + "\n", "utf-8")


def explain(connection: "psycopg.Connection[tuple[object, ...]]", commands: Commands) -> None:
    """Let PostgreSQL prepare and plan commands, under the role that they are run under. Raises psycopg.Error.

    That finds every name, type and signature, and checks the grants; it changes nothing.
    """
    opening, query = commands
    role = re.search(r"set_config\('role', '(\w+)'", opening)
    try:
        with connection.transaction(force_rollback=True):
            if opening:
                _plan(connection, "opening", opening)
            if role is not None:
                connection.execute(f"SET LOCAL ROLE {role[1]}")
            _plan(connection, "query", query)
    finally:
        connection.execute("DEALLOCATE ALL")  # they outlive the transaction


def _plan(connection: "psycopg.Connection[tuple[object, ...]]", name: str, command: str) -> None:
    connection.execute(f"PREPARE {name} AS {command}".encode())
    count = max([0, *map(int, re.findall(r"\$(\d+)", command))])
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    connection.execute(f"EXPLAIN EXECUTE {name}{arguments}")
