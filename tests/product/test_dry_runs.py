"""Dry runs: every write of tasks, lists, labels and changes answers what would happen, and nothing does."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from accounts.models import Scope
from tests.support.http.operations import Operation, operations
from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.database.client.statement import Statement
from todoproject.database.client.trial import trial
from todoproject.database.errors import ConstraintViolated
from todoproject.http import activity
from todoproject.openapi.document import TRIED_BY_ITSELF

CHANGING = {"tasks", "lists", "labels", "changes"}
WRITES = [operation for operation in operations() if operation.method != "GET"]
TRIED = [
    operation
    for operation in WRITES
    if "dry_run" in operation.parameters("query") and operation.id not in TRIED_BY_ITSELF
]
OTHERS = [operation for operation in WRITES if operation not in TRIED and operation.id not in TRIED_BY_ITSELF]
# What differs from one try to the next: ids that are made, times, the numbers of versions and changes, places.
_PROVISIONAL = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z|\"(version|change_no)\":\d+|W?/?\"\d+\"|\"position\":\"\w+\""
)


def by_id(found: list[Operation]) -> Any:
    return pytest.mark.parametrize("operation", found, ids=[operation.id for operation in found])


def dump(*, but: tuple[str, ...] = ()) -> dict[str, tuple[Any, ...]]:
    """Return how many rows each table has, and the newest transaction that one was written by.

    A row that is made, changed, or written anew as it was makes the newest newer; one that is removed is one less.
    """
    with connect(autocommit=True) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename), tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        ).fetchall()
        return {name: _rows(connection, name) for name, bare in tables if bare not in but}


def _rows(connection: "psycopg.Connection[tuple[Any, ...]]", table: str) -> tuple[Any, ...]:
    (found,) = connection.execute(f"SELECT count(*), max(xmin::text::bigint) FROM {table}").fetchall()
    return found


class Things:
    """What the operations are about."""

    def __init__(self, person: Person) -> None:
        self.person = person

    async def make(self) -> None:
        person = self.person
        there = await person.list()
        self.list_id, self.other_list = there["id"], (await person.list("Other"))["id"]
        parent = await person.task("Parent", list_id=self.list_id, labels=["home"], external_id="theirs")
        self.task_id = parent["id"]
        await person.task("Child", parent_id=self.task_id)
        answer = await person.http.patch(f"/v1/tasks/{self.task_id}", json={"priority": "high"})
        self.change_no = answer.headers["Change-No"]
        self.series = (await person.task("Daily", due_on="2026-12-01", recurrence={"rule": "FREQ=DAILY"}))["id"]
        self.completed = (await person.task("Done", is_completed=True))["id"]
        self.deleted = (await person.task("Gone"))["id"]
        await person.http.delete(f"/v1/tasks/{self.deleted}")
        self.deleted_list = (await person.list("Gone, too"))["id"]
        await person.http.delete(f"/v1/lists/{self.deleted_list}")

    def request(self, operation: Operation, **more: Any) -> dict[str, Any]:
        """Return a request that the operation answers with a success."""
        name, body = operation.id, operation.body
        task = {"skip_task": self.series, "restore_task": self.deleted, "reopen_task": self.completed}.get(
            name, self.task_id
        )
        there = {"restore_list": self.deleted_list}.get(name, self.list_id)
        values = {"task_id": task, "list_id": there, "change_no": self.change_no, "name": "home"}
        values["external_id"] = "theirs"
        path = re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), operation.path)
        query = {required: values.get(required, "home") for required in operation.required_query}
        headers = {}
        if name in ("put_task", "put_list"):
            headers["If-Match"] = "*"
        if name == "delete_list":
            query["tasks"] = "delete"
        if name in _BODIES:
            body = _BODIES[name](self)
        return {"method": operation.method, "url": path, "json": body, "params": query | more, "headers": headers}


_BODIES: dict[str, Any] = {
    "create_task": lambda _: {"title": "New"},
    "put_task": lambda _: {"title": "Replaced"},
    "patch_task": lambda _: {"title": "Changed"},
    "put_task_by_external_id": lambda _: {"title": "Replaced"},
    "put_task_by_external_id_parameter": lambda _: {"title": "Replaced"},
    "patch_task_by_external_id": lambda _: {"title": "Changed"},
    "patch_task_by_external_id_parameter": lambda _: {"title": "Changed"},
    "move_task": lambda things: {"list_id": things.other_list},
    "move_list": lambda things: {"after": things.other_list},
    "complete_task": lambda _: {},
    "skip_task": lambda _: {"occurrence": "2026-12-01"},
    "batch_tasks": lambda things: {
        "operations": [
            {"op": "create", "data": {"title": "New"}},
            {"op": "complete", "id": things.series, "data": {"occurrence": "2026-12-01"}},
            {"op": "delete", "id": things.task_id},
        ]
    },
    "rename_label": lambda _: {"name": "house"},
    "rename_label_by_parameter": lambda _: {"name": "house"},
    "change_labels": lambda _: {"add": ["new"]},
}


async def ask(person: Person, request: dict[str, Any], **headers: str) -> httpx.Response:
    headers = {**request["headers"], **headers}
    rest = {name: value for name, value in request.items() if name not in ("method", "url", "headers")}
    if rest["json"] is None:
        del rest["json"]
    return await person.http.request(request["method"], request["url"], headers=headers, **rest)


def plain(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, _PROVISIONAL.sub("#", answer.text)


def test_what_writes_tasks_lists_and_labels_has_a_dry_run_and_nothing_else_does() -> None:
    expected = {operation.id for operation in WRITES if CHANGING & {*operation.details["tags"]}} - TRIED_BY_ITSELF
    assert {operation.id for operation in TRIED} == expected
    assert len(TRIED) > 20


@by_id(TRIED)
async def test_dry_run_answers_what_then_happens_and_does_nothing(operation: Operation, alice: Person) -> None:
    things = Things(alice)
    await things.make()
    before = dump()

    tried = await ask(alice, things.request(operation, dry_run="true"))

    assert dump() == before
    assert tried.is_success, tried.text
    assert operation.conforms(tried)
    assert tried.headers["Dry-Run"] == "true"
    assert "Change-No" not in tried.headers
    preferred = await ask(alice, things.request(operation), Prefer="dry-run")
    assert preferred.headers["Preference-Applied"] == "dry-run"
    assert dump() == before

    done = await ask(alice, things.request(operation))

    assert dump() != before
    assert "Dry-Run" not in done.headers
    if operation.id == "batch_tasks":  # no number that could be undone is told
        assert {result["change_no"] for result in tried.json()["results"]} == {None}
        assert all(result["change_no"] for result in done.json()["results"])
        tried, preferred, done = (_without_numbers(answer) for answer in (tried, preferred, done))
    assert plain(tried) == plain(preferred) == plain(done)
    assert tried.headers["Affected"] == done.headers["Affected"] != "0"


def _without_numbers(answer: httpx.Response) -> httpx.Response:
    text = re.sub(r'"change_no":(null|\d+)', "", answer.text)
    return httpx.Response(answer.status_code, text=text, headers={"Affected": answer.headers["Affected"]})


@by_id(OTHERS)
async def test_what_has_no_dry_run_refuses_to_write(operation: Operation, alice: Person) -> None:
    path = re.sub(r"\{\w+\}", "0197c2d5-5a44-7abc-8def-000000000000", operation.path)
    before = dump(but=("access_tokens",))  # whose use is noted

    for asked in ({"params": {"dry_run": "true"}}, {"headers": {"Prefer": "respond-async, dry-run; a=1"}}):
        answer = await alice.http.request(operation.method, path, json=operation.body, **asked)  # type: ignore[arg-type]
        assert answer.status_code == 422, answer.text
        assert {error["code"] for error in answer.json()["errors"]} <= {"unknown", "no_dry_run"}

    assert dump(but=("access_tokens",)) == before
    tokens = (await alice.http.get("/v1/tokens")).json()["items"]
    assert len(tokens) == 1


async def test_what_reads_the_parameter_itself_refuses_the_preference(alice: Person) -> None:
    """It must not be passed over: it would then write."""
    before = dump(but=("access_tokens",))
    for operation in (each for each in WRITES if each.id in TRIED_BY_ITSELF):
        refused = await alice.http.request(
            operation.method, operation.path, content=b"Buy milk", headers={"Prefer": "dry-run"}
        )
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "no_dry_run")
        assert "dry_run=true" in refused.json()["detail"]
    assert dump(but=("access_tokens",)) == before


async def test_dry_run_is_refused_for_what_the_write_would_be(alice: Person, charlie: Person) -> None:
    task = await alice.task()
    path = f"/v1/tasks/{task['id']}"
    before = [task]

    for person, changes, headers, status in (
        (alice, {"title": ""}, {}, 422),
        (alice, {"title": "x"}, {"If-Match": '"77"'}, 412),
        (alice, {"list_id": "0197c2d5-5a44-7abc-8def-000000000000"}, {}, 422),
        (charlie, {"title": "x"}, {}, 404),
    ):
        tried = await person.http.patch(path, params={"dry_run": "true"}, json=changes, headers=headers)
        done = await person.http.patch(path, json=changes, headers=headers)
        assert tried.status_code == done.status_code == status
        assert {**tried.json(), "request_id": ""} == {**done.json(), "request_id": ""}

    reading = await alice.token_for(Scope.TASKS_READ)
    refused = await alice.http.patch(path, params={"dry_run": "true"}, json={"title": "x"}, headers=reading)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    assert [(await alice.http.get(path)).json()] == before


async def test_what_only_a_commit_would_notice_is_noticed(alice: Person) -> None:
    """References of tasks are deferred: the check waits for the end of the transaction."""
    await alice.task()
    text = "UPDATE tasks SET parent_id = gen_random_uuid() WHERE user_id = %(user)s"
    statement = Statement.unfenced(text, writes=True)
    with connect() as owner:  # the trigger would notice at once
        owner.execute("ALTER TABLE tasks DISABLE TRIGGER USER")
        owner.commit()
        try:
            with pytest.raises(ConstraintViolated):
                await trial.execute(statement, {"user": alice.id})
        finally:
            owner.execute("ALTER TABLE tasks ENABLE TRIGGER USER")
            owner.commit()


async def test_dry_run_neither_reads_nor_stores_a_key(alice: Person) -> None:
    key = {"Idempotency-Key": "the-same"}
    tried = await alice.http.post("/v1/tasks?dry_run=true", json={"title": "x"}, headers=key)
    assert (tried.status_code, tried.headers.get("Idempotency-Replayed")) == (201, None)

    done = await alice.http.post("/v1/tasks?dry_run=false", json={"title": "x"}, headers=key)
    assert (done.status_code, done.headers.get("Idempotency-Replayed"), "Dry-Run" in done.headers) == (201, None, False)
    malformed = await alice.http.post(
        "/v1/tasks?dry_run=true", json={"title": "x"}, headers={"Idempotency-Key": "x" * 256}
    )
    assert malformed.status_code == 400
    again = await alice.http.post("/v1/tasks", json={"title": "y"}, headers={**key, "Prefer": "dry-run"})
    assert (again.status_code, again.json()["title"]) == (201, "y")
    assert [task["title"] for task in (await alice.http.get("/v1/tasks")).json()["items"]] == ["x"]


async def test_odd_values_are_refused_and_strangers_learn_nothing_of_it(
    alice: Person, client: httpx.AsyncClient
) -> None:
    for odd in ("perhaps", "", "2"):
        for headers in ({}, {"Idempotency-Key": "k"}):
            params = {"dry_run": odd}
            refused = await alice.http.post("/v1/tasks", params=params, json={"title": "x"}, headers=headers)
            assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "dry_run")
            stranger = await client.post("/v1/tasks", params=params, json={"title": "x"}, headers=headers)
            assert stranger.status_code == 401
    assert (await alice.http.get("/v1/tasks?dry_run=true")).status_code == 422
    assert (await alice.http.get("/v1/tasks", headers={"Prefer": "dry-run"})).json()["items"] == []


async def test_nobody_is_told_of_a_dry_run_as_of_a_write(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[bool, str | None]] = []
    monkeypatch.setattr(activity, "listeners", [lambda wrote, owner: told.append((wrote, owner))])

    await alice.http.post("/v1/tasks?dry_run=true", json={"title": "x"})
    await alice.http.post("/v1/imports?dry_run=true", content=b"Buy milk")
    await alice.http.post("/v1/tasks", json={"title": "x"})

    assert told == [(False, None), (False, None), (True, alice.id)]
