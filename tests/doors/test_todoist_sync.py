"""`/sync` through Todoist's door: the whole account, what has changed since, and commands done once."""

import json
import uuid
from typing import Any

import pytest

from doors.todoist import sync
from tasks.queries import cursors
from tasks.queries.cursors import Position
from tests.support.people import Person

SYNC = "/api/v1/sync"


async def _sync(person: Person, token: str | None = None, *commands: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"sync_token": token or "*", "resource_types": ["all"], "commands": [*commands], **more}
    response = await person.http.post(SYNC, json=asked)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _command(type: str, temp_id: str | None = None, **args: Any) -> dict[str, Any]:
    command = {"type": type, "uuid": str(uuid.uuid4()), "args": args}
    return command | ({"temp_id": temp_id} if temp_id else {})


async def test_a_star_is_the_account_as_its_owner_sees_it(alice: Person) -> None:
    home, old = await alice.list("Home"), await alice.list("Old")
    task = await alice.task(list_id=home["id"], labels=["a"])
    await alice.task(list_id=old["id"])
    done, gone = await alice.task(), await alice.task()
    await alice.http.post(f"/v1/tasks/{done['id']}/complete")
    await alice.http.delete(f"/v1/tasks/{gone['id']}")
    await alice.http.patch(f"/v1/lists/{old['id']}", json={"is_archived": True})

    whole = await _sync(alice)

    assert whole["full_sync"]
    assert [item["id"] for item in whole["items"]] == [task["id"]]
    assert [project["name"] for project in whole["projects"]] == ["Inbox", "Home"]
    assert [label["name"] for label in whole["labels"]] == ["a"]
    assert whole["sections"] == whole["notes"] == []


async def test_a_token_gives_what_has_changed_since(alice: Person) -> None:
    kept, gone = await alice.task("kept"), await alice.task("gone")
    token = (await _sync(alice))["sync_token"]
    await alice.http.post(f"/v1/tasks/{kept['id']}/complete")
    await alice.http.delete(f"/v1/tasks/{gone['id']}")

    since = await _sync(alice, token)

    assert not since["full_sync"]
    assert [(item["id"], item["checked"], item["is_deleted"]) for item in since["items"]] == [
        (kept["id"], True, False),
        (gone["id"], False, True),
    ]
    assert since["items"][0].keys() == since["items"][1].keys()
    assert (await _sync(alice, since["sync_token"]))["items"] == []


async def test_a_token_that_is_too_old_gives_the_whole_account(alice: Person) -> None:
    task = await alice.task()
    too_far = cursors.write(Position(alice.id, ["9000000", "0"], {}), ("changes",))

    answer = await _sync(alice, too_far)

    assert answer["full_sync"]
    assert [item["id"] for item in answer["items"]] == [task["id"]]
    assert (await alice.http.post(SYNC, json={"sync_token": "made-up", "resource_types": ["items"]})).status_code == 400


async def test_only_the_kinds_that_are_asked_for_are_told(alice: Person) -> None:
    assert (await _sync(alice, resource_types=["projects", "notes"])).keys() == {
        "full_sync",
        "sync_token",
        "projects",
        "notes",
    }
    assert "items" not in await _sync(alice, resource_types=["all", "-items"])
    nothing = await _sync(alice, "kept", resource_types=[])
    assert nothing == {"full_sync": False, "sync_token": "kept"}


async def test_commands_are_done_in_their_order_with_temporary_ids(alice: Person) -> None:
    commands = [
        _command("project_add", "p", name="Home", color="red"),
        _command("item_add", "t", content="Call", project_id="p", priority=4, due={"date": "2026-12-01"}),
        _command("item_add", "c", content="Dial", parent_id="t"),
        _command("item_update", id="t", content="Call home", due=None),
        _command("item_complete", id="c", date_completed="2026-01-02T08:00:00Z"),
    ]

    answer = await _sync(alice, "*", *commands)

    ids = answer["temp_id_mapping"]
    assert answer["sync_status"] == {command["uuid"]: "ok" for command in commands}
    (task,) = answer["items"]
    assert (task["id"], task["content"], task["project_id"], task["due"]) == (ids["t"], "Call home", ids["p"], None)
    assert (await alice.http.get(f"/v1/tasks/{ids['c']}")).json()["completed_at"] == "2026-01-02T08:00:00.000000Z"


async def test_a_repeated_command_is_done_once_and_answers_the_same(alice: Person) -> None:
    command = _command("item_add", "t", content="Once")

    first, second = await _sync(alice, "*", command), await _sync(alice, "*", command)

    assert first["temp_id_mapping"] == second["temp_id_mapping"]
    assert len(second["items"]) == 1
    reused = command | {"args": {"content": "Other"}}
    status = (await _sync(alice, "*", reused))["sync_status"][command["uuid"]]
    assert status["error_tag"] == "IDEMPOTENCY_KEY_REUSED"


async def test_what_fails_is_told_and_the_others_are_done(alice: Person) -> None:
    task = await alice.task()
    commands = [
        _command("item_delete", id=str(uuid.uuid4())),
        _command("note_add", content="x"),
        _command("item_add", content=""),
        _command("item_move", id=task["id"], project_id="inbox", section_id="1"),
        _command("item_close", id=task["id"]),
    ]

    status = (await _sync(alice, "*", *commands))["sync_status"]

    told = [status[command["uuid"]] for command in commands]
    assert [each if each == "ok" else each["http_code"] for each in told] == [404, 404, 400, 400, "ok"]
    assert told[1]["error_tag"] == "NOT_SUPPORTED"


async def test_every_command_does_what_it_says(alice: Person) -> None:
    home, task = await alice.list("Home"), await alice.task(labels=["a"])

    async def run(type: str, **args: Any) -> None:
        command = _command(type, **args)
        assert (await _sync(alice, "*", command))["sync_status"] == {command["uuid"]: "ok"}

    async def ours() -> dict[str, Any]:
        found: dict[str, Any] = (await alice.http.get(f"/v1/tasks/{task['id']}")).json()
        return found

    await run("item_move", id=task["id"], project_id=home["id"])
    assert (await ours())["list_id"] == home["id"]
    await run("item_close", id=task["id"])
    await run("item_uncomplete", id=task["id"])
    assert not (await ours())["is_completed"]
    await run("label_rename", name_old="a", name_new="b")
    await run("label_update", id="Yg", name="c")
    assert (await ours())["labels"] == ["c"]
    await run("label_delete", id="Yw")
    assert (await ours())["labels"] == []
    await run("project_update", id=home["id"], name="House")
    await run("project_archive", id=home["id"])
    await run("project_unarchive", id=home["id"])
    assert (await alice.http.get(f"/v1/lists/{home['id']}")).json()["name"] == "House"
    await run("project_delete", id=home["id"])
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).status_code == 404


async def test_a_due_of_a_command_is_its_date_or_its_words(alice: Person) -> None:
    dues = [
        {"date": "2026-12-01", "string": "2026-12-01", "is_recurring": False},
        {"date": "2026-12-01T09:00:00Z", "timezone": "Europe/Berlin"},
        {"string": "2026-12-01"},
        {"string": "no date"},
        {"date": "2026-12-01T09:00:00", "timezone": "Europe/Berlin"},
        {"string": "tomorrow"},
        {"date": "2026-12-01", "string": "every day", "is_recurring": True},
    ]
    commands = [_command("item_add", content=str(number), due=due) for number, due in enumerate(dues)]

    answer = await _sync(alice, None, *commands)

    told = [answer["sync_status"][command["uuid"]] for command in commands]
    assert [each if each == "ok" else each["http_code"] for each in told] == ["ok"] * 4 + [400] * 3
    found = {item["content"]: item["due"] and item["due"]["date"] for item in answer["items"]}
    assert found == {"0": "2026-12-01", "1": "2026-12-01T09:00:00Z", "2": "2026-12-01", "3": None}


async def test_a_series_is_postponed_as_it_was_given_and_not_changed_by_words(alice: Person) -> None:
    series = await alice.task(due_on="2026-12-01", recurrence={"rule": "FREQ=DAILY"})
    (item,) = (await _sync(alice))["items"]
    postponed = _command("item_update", id=series["id"], due={**item["due"], "date": "2026-12-03"})
    changed = _command("item_update", id=series["id"], due={**item["due"], "string": "every week"})

    answer = await _sync(alice, None, postponed, changed)

    assert answer["sync_status"][postponed["uuid"]] == "ok"
    assert answer["sync_status"][changed["uuid"]]["error_extra"]["errors"][0]["code"] == "plain_english"
    assert answer["items"][0]["due"] == {**item["due"], "date": "2026-12-03"}


async def test_a_form_is_taken_as_well(alice: Person) -> None:
    form = {
        "sync_token": "*",
        "resource_types": '["items"]',
        "commands": json.dumps([_command("item_add", content="A")]),
    }

    answer = await alice.http.post(SYNC, data=form)

    assert [item["content"] for item in answer.json()["items"]] == ["A"]


@pytest.mark.parametrize("form", ["commands=%7B", "a=1&a=2", "sync_token=%ff", "&".join(f"a{n}=" for n in range(20))])
async def test_a_form_that_is_none_is_refused(alice: Person, form: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert (await alice.http.post(SYNC, content=form, headers=headers)).status_code == 400


async def test_an_account_that_is_too_large_is_refused_with_the_reason(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doors.todoist.sync.MOST", 1)
    await alice.task()
    await alice.task()

    refused = await alice.http.post(SYNC, json={"sync_token": "*", "resource_types": ["items"]})

    assert (refused.status_code, refused.json()["error_tag"]) == (413, "TOO_LARGE")


async def _titles(person: Person) -> list[str]:
    return [task["title"] for task in (await person.http.get("/v1/tasks")).json()["items"]]


async def test_what_cannot_be_answered_is_refused_before_anything_is_done(alice: Person) -> None:
    add = _command("item_add", content="Buy milk")
    asked = {"resource_types": ["all"], "commands": [add]}
    blind = await alice.token_for("tasks:write")

    forged = await alice.http.post(SYNC, json=asked | {"sync_token": "garbage"})
    unread = await alice.http.post(SYNC, json=asked | {"sync_token": "*"}, headers=blind)
    twice = await alice.http.post(SYNC, json={"commands": [add, add | {"args": {"content": "Buy oats"}}]})

    assert [each.status_code for each in (forged, unread, twice)] == [400, 403, 400]
    assert await _titles(alice) == []


async def test_a_command_says_when_a_task_is_due_in_one_way(alice: Person) -> None:
    add = _command("item_add", content="Buy milk", due={"date": "2026-12-01"}, due_date="2026-12-02")
    refused = (await _sync(alice, None, add))["sync_status"][add["uuid"]]
    assert (refused["http_code"], refused["error_extra"]["errors"][0]["code"]) == (400, "one_due")
    assert await _titles(alice) == []


async def test_a_label_that_is_not_there_is_not_changed(alice: Person) -> None:
    changes = [_command("label_update", id="YQ"), _command("label_update", id="nothing!")]
    status = (await _sync(alice, None, *changes))["sync_status"]
    assert [status[change["uuid"]]["http_code"] for change in changes] == [404, 404]
    await alice.task(labels=["a"])
    again = _command("label_update", id="YQ")
    assert (await _sync(alice, None, again))["sync_status"] == {again["uuid"]: "ok"}


async def test_an_answer_has_so_many_bytes(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await _sync(alice))["sync_token"]
    for number in range(3):
        await alice.task(str(number), description="d" * 5000)
    monkeypatch.setattr(sync, "MOST_BYTES", 10_000)
    monkeypatch.setattr(sync, "_FEWER", 2)

    whole = await alice.http.post(SYNC, json={"sync_token": "*", "resource_types": ["all"]})
    first = await _sync(alice, token)
    second = await _sync(alice, first["sync_token"])

    assert whole.status_code == 413
    assert [[item["content"] for item in each["items"]] for each in (first, second)] == [["0", "1"], ["2"]]
