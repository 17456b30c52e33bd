"""Files over HTTP: into an account and out of it again, in every format."""

import json
from typing import Any

import pytest

from tasks.queries import import_account, import_files
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_imports import credentials, full_account

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
        "format": "todo.txt",
        "dry_run": False,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "lists": ["Home"],
        "changed": [],
        "left_out": [],
        "actions": [3],
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
    if name == "todo.txt":  # it knows the day of completion, by the owner's zone
        assert (ours["Paid"].pop("completed"), theirs["Paid"].pop("completed")) == ("2026-11-20", "2026-11-21")
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
        ("Ärger Ä".encode()[:-1], "format=todo.txt", "cut-off", 1),
    ],
)
async def test_file_that_is_not_what_it_says_is_refused_as_a_whole(
    alice: Person, content: str | bytes, query: str, code: str, line: int
) -> None:
    answer = await alice.http.post(f"{IMPORTS}?{query}", content=content)

    assert assert_problem(answer, 422)["code"] == "invalid"
    assert (answer.json()["errors"][0]["code"], answer.json().get("line")) == (code, line)
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []


async def test_scopes_and_keys_of_imports_and_exports(alice: Person) -> None:
    writer, reader = await alice.token_for("tasks:write"), await alice.token_for("tasks:read")

    assert (await alice.http.post(IMPORTS, content="Buy milk", headers=writer)).status_code == 200
    assert (
        assert_problem(await alice.http.post(IMPORTS, content="Buy milk", headers=reader), 403)["code"]
        == "scope-missing"
    )
    assert assert_problem(await alice.http.get("/v1/export", headers=writer), 403)["code"] == "scope-missing"
    assert json.loads((await alice.http.get("/v1/export", headers=reader)).content)["tasks"][0]["title"] == "Buy milk"
    keyed = await alice.http.post(IMPORTS, content="Buy milk", headers={"Idempotency-Key": "a"})
    assert assert_problem(keyed, 400)["code"] == "malformed-request"
    stranger = {"Authorization": "Bearer nobody"}
    refused = await alice.http.post(IMPORTS, content="x" * 2_000_000, headers=stranger)
    assert assert_problem(refused, 401)["code"] == "unauthenticated"
    assert refused.headers["Connection"] == "close"


async def test_one_import_at_a_time_for_an_account(alice: Person, bob: Person) -> None:
    await import_account.begin(credentials(alice))

    refused = await alice.http.post(IMPORTS, content="Buy milk")
    assert assert_problem(refused, 409)["code"] == "import-running"
    assert refused.headers["Retry-After"] == "5"
    assert counts(await send(alice, "Buy milk", "dry_run=true")) == (1, 0, 0, 0)  # it writes nothing
    assert counts(await send(bob, "Buy milk")) == (1, 0, 0, 0)
    # Whoever was interrupted keeps others out until its time is over, and not for ever.
    with connect(autocommit=True) as session:
        session.execute("UPDATE imports_running SET ends_at = now() - interval '1 s' WHERE user_id = %s", [alice.id])
    assert counts(await send(alice, "Buy milk")) == (1, 0, 0, 0)
    assert counts(await send(alice, "Call")) == (1, 0, 0, 0)
    refused = await alice.http.post(IMPORTS, content='{"tasks": [')  # a file that is refused lets go, too
    assert refused.status_code == 422
    assert counts(await send(alice, "Write")) == (1, 0, 0, 0)


async def test_one_dry_run_at_a_time_for_an_account_and_process(alice: Person, bob: Person) -> None:
    """Reading a file is processor time that everybody else of the process waits for."""
    import_files.dry_runs.add(alice.id)
    try:
        refused = await alice.http.post(f"{IMPORTS}?dry_run=true", content="Buy milk")
        assert assert_problem(refused, 409)["code"] == "import-running"
        assert counts(await send(bob, "Buy milk", "dry_run=true")) == (1, 0, 0, 0)
        assert counts(await send(alice, "Buy milk")) == (1, 0, 0, 0)
    finally:
        import_files.dry_runs.discard(alice.id)
    for _ in range(2):
        assert (await alice.http.post(f"{IMPORTS}?dry_run=true", content='{"tasks": [')).status_code == 422
    assert counts(await send(alice, "Buy milk", "dry_run=true")) == (0, 0, 1, 0)


async def test_file_that_is_too_large_is_refused_while_it_is_read(alice: Person) -> None:
    refused = await alice.http.post(IMPORTS, content=b"x" * (16 * 2**20 + 1))

    assert assert_problem(refused, 413)["detail"] == "The body is larger than 16 MiB."
    assert refused.headers["Connection"] == "close"
    assert counts(await send(alice, b"Buy milk\n" + b"\n" * 2**21)) == (1, 0, 0, 0)


async def test_file_that_is_compressed_is_refused_unread(alice: Person) -> None:
    refused = await alice.http.post(IMPORTS, content=b"Buy milk", headers={"Content-Encoding": "gzip"})

    assert assert_problem(refused, 415)["code"] == "unsupported-media-type"
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []
    stranger = {"Authorization": "Bearer nobody", "Content-Encoding": "gzip"}
    assert (await alice.http.post(IMPORTS, content=b"Buy milk", headers=stranger)).status_code == 401


@pytest.mark.parametrize("external_id", ["a\nEND:VTODO", "a\rX-FOO:b", "a;b,c\\n"])
async def test_calendar_is_exported_whatever_an_external_id_holds(alice: Person, external_id: str) -> None:
    await alice.task(external_id=external_id)

    exported = await alice.http.get("/v1/export?format=ical")

    assert exported.content.endswith(b"END:VTODO\r\nEND:VCALENDAR\r\n")
    assert b"\r" not in exported.content.replace(b"\r\n", b"")
    assert counts(await send(alice, exported.content, "dry_run=true"))[0] == 0
