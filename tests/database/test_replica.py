"""Lists from a read replica: never stale, never for a token that has ended, and never slower for its being away."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import pytest_asyncio
from django.conf import settings
from django.test import override_settings

from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.support.postgres.gates import Gate
from tests.support.postgres.standby import Standby
from todoproject.database.client import replica as replica_module
from todoproject.database.client.replica import replica

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def standby(database: None) -> Iterator[Standby]:
    with Standby() as standby:
        yield standby


def at(host: str, port: int | str = "5432") -> dict[str, Any]:
    """Return the setting for a replica there."""
    return {**settings.DATABASES["default"], "HOST": host, "PORT": port}


@pytest_asyncio.fixture
async def lists(app: httpx.ASGITransport, standby: Standby) -> AsyncIterator[Counter[str]]:
    """The application with a replica; count how its lists were read."""
    standby.catch_up()
    with override_settings(REPLICA_DATABASE=at(str(standby.socket))):
        await replica.open()
        replica.reads.clear()
        yield replica.reads
        await replica.close()


async def titles(person: Person, query: str = "sort=created_at") -> list[str]:
    answer = await person.http.get(f"/v1/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()["items"]]


async def read_by_it(person: Person, lists: Counter[str]) -> None:
    """Wait until a list of theirs comes from the replica."""
    for _ in range(300):
        lists.clear()
        await titles(person)
        if lists["used"]:
            lists.clear()
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it is never read from")


async def test_lists_and_searches_come_from_the_replica(alice: Person, standby: Standby, lists: Counter[str]) -> None:
    for title in ("Milk", "Bread"):
        await alice.task(title)
    standby.catch_up()

    assert await titles(alice) == ["Milk", "Bread"]
    assert await titles(alice, "q=milk") == ["Milk"]
    assert await titles(alice, "limit=1&include=total&sort=title") == ["Bread"]

    assert lists == {"used": 3}


async def test_client_reads_its_own_write_however_far_the_replica_is_behind(
    alice: Person, bob: Person, standby: Standby, lists: Counter[str]
) -> None:
    task = await alice.task("first")
    await bob.task("Bob's")
    standby.catch_up()
    standby.pause()

    for number in range(10):
        title = f"title {number}"
        await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": title})
        assert await titles(alice) == [title]
    assert await titles(bob) == ["Bob's"]  # whose own rows it has

    assert lists == {"behind": 10, "used": 1}
    standby.catch_up()
    await read_by_it(alice, lists)


async def test_time_zone_counts_as_a_write(alice: Person, standby: Standby, lists: Counter[str]) -> None:
    """Lists of what is overdue depend on it."""
    await alice.task("first")
    standby.catch_up()
    standby.pause()

    await alice.http.patch("/v1/me", json={"timezone": "Pacific/Kiritimati"})
    await titles(alice, "overdue=false")

    assert lists == {"behind": 1}
    standby.catch_up()


async def test_revoked_token_is_refused_at_once_though_the_replica_knows_nothing_of_it(
    alice: Person, standby: Standby, lists: Counter[str]
) -> None:
    headers = await alice.token_for("tasks:read")
    standby.catch_up()
    assert (await alice.http.get("/v1/tasks", headers=headers)).status_code == 200
    standby.pause()
    with connect(autocommit=True) as connection:
        connection.execute(
            "UPDATE access_tokens SET revoked_at = now() WHERE user_id = %s AND kind = 'personal'", [alice.id]
        )

    refused = await alice.http.get("/v1/tasks", headers=headers)

    with standby.connect("test_todo") as connection:
        held = connection.execute(
            "SELECT count(*) FROM todo.access_tokens WHERE user_id = %s AND revoked_at IS NOT NULL", [alice.id]
        ).fetchone()
    standby.catch_up()
    assert (refused.status_code, held) == (401, (0,))


async def test_token_that_the_replica_does_not_know_yet_is_good(
    alice: Person, standby: Standby, lists: Counter[str]
) -> None:
    standby.catch_up()
    standby.pause()
    headers = await alice.token_for("tasks:read")

    answer = await alice.http.get("/v1/tasks", headers=headers)

    standby.catch_up()
    assert (answer.status_code, dict(lists)) == (200, {"behind": 1})


async def test_scope_is_asked_for_as_ever(alice: Person, standby: Standby, lists: Counter[str]) -> None:
    headers = await alice.token_for("account")
    standby.catch_up()

    refused = await alice.http.get("/v1/tasks", headers=headers)

    assert (refused.status_code, refused.json()["required"]) == (403, ["tasks:read"])


async def test_outsider_sees_nothing_there_either(
    alice: Person, charlie: Person, standby: Standby, lists: Counter[str]
) -> None:
    await alice.task("Alice's")
    standby.catch_up()

    assert (await titles(charlie), await titles(alice)) == ([], ["Alice's"])
    assert lists == {"used": 2}


async def test_old_token_writes_its_last_use_on_the_primary(
    alice: Person, standby: Standby, lists: Counter[str]
) -> None:
    with connect(autocommit=True) as connection:
        connection.execute("UPDATE access_tokens SET last_used_at = '2020-01-01' WHERE user_id = %s", [alice.id])
        standby.catch_up()

        await titles(alice)

        used = connection.execute(
            "SELECT last_used_at > now() - interval '1 minute' FROM access_tokens WHERE user_id = %s", [alice.id]
        ).fetchone()
    assert (used, dict(lists)) == ((True,), {"used": 1})


async def test_cursor_goes_on_from_one_server_to_the_other(
    alice: Person, standby: Standby, lists: Counter[str]
) -> None:
    for number in range(5):
        await alice.task(f"{number}")
    standby.catch_up()
    first = (await alice.http.get("/v1/tasks?sort=created_at&limit=2")).json()
    standby.pause()
    await alice.task("5")

    second = await alice.http.get(f"/v1/tasks?sort=created_at&limit=10&cursor={first['next_cursor']}")

    standby.catch_up()
    assert [task["title"] for task in second.json()["items"]] == ["2", "3", "4", "5"]
    assert lists == {"used": 1, "behind": 1}


def test_what_ends_with_a_page_of_the_log_is_caught_up_with(standby: Standby) -> None:
    """The primary inserts behind the next page's head then, which a replica passes with the next record only."""
    page, head, frame = 8192, 24, 56
    position = "pg_current_wal_insert_lsn() - '0/0'"
    with connect("postgres", user="postgres", autocommit=True) as primary:
        for _ in range(50):  # somebody else may write in between
            [(at,)] = primary.execute(f"SELECT {position}")
            size = page - int(at) % page - frame
            emit = f"SELECT pg_logical_emit_message(false, 't', repeat('x', %s)), {position}"
            [(_, now)] = primary.execute(emit, [size if size > 200 else 300])
            if now % page == head:
                break
        else:
            raise AssertionError("no record has ended with a page")
        began = time.monotonic()
        standby.catch_up()
    assert time.monotonic() - began < 5


# --- A replica that is away -----------------------------------------------------------------------


async def test_replica_that_stops_costs_no_error_and_no_pause_and_is_used_again(
    alice: Person, standby: Standby, lists: Counter[str]
) -> None:
    await alice.task("first")
    standby.catch_up()
    await read_by_it(alice, lists)

    standby.stop()
    slowest = 0.0
    for _ in range(200):
        started = time.monotonic()
        assert await titles(alice) == ["first"]
        slowest = max(slowest, time.monotonic() - started)
        await asyncio.sleep(0.005)
    assert (lists["used"], lists["away"] > 190) == (0, True), lists
    assert slowest < 1.3  # the one that finds out waits at most that second

    standby.start()
    await read_by_it(alice, lists)


async def test_replica_that_falls_silent_costs_each_request_of_that_moment_a_second_at_most(
    app: httpx.ASGITransport, alice: Person, standby: Standby
) -> None:
    await alice.task("first")
    async with Gate(standby.socket) as gate:
        with override_settings(REPLICA_DATABASE=at("127.0.0.1", gate.port), DATABASE_STATEMENT_TIMEOUT=2):
            await replica.open()
            try:
                standby.catch_up()
                await read_by_it(alice, replica.reads)
                gate.is_silent, gate.manner = True, "hold"
                started = time.monotonic()
                assert [await titles(alice) for _ in range(20)] == [["first"]] * 20
                assert time.monotonic() - started < 2
                gate.is_silent, gate.manner = False, "forward"
                await read_by_it(alice, replica.reads)
            finally:
                await replica.close()


async def test_replica_that_was_never_there_is_not_waited_for(app: httpx.ASGITransport, alice: Person) -> None:
    with override_settings(REPLICA_DATABASE=at("127.0.0.1", 1)):
        await replica.open()
        try:
            await titles(alice)
            started = time.monotonic()
            for _ in range(20):
                await titles(alice)
            assert time.monotonic() - started < 1
        finally:
            await replica.close()


async def test_without_the_setting_nothing_is_asked_of_it(alice: Person) -> None:
    with patch.object(replica_module, "Pool", side_effect=AssertionError("a pool was made")):
        await replica.open()
        assert await titles(alice) == []
    assert replica._pool is None
