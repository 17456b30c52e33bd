"""GET /v1/changes: what has changed since a cursor, and when a cursor is too old. As a whole: test_changes_model.py."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings

from accounts import tokens
from tasks.queries import cursors, feed, live
from tasks.queries.cursors import Position
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.staff import in_thread
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Credentials, Statement


async def changes(person: Person, cursor: str | None = None, **parameters: Any) -> dict[str, Any]:
    response = await person.http.get("/v1/changes", params=parameters | ({"cursor": cursor} if cursor else {}))
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def all_changes(person: Person, cursor: str | None = None, **parameters: Any) -> list[dict[str, Any]]:
    items, has_more = [], True
    while has_more:
        page = await changes(person, cursor, **parameters)
        items, cursor, has_more = [*items, *page["items"]], page["next_cursor"], page["has_more"]
    return items


def execute(statement: Any, *values: Any) -> None:
    with connect(autocommit=True) as direct:
        direct.execute(statement, values)


def purge(task: dict[str, Any], person: Person) -> None:
    execute("DELETE FROM tasks WHERE user_id = %s AND id = %s", person.id, task["id"])


async def is_expired(person: Person, cursor: str) -> bool:
    response = await person.http.get("/v1/changes", params={"cursor": cursor})
    assert response.status_code in (200, 410), response.text
    if response.status_code == 410:
        assert response.json()["code"] == "sync-expired"
    return response.status_code == 410


async def test_each_thing_comes_once_as_it_is_now_in_the_order_of_its_last_change(alice: Person, bob: Person) -> None:
    await bob.task("Not hers")
    in_list = await alice.list("Home")
    first, second = await alice.task("First", list_id=in_list["id"]), await alice.task("Second")
    first = (await alice.http.patch(f"/v1/tasks/{first['id']}", json={"title": "Later"})).json()

    page = await changes(alice)

    numbers = [item.pop("change_no") for item in page["items"]]
    assert numbers == [1, 3, 4]
    assert page["items"] == [
        {"kind": "list", "id": in_list["id"], "deleted": False, "list": in_list},
        {"kind": "task", "id": second["id"], "deleted": False, "task": second},
        {"kind": "task", "id": first["id"], "deleted": False, "task": first},
    ]
    assert page["has_more"] is False


async def test_a_cursor_goes_on_from_where_the_page_ended(alice: Person) -> None:
    tasks = [await alice.task(f"Task {number}") for number in range(5)]
    lists = [await alice.list(f"List {number}") for number in range(3)]

    for limit in (1, 3, 8, 500):
        items = await all_changes(alice, limit=limit)
        assert [item["id"] for item in items] == [thing["id"] for thing in (*tasks, *lists)]
    end = (await changes(alice))["next_cursor"]
    assert (await changes(alice, end))["items"] == []
    completed = (await alice.http.post(f"/v1/tasks/{tasks[1]['id']}/complete")).json()
    assert completed.pop("completed") is None  # only what recurs leaves a copy
    assert [item["task"] for item in await all_changes(alice, end)] == [completed]


async def test_what_is_deleted_comes_as_a_tombstone_and_what_is_restored_as_itself(alice: Person) -> None:
    task, in_list = await alice.task(), await alice.list()
    cursor = (await changes(alice))["next_cursor"]
    await alice.http.delete(f"/v1/tasks/{task['id']}")
    await alice.http.delete(f"/v1/lists/{in_list['id']}")

    gone = [{**item, "change_no": 0} for item in await all_changes(alice, cursor)]
    assert gone == [
        {"kind": "task", "change_no": 0, "id": task["id"], "deleted": True, "task": None},
        {"kind": "list", "change_no": 0, "id": in_list["id"], "deleted": True, "list": None},
    ]
    restored = (await alice.http.post(f"/v1/tasks/{task['id']}/restore")).json()
    assert restored in [item.get("task") for item in await all_changes(alice, cursor)]


async def test_now_is_a_cursor_for_what_comes_from_here_on(alice: Person) -> None:
    await alice.task("Before")
    page = await changes(alice, "now")
    assert (page["items"], page["has_more"]) == ([], False)

    after = await alice.task("After")

    assert [item["task"] for item in await all_changes(alice, page["next_cursor"])] == [after]


async def test_somebody_without_anything_has_a_cursor_too(alice: Person) -> None:
    page = await changes(alice)
    assert (page["items"], page["has_more"]) == ([], False)

    task = await alice.task()

    assert [item["task"] for item in await all_changes(alice, page["next_cursor"])] == [task]


# --- Cursors that are none ------------------------------------------------------------------------


async def test_a_cursor_of_others_or_of_another_list_is_400(alice: Person, bob: Person) -> None:
    await alice.task()
    await alice.task()
    theirs = (await changes(bob))["next_cursor"]
    of_list = (await alice.http.get("/v1/tasks?limit=1")).json()["next_cursor"]
    own = (await changes(alice))["next_cursor"]

    for cursor in (theirs, of_list, own[:-1], own + "x", "none", "NOW", "0"):
        response = await alice.http.get("/v1/changes", params={"cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (400, "invalid-cursor"), cursor


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=many", "since=1", "cursor=", "limit=1&limit=2"])
async def test_parameters_are_checked(alice: Person, query: str) -> None:
    response = await alice.http.get(f"/v1/changes?{query}")

    assert response.status_code == (400 if query == "cursor=" else 422)


# --- What is purged -------------------------------------------------------------------------------


async def test_who_has_seen_a_tombstone_does_not_miss_it_when_it_is_purged(alice: Person) -> None:
    task = await alice.task()
    await alice.task("Stays")
    before = (await changes(alice))["next_cursor"]
    await alice.http.delete(f"/v1/tasks/{task['id']}")
    seen = (await changes(alice))["next_cursor"]

    purge(task, alice)

    assert await is_expired(alice, before)
    assert not await is_expired(alice, seen)
    assert [item["task"]["title"] for item in await all_changes(alice)] == ["Stays"]


async def test_the_command_raises_the_fence_too(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    """With a list, its task and a subtask of that, which go one after the other."""
    in_list = await alice.list()
    parent = await alice.task(list_id=in_list["id"])
    await alice.task(parent_id=parent["id"])
    before = (await changes(alice))["next_cursor"]
    await alice.http.delete(f"/v1/lists/{in_list['id']}?tasks=delete")
    seen = (await changes(alice))["next_cursor"]
    for table in ("tasks", "lists"):
        execute(f"UPDATE {table} SET deleted_at = now() - interval '60 days' WHERE user_id = %s", alice.id)
    old = (await changes(alice))["next_cursor"]

    await asyncio.to_thread(in_thread, call_command, "purge", "--json")

    assert [await is_expired(alice, cursor) for cursor in (before, seen, old)] == [True, True, False]
    assert await all_changes(alice) == []


async def test_what_goes_without_a_tombstone_sends_everybody_back(alice: Person, bob: Person) -> None:
    task, his = await alice.task(), await bob.task()
    seen, unconcerned = (await changes(alice))["next_cursor"], (await changes(bob))["next_cursor"]

    purge(task, alice)

    assert await is_expired(alice, seen)
    assert not await is_expired(bob, unconcerned)
    assert (await all_changes(bob))[0]["task"] == his
    assert not await is_expired(alice, (await changes(alice))["next_cursor"])


async def test_a_first_sync_ends_whatever_was_purged_before_it(alice: Person) -> None:
    """Its position is behind the purge for a while; only what is purged under its hands sends it back."""
    tasks = [await alice.task(f"Task {number}") for number in range(6)]
    gone = await alice.task("Gone")
    await alice.http.delete(f"/v1/tasks/{gone['id']}")
    purge(gone, alice)

    assert [item["id"] for item in await all_changes(alice, limit=2)] == [task["id"] for task in tasks]

    half = (await changes(alice, limit=2))["next_cursor"]
    await alice.http.delete(f"/v1/tasks/{tasks[0]['id']}")
    purge(tasks[0], alice)
    assert await is_expired(alice, half)


async def test_a_position_beyond_the_last_number_is_expired(alice: Person) -> None:
    """As one from before an older backup was restored."""
    await alice.task()
    for position, is_too_far in (("1", False), ("2", True), ("9223372036854775807", True)):
        cursor = cursors.write(Position(alice.id, [position, "0"], {}), ("changes",))
        assert await is_expired(alice, cursor) is is_too_far


async def test_purged_no_never_goes_back(alice: Person) -> None:
    purge(await alice.task(), alice)
    with connect(autocommit=True) as direct:
        ask: Any = "SELECT purged_no FROM users WHERE id = %s"
        before = direct.execute(ask, [alice.id]).fetchone()
        direct.execute("UPDATE users SET purged_no = 0, timezone = 'UTC' WHERE id = %s", [alice.id])
        assert direct.execute(ask, [alice.id]).fetchone() == before == (2,)


async def test_a_purge_of_several_owners_updates_each_once(alice: Person, bob: Person) -> None:
    people = [alice.id, bob.id]
    with connect() as session:
        session.execute(
            "INSERT INTO tasks (key, id, user_id, title) SELECT gen_random_uuid(), gen_random_uuid(), owner, 'x'"
            " FROM generate_series(1, 5), unnest(%s::uuid[]) AS owner",
            [people],
        )
        session.execute("UPDATE tasks SET deleted_at = now() WHERE user_id = %s AND change_no > 1", people[:1])
        ask: Any = "SELECT pg_stat_get_xact_tuples_updated('users'::regclass)"
        [(before,)] = session.execute(ask).fetchall()
        session.execute("DELETE FROM tasks WHERE user_id = ANY (%s) AND title = 'x' AND change_no > 1", [people])
        [(after,)] = session.execute(ask).fetchall()
        ask = "SELECT change_no, purged_no FROM users WHERE id = ANY (%s) ORDER BY id = %s DESC"
        numbers = session.execute(ask, [people, alice.id]).fetchall()
        session.rollback()

    assert after - before == 2
    assert numbers == [(9, 9), (9, 9)]  # four tombstones, of which the last was 9; four live ones, 6 to 9


async def test_an_erased_account_notes_no_purge(alice: Person) -> None:
    await alice.task()
    await alice.list()
    with connect() as session:
        ask: Any = "SELECT pg_stat_get_xact_tuples_updated('users'::regclass)"
        session.execute("SELECT erase_user(%s)", [alice.id])
        assert session.execute(ask).fetchone() == (0,)
        session.rollback()


# --- After a restored backup ----------------------------------------------------------------------


async def test_a_reset_ends_every_cursor_and_gives_no_number_twice(alice: Person) -> None:
    """What `reset_sync` does for everybody, done for her: others share the database."""
    task = await alice.task()
    cursor = (await changes(alice))["next_cursor"]

    execute("UPDATE users SET change_no = change_no + 1000000, purged_no = change_no + 1000000 WHERE id = %s", alice.id)

    assert await is_expired(alice, cursor)
    assert [item["id"] for item in await all_changes(alice)] == [task["id"]]
    later = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": "Later"})
    assert later.headers["Change-No"] == "1000002"


def test_the_command_resets_everybody(orm: None, capsys: pytest.CaptureFixture[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT id, change_no FROM users")
        before = dict(cursor.fetchall())
        for _ in range(2):  # the second goes on from the first
            call_command("resetsync", "--json")
            cursor.execute("SELECT id, change_no, purged_no FROM users")
            after = {person: number for person, number, purged in cursor.fetchall() if number == purged}
            assert all(after[person] >= number + 1_000_000 for person, number in before.items())
            before = after
        transaction.set_rollback(True)
    assert capsys.readouterr().out == f'{{"accounts": {len(before)}}}\n' * 2


# --- What it costs --------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def session(app: httpx.ASGITransport, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """The only connection that changes are read by."""
    single = Pool()
    with override_settings(DATABASE_POOL_SIZE=1):
        await single.open()
        monkeypatch.setattr("todoproject.database.client.pool.pool", single)
        monkeypatch.setattr("tasks.queries.live.pool", single)
        yield single
    await single.close()


async def plans(session: Pool, statement: Statement) -> tuple[int, int]:
    """Return how often a statement was executed by a plan that is kept, and by one made for its parameters."""
    counted = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = %(name)s"
    rows = await session.execute(Statement.unfenced(counted), {"name": statement.query.name.decode()})
    return (int(rows.text(0, 0)), int(rows.text(0, 1))) if len(rows) else (0, 0)


async def test_a_poll_that_finds_nothing_looks_at_no_rows(alice: Person, session: Pool) -> None:
    await alice.task()
    end = (await changes(alice, "now"))["next_cursor"]

    for _ in range(3):
        page = await changes(alice, end)
        assert (page["items"], page["has_more"]) == ([], False)
        end = page["next_cursor"]

    assert await plans(session, feed.page(101)) == (0, 0)
    await alice.task()
    assert len((await changes(alice, end))["items"]) == 1


async def test_a_poll_that_finds_nothing_gives_the_same_cursor_until_something_was_purged(alice: Person) -> None:
    task = await alice.task()
    await alice.http.delete(f"/v1/tasks/{task['id']}")
    end = (await changes(alice, "now"))["next_cursor"]

    assert (await changes(alice, end))["next_cursor"] == end
    purge(task, alice)
    renewed = (await changes(alice, end))["next_cursor"]
    assert renewed != end
    assert (await changes(alice, renewed))["next_cursor"] == renewed
    assert (await changes(alice, "now"))["next_cursor"] == renewed


async def test_who_is_behind_is_not_asked_twice_whether_there_is_more(alice: Person, session: Pool) -> None:
    for number in range(7):
        await alice.task(f"Task {number}")

    assert len(await all_changes(alice, limit=2)) == 7

    assert await plans(session, feed.numbers()) == (0, 0)
    assert sum(await plans(session, feed.page(3))) == 4


async def test_the_plan_of_a_page_is_kept(alice: Person, session: Pool) -> None:
    """PostgreSQL plans the first five times; to plan a page takes longer than to read it."""
    execute(
        "INSERT INTO tasks (key, id, user_id, title)"
        " SELECT made, made, %s, 'Task' FROM (SELECT gen_random_uuid() AS made FROM generate_series(1, 3000)) AS many",
        alice.id,
    )
    execute("ANALYZE tasks")
    end = (await changes(alice, "now"))["next_cursor"]
    position, credentials = cursors.read(end, feed.MADE_FOR), Credentials(tokens.digest(alice.token))

    for number in range(1, 21):
        await alice.task(f"Task {number}")
        assert len((await changes(alice, end, limit=500))["items"]) == number
        assert len((await live.page(credentials, position)).events) == number

    assert await plans(session, feed.page(501)) == await plans(session, live._page()) == (15, 5)


# --- The fence ------------------------------------------------------------------------------------


async def test_a_stranger_is_told_nothing(client: httpx.AsyncClient, charlie: Person, alice: Person) -> None:
    await alice.task()

    assert (await client.get("/v1/changes")).status_code == 401
    assert (await changes(charlie))["items"] == []


def test_the_role_of_requests_cannot_read_the_numbers_of_others(database: None) -> None:
    with connect() as session:
        session.execute("SET LOCAL ROLE todo_api")
        assert session.execute("SELECT change_no, purged_no FROM own_numbers()").fetchone() == (None, None)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT reset_sync()")
