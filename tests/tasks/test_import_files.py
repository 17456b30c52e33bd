"""Files over HTTP: into an account and out of it again, in every format."""

import json
from typing import Any

import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.tasks.test_imports import full_account

IMPORTS = "/v1/imports"


async def send(person: Person, content: str | bytes, query: str = "") -> dict[str, Any]:
    answer = await person.http.post(f"{IMPORTS}?{query}", content=content, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return report["created"], report["updated"], report["unchanged"], len(report["left_out"])


async def test_file_is_imported_and_once_more_changes_nothing(alice: Person) -> None:
    answer = await alice.http.post(IMPORTS, content="Buy milk +Home\nCall +Home\n", headers={"Content-Type": "x/y"})

    assert answer.json() == {
        **{"format": "todo.txt", "dry_run": False, "created": 2, "updated": 0, "unchanged": 0, "lists": ["Home"]},
        **{"changed": [], "left_out": [], "actions": [3]},
    }
    assert (answer.headers["Affected"], answer.headers["Change-No"]) == ("3", "3")
    again = await alice.http.post(IMPORTS, content="Buy milk +Home\nCall +Home\n")
    assert counts(again.json()) == (0, 0, 2, 0)
    assert (again.headers["Affected"], again.headers.get("Change-No")) == ("0", None)
    undone = await alice.http.post("/v1/changes/3/undo")
    assert undone.status_code == 200, undone.text


async def test_dry_run_tells_and_writes_nothing(alice: Person) -> None:
    answer = await alice.http.post(f"{IMPORTS}?dry_run=true&list=New", content="Buy milk\n")

    assert counts(answer.json()) == (1, 0, 0, 0)
    assert (answer.json()["dry_run"], answer.json()["lists"]) == (True, ["New"])
    assert (answer.headers["Dry-Run"], answer.headers["Affected"]) == ("true", "2")
    assert "Change-No" not in answer.headers
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []
    assert (await alice.http.get("/v1/lists")).json()["items"] == []


FORMATS = {"json": "export", "csv": "csv", "todo.txt": "todo.txt", "ical": "ical"}


@pytest.mark.parametrize("name", FORMATS)
async def test_export_into_another_account_is_the_same_there(alice: Person, bob: Person, name: str) -> None:
    await full_account(alice)
    await alice.http.patch("/v1/me", json={"timezone": "Asia/Kathmandu"})
    await bob.http.patch("/v1/me", json={"timezone": "Asia/Kathmandu"})
    exported = await alice.http.get(f"/v1/export?format={name}")
    assert exported.status_code == 200, exported.text
    assert "attachment" in exported.headers["Content-Disposition"]

    report = await send(bob, exported.content)

    assert (report["format"], counts(report)) == (FORMATS[name], (8, 0, 0, 0)), report
    assert (report["lists"], report["changed"]) == (["Home, sweet home"], [])
    ours, theirs = [await everything(person) for person in (alice, bob)]
    assert theirs == ours
    assert counts(await send(bob, exported.content)) == (0, 0, 8, 0)
    assert counts(await send(alice, exported.content)) == (0, 0, 8, 0)


async def everything(person: Person) -> dict[str, Any]:
    """Return what a file keeps of an account's tasks, by title; instants of completion to the second."""
    tasks = (await person.http.get("/v1/tasks?limit=200")).json()["items"]
    titles = {task["id"]: task["title"] for task in tasks}
    lists = {row["id"]: row["name"] for row in (await person.http.get("/v1/lists")).json()["items"]}
    kept = ("description", "is_completed", "priority", "labels", "starts_on", "due_on", "due_at", "recurrence")
    return {
        task["title"]: {
            **{name: task[name] for name in (*kept, "occurrence", "reminders")},
            "list": lists.get(task["list_id"]),
            "parent": titles.get(task["parent_id"]),
            "completed": (task["completed_at"] or "")[:10],
        }
        for task in tasks
    }


@pytest.mark.parametrize(
    ("content", "query", "code", "line"),
    [
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:x\n", "", "cut-off", 4),
        ('TYPE,CONTENT\ntask,"Buy\nmilk', "", "cut-off", 2),
        ('{"tasks": [', "", "cut-off", 1),
        ("Buy milk", "format=ical", "no-calendar", 1),
        ("", "format=todoist-csv", "no-columns", 1),
        ("Ärger".encode()[:-5] + b"\xc3", "format=todo.txt", "cut-off", 1),
    ],
)
async def test_file_that_is_not_what_it_says_is_refused_as_a_whole(
    alice: Person, content: str | bytes, query: str, code: str, line: int
) -> None:
    answer = await alice.http.post(f"{IMPORTS}?{query}", content=content)

    assert_problem(answer, 422, "invalid")
    assert (answer.json()["errors"][0]["code"], answer.json().get("line")) == (code, line)
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []


async def test_scopes_and_keys_of_imports_and_exports(alice: Person) -> None:
    writer, reader = await alice.token_for("tasks:write"), await alice.token_for("tasks:read")

    assert (await alice.http.post(IMPORTS, content="Buy milk", headers=writer)).status_code == 200
    assert_problem(await alice.http.post(IMPORTS, content="Buy milk", headers=reader), 403, "scope-missing")
    assert_problem(await alice.http.get("/v1/export", headers=writer), 403, "scope-missing")
    assert json.loads((await alice.http.get("/v1/export", headers=reader)).content)["tasks"][0]["title"] == "Buy milk"
    keyed = await alice.http.post(IMPORTS, content="Buy milk", headers={"Idempotency-Key": "a"})
    assert_problem(keyed, 400, "malformed-request")
    stranger = {"Authorization": "Bearer nobody"}
    refused = await alice.http.post(IMPORTS, content="x" * 2_000_000, headers=stranger)
    assert_problem(refused, 401, "unauthenticated")
    assert refused.headers["Connection"] == "close"
