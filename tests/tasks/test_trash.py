"""Deleted tasks: out of sight, restorable, and gone for good after a while."""

import asyncio
import hashlib
import json
import signal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.processes.commands import new_database, run, start, succeed


async def listed(person: Person, query: str = "") -> list[str]:
    return sorted(task["title"] for task in (await person.http.get(f"/v1/tasks{query}")).json()["items"])


async def test_deleted_task_is_seen_in_the_trash_only(alice: Person) -> None:
    await alice.task("live")
    path = f"/v1/tasks/{(await alice.task('dead'))['id']}"

    assert (await alice.http.delete(path)).status_code == 204

    assert (await listed(alice), await listed(alice, "?deleted=true")) == (["live"], ["dead"])
    (task,) = (await alice.http.get("/v1/tasks?deleted=true")).json()["items"]
    assert task["deleted_at"] is not None
    assert task["version"] == 2
    assert_problem(await alice.http.get(path), 404)
    for method, suffix, body in (("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("POST", "/complete", None)):
        assert_problem(await alice.http.request(method, path + suffix, json=body), 404)


async def test_restored_task_is_as_it_was(alice: Person) -> None:
    task = await alice.task(description="two litres", priority="high", due_on="2026-12-01", is_completed=True)
    path = f"/v1/tasks/{task['id']}"
    await alice.http.delete(path)

    restored = await alice.http.post(f"{path}/restore")

    assert restored.headers["ETag"] == '"3"'
    assert restored.json() == task | {"version": 3, "updated_at": restored.json()["updated_at"]}
    assert (await alice.http.post(f"{path}/restore")).json() == restored.json()
    assert (await alice.http.get(path)).json() == restored.json()


async def test_restoring_what_was_deleted_again_meanwhile_is_told(alice: Person) -> None:
    path = f"/v1/tasks/{(await alice.task())['id']}"
    await alice.http.delete(path)
    await alice.http.post(f"{path}/restore")
    await alice.http.delete(path)

    stale = await alice.http.post(f"{path}/restore", headers={"If-Match": '"2"'})

    assert assert_problem(stale, 412)["task"]["deleted_at"] is not None
    assert (await alice.http.post(f"{path}/restore", headers={"If-Match": '"4"'})).status_code == 200


async def test_trash_is_filtered_and_searched_like_any_list(alice: Person) -> None:
    for title, priority in (("Buy milk", "high"), ("Buy bread", "low")):
        task = await alice.task(title, priority=priority)
        await alice.http.delete(f"/v1/tasks/{task['id']}")
    await alice.task("Buy milk too", priority="high")

    assert await listed(alice, "?deleted=true&priority=high&sort=title&include=total") == ["Buy milk"]
    assert await listed(alice, "?deleted=true&q=bread") == ["Buy bread"]
    assert await listed(alice, "?q=milk") == ["Buy milk too"]


# --- Purge ----------------------------------------------------------------------------------------


async def run_purge(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command in a thread, where the synchronous ORM is allowed, and return what it prints."""

    def run() -> None:
        call_command("purge", *arguments)
        connection.close()

    capsys.readouterr()
    await asyncio.to_thread(run)
    return capsys.readouterr().out


async def purge(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(await run_purge(capsys, "--json", *arguments))


def done(tasks: int, *, dry_run: bool = False) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "tasks": tasks,
        "lists": 0,
        "tokens": 0,
        "mail_codes": 0,
        "email_changes": 0,
        "stored_answers": 0,
        "stream_tickets": 0,
        "reminders": 0,
        "webhook_deliveries": 0,
        "sessions": 0,
        "audit_events": 0,
        "changes": 0,
    }


def age(person: Person, days: int) -> None:
    """Let the person's deleted tasks have been deleted that long ago."""
    with connect() as direct:
        direct.execute(
            "UPDATE tasks SET deleted_at = deleted_at - make_interval(days => %s) WHERE user_id = %s", [days, person.id]
        )


async def deleted(person: Person, count: int) -> list[str]:
    paths = [f"/v1/tasks/{(await person.task(f'Task {number}'))['id']}" for number in range(count)]
    for path in paths:
        await person.http.delete(path)
    return paths


async def test_purge_removes_what_was_deleted_long_ago_and_nothing_else(
    alice: Person, bob: Person, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("todoproject.management.commands.purge.BATCH", 2)  # so that three make two batches
    await purge(capsys)
    old, young, live = await deleted(alice, 3), await deleted(bob, 1), await bob.task("live")
    age(alice, 31)
    age(bob, 29)

    assert await purge(capsys, "--dry-run") == done(3, dry_run=True)
    assert await purge(capsys) == done(3)
    assert await purge(capsys) == done(0)

    assert_problem(await alice.http.post(f"{old[0]}/restore"), 404)
    assert (await bob.http.post(f"{young[0]}/restore")).status_code == 200
    assert (await bob.http.get(f"/v1/tasks/{live['id']}")).json() == live
    # The id is free again.
    again = await alice.http.put(old[0], json={"title": "Again"}, headers={"If-None-Match": "*"})
    assert again.status_code == 201


async def test_purge_keeps_to_the_setting(alice: Person, capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    await deleted(alice, 1)
    age(alice, 29)
    settings.TASK_RETENTION_DAYS = 28

    assert (await purge(capsys))["tasks"] == 1


async def test_purge_waits_for_nobody(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that is being restored at this moment is locked, so it is left for the next run, which finds it live."""
    (path,) = await deleted(alice, 1)
    age(alice, 31)

    with connect() as direct:
        direct.execute("UPDATE tasks SET deleted_at = NULL WHERE user_id = %s", [alice.id])
        assert (await purge(capsys))["tasks"] == 0
    assert (await purge(capsys))["tasks"] == 0

    assert (await alice.http.get(path)).status_code == 200


async def test_purge_removes_tokens_that_ended_long_ago(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await purge(capsys)
    with connect() as direct:
        for days, column in ((31, "revoked_at"), (31, "expires_at"), (29, "revoked_at")):
            direct.execute(
                f"INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes, {column})"
                " VALUES (gen_random_uuid(), %s, 'session', 'x', sha256(gen_random_uuid()::text::bytea),"
                " '{account}', now() - make_interval(days => %s))",
                [alice.id, days],
            )

    assert await purge(capsys) == done(0) | {"tokens": 2}
    assert (await alice.http.get("/v1/me")).status_code == 200


async def test_purge_tells_how_far_it_is(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await deleted(alice, 1)
    age(alice, 31)

    kinds = (
        "0 lists, 0 tokens, 0 mail codes, 0 email changes, 0 stored answers, 0 stream tickets, 0 reminders,"
        " 0 webhook deliveries, 0 sessions"
    )
    assert await run_purge(capsys) == f"  tasks: 1\nRemoved 1 tasks, {kinds}, 0 audit events, 0 changes.\n"


async def test_expired_codes_and_answers_are_purged(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await alice.http.post("/v1/tasks", json={"title": "x"}, headers={"Idempotency-Key": "old"})
    await alice.http.post("/v1/tasks", json={"title": "x"}, headers={"Idempotency-Key": "new"})
    with connect() as connection:
        connection.execute(
            "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE user_id = %s"
            " AND key_digest = sha256('old')",
            [alice.id],
        )
        connection.execute(
            "INSERT INTO email_links (id, purpose, email, digest, password, created_at, expires_at) VALUES"
            " (gen_random_uuid(), 'reset', %s, sha256(%s), '', now(), now() - interval '1 second')",
            [alice.email, alice.id.encode()],
        )
        for key, moment in (("old", "now() - interval '1 second'"), ("new", "now() + interval '1 hour'")):
            query = f"INSERT INTO django_session (session_key, session_data, expire_date) VALUES (%s, '', {moment})"
            connection.execute(query, [f"{key} {alice.id}"[:40]])

    await purge(capsys)

    with connect() as connection:
        kept = connection.execute("SELECT key_digest FROM idempotency_keys WHERE user_id = %s", [alice.id]).fetchall()
        codes = connection.execute("SELECT count(*) FROM email_links WHERE email = %s", [alice.email]).fetchone()
        sessions = connection.execute(
            "SELECT session_key FROM django_session WHERE session_key LIKE '%% ' || %s || '%%'", [alice.id[:20]]
        )
        assert sessions.fetchall() == [(f"new {alice.id}"[:40],)]
    assert kept == [(hashlib.sha256(b"new").digest(),)]
    assert codes == (0,)


def test_purge_of_a_database_without_tables_says_what_to_do(postgres: None) -> None:
    with new_database("empty") as name:
        code, output, errors = run("purge", database=name)

    assert (code, output) == (1, "")
    assert errors == "todoproject: the schema is absent or older than this code: run `python manage.py migrate`\n"


def test_interrupted_purge_ends_quietly_and_keeps_what_is_done(postgres: None) -> None:
    """Its first batch waits for a lock on the table; Ctrl-C then is no traceback."""
    with new_database("purged") as name:
        succeed("migrate", "-v0", database=name)
        with connect(name) as holder:
            holder.execute("LOCK TABLE tasks")
            process = start("purge", database=name)
            with connect(name, autocommit=True) as watcher:
                waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                while watcher.execute(waits).fetchone() is None:
                    assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)

    assert (process.returncode, errors) == (130, "todoproject: interrupted\n")
