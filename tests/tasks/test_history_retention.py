"""How long the log of changes is kept, what an export has of it, and that none is left of an erased account."""

import asyncio
import json
from typing import Any

import pytest
from django.core.management import call_command

from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.staff import in_thread
from tests.tasks.test_history import execute, history


async def test_purge_keeps_as_many_days_as_the_setting_says(
    alice: Person, bob: Person, settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANGE_RETENTION_DAYS = 30
    monkeypatch.setattr("todoproject.management.commands.purge.BATCH", 2)
    for person in (alice, bob):
        for number in range(5):
            await person.task(f"Task {number}")
    age = "UPDATE changes SET at = now() - make_interval(days => %s) WHERE user_id = %s AND change_no <= %s"
    execute(age, 31, alice.id, 3)
    execute(age, 29, bob.id, 3)

    await asyncio.to_thread(in_thread, call_command, "purge", "--json")
    removed = json.loads(capsys.readouterr().out)["changes"]

    assert removed >= 3
    assert [entry["change_no"] for entry in await history(alice)] == [5, 4]
    assert len(await history(bob)) == 5


async def test_an_export_holds_the_log_and_an_erased_account_leaves_none(alice: Person) -> None:
    task = await alice.task("Before")
    await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "After"})

    export = (await alice.http.get("/v1/me/export")).json()

    assert [(entry["event"], entry["before"]) for entry in export["history"]] == [
        ("created", None),
        ("updated", {"title": "Before"}),
    ]
    with connect() as session:
        session.execute("SELECT erase_user(%s)", [alice.id])
        assert session.execute("SELECT count(*) FROM changes WHERE user_id = %s", [alice.id]).fetchone() == (0,)
        session.rollback()
        session.execute("DELETE FROM tasks WHERE user_id = %s", [alice.id])
        session.execute("DELETE FROM access_tokens WHERE user_id = %s", [alice.id])
        session.execute("DELETE FROM users WHERE id = %s", [alice.id])
        assert session.execute("SELECT count(*) FROM changes WHERE user_id = %s", [alice.id]).fetchone() == (0,)
        session.rollback()
