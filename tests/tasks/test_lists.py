"""Lists: every order and filter against a model in plain Python, and pages while others write."""

import random
import re
import unicodedata
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_tasks import pages
from todoproject.database.client.pool import Pool
from todoproject.database.client.statement import Credentials, Parameters, Rows, Statement

Task = dict[str, Any]
PRIORITIES = ["none", "low", "medium", "high", "urgent"]
NEVER = "9999-12-31T23:59:59.999999Z"

# --- The model ------------------------------------------------------------------------------------


def due(task: Task) -> str:
    """Return where a task stands among due dates. All times are written alike, so they compare as text."""
    return task["due_at"] or (task["due_on"] and f"{task['due_on']}T00:00:00.000000Z") or NEVER


KEYS: dict[str, Callable[[Task], Any]] = {
    "created_at": lambda task: task["created_at"],
    "updated_at": lambda task: task["updated_at"],
    "due": due,
    "priority": lambda task: PRIORITIES.index(task["priority"]),
    "title": lambda task: unicodedata.normalize("NFKC", task["title"]).lower().encode(),
}
SORTS = [direction + name for name in KEYS for direction in ("", "-")]


def arrange(tasks: list[Task], sort: str) -> list[Task]:
    key = KEYS[sort.removeprefix("-")]
    return sorted(tasks, key=lambda task: (key(task), task["id"]), reverse=sort.startswith("-"))


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def is_overdue(task: Task, now: datetime) -> bool:
    day_is_over = task["due_on"] is not None and task["due_on"] < now.date().isoformat()
    instant_is_over = task["due_at"] is not None and task["due_at"] < written(now)
    return not task["is_completed"] and (day_is_over or instant_is_over)


def before(task: Task, value: str) -> bool:
    return due(task) < (value if "T" in value else f"{value}T00:00:00.000000Z")


def after(task: Task, value: str) -> bool:
    if due(task) == NEVER:
        return False
    return due(task) > (value if "T" in value else f"{value}T23:59:59.999999Z")


FILTERS: dict[str, Callable[[Task, str], bool]] = {
    "is_completed": lambda task, value: task["is_completed"] == (value == "true"),
    "priority": lambda task, value: task["priority"] == value,
    "due_on": lambda task, value: (task["due_on"] or (task["due_at"] or "")[:10]) == value,
    "due_before": before,
    "due_after": after,
    "overdue": lambda task, value: is_overdue(task, datetime.now(UTC)) == (value == "true"),
    "created_after": lambda task, value: task["created_at"] > value,
    "updated_after": lambda task, value: task["updated_at"] > value,
    "q": lambda task, value: value in unicodedata.normalize("NFKC", task["title"]).lower(),
    "deleted": lambda task, value: (task["deleted_at"] is not None) == (value == "true"),
}


def expected(tasks: list[Task], query: dict[str, str], sort: str) -> list[str]:
    query = {"deleted": "false"} | query
    kept = [task for task in tasks if all(FILTERS[name](task, value) for name, value in query.items())]
    return [task["id"] for task in arrange(kept, sort)]


# --- Every order and filter -----------------------------------------------------------------------

TODAY = datetime.now(UTC).date()
DAYS = [(TODAY + timedelta(days=days)).isoformat() for days in (-40, -2, 0, 1, 40)] + ["0001-01-02", "9999-12-30"]
INSTANTS = [f"{day}T{time}Z" for day in DAYS for time in ("00:00:00.000000", "00:00:00.000001", "23:59:59.999999")]
TITLES = [
    "apple",
    "Apple",
    "APPLE pie",
    "äpfel",
    "A\u0308PFEL",
    "zebra",
    "Zebra",
    "éclair",
    "ﬁsh",
    "Ωmega",
    "東京",
    "😀",
    "_",
    "1",
]

_made: dict[str, list[Task]] = {}


async def orchard(person: Person) -> list[Task]:
    """Give the person eighty tasks with many ties and nulls, a tenth of them deleted; return all of them."""
    if person.id not in _made:
        chance = random.Random(7)
        for _ in range(80):
            when = chance.choice([{}, {"due_on": chance.choice(DAYS)}, {"due_at": chance.choice(INSTANTS)}])
            fields = {"priority": chance.choice(PRIORITIES[:3]), "is_completed": chance.random() < 0.3}
            task = await person.task(chance.choice(TITLES), **when, **fields)
            if chance.random() < 0.1:
                await person.http.delete(f"/v1/tasks/{task['id']}")
        live, deleted = await pages(person.http, limit=200), await pages(person.http, limit=200, deleted="true")
        _made[person.id] = live + deleted
    return _made[person.id]


VALUES: dict[str, list[str]] = {
    "is_completed": ["true", "false"],
    "priority": PRIORITIES,
    "due_on": DAYS,
    "due_before": DAYS + INSTANTS,
    "due_after": DAYS + INSTANTS,
    "overdue": ["true", "false"],
    "q": ["apple", "pie", "äpfel", "zebra", "fish", "東京"],
    "deleted": ["true", "false"],
}


@pytest.mark.parametrize("name", VALUES)
async def test_every_filter_is_the_models(alice: Person, name: str) -> None:
    tasks = await orchard(alice)

    for value in VALUES[name]:
        listed = await pages(alice.http, **{name: value, "limit": 200, "sort": "due"})
        assert [task["id"] for task in listed] == expected(tasks, {name: value}, "due"), value


@pytest.mark.parametrize("sort", SORTS)
async def test_every_order_is_the_models(alice: Person, sort: str) -> None:
    tasks = await orchard(alice)

    assert [task["id"] for task in await pages(alice.http, sort=sort, limit=7)] == expected(tasks, {}, sort)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sort=st.sampled_from(SORTS),
    query=st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES[name]) for name in VALUES}),
    limit=st.integers(1, 30),
    moments=st.tuples(st.integers(-1, 80), st.integers(-1, 80)),
)
async def test_every_combination_is_the_models(
    alice: Person, sort: str, query: dict[str, str], limit: int, moments: tuple[int, int]
) -> None:
    tasks = await orchard(alice)
    for name, index in zip(("created_after", "updated_after"), moments, strict=True):
        if 0 <= index < len(tasks):
            query = query | {name: tasks[index][name.replace("after", "at")]}

    listed = await pages(alice.http, sort=sort, limit=limit, **query)

    wanted = expected(tasks, query, sort)
    assert [task["id"] for task in listed] == wanted
    counted = (await alice.http.get("/v1/tasks", params=query | {"include": "total", "sort": sort})).json()
    assert (counted["total"], [task["id"] for task in counted["items"]]) == (len(wanted), wanted[:50])


async def test_total_is_there_only_on_demand_and_also_on_an_empty_page(alice: Person) -> None:
    tasks = [await alice.task(f"Task {number}") for number in range(3)]
    assert "total" not in (await alice.http.get("/v1/tasks")).json()
    page = (await alice.http.get("/v1/tasks?limit=2&include=total&sort=created_at")).json()
    assert page["total"] == 3

    await alice.http.delete(f"/v1/tasks/{tasks[2]['id']}")
    rest = await alice.http.get(
        "/v1/tasks", params={"limit": 2, "include": "total", "sort": "created_at", "cursor": page["next_cursor"]}
    )

    assert rest.json() == {"items": [], "next_cursor": None, "total": 2}


@pytest.mark.parametrize("limit", [3, 4])
async def test_last_page_promises_no_other_though_it_is_full(alice: Person, limit: int) -> None:
    for number in range(3):
        await alice.task(f"Task {number}")

    page = (await alice.http.get("/v1/tasks", params={"limit": limit})).json()

    assert (len(page["items"]), page["next_cursor"]) == (3, None)


# --- Days -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "days_ahead"), [("Pacific/Kiritimati", 1), ("Etc/GMT+12", -1), ("UTC", 0)])
async def test_day_is_over_when_it_is_over_where_the_owner_is(alice: Person, zone: str, days_ahead: int) -> None:
    await alice.http.patch("/v1/me", json={"timezone": zone})
    with connect() as connection:
        row = connection.execute("SELECT (now() AT TIME ZONE %s)::date", [zone]).fetchone()
    assert row is not None
    today = row[0]
    await alice.task("yesterday", due_on=(today - timedelta(days=1)).isoformat())
    await alice.task("today", due_on=today.isoformat())
    await alice.task("past", due_at=written(datetime.now(UTC) - timedelta(minutes=1)))
    await alice.task("future", due_at=written(datetime.now(UTC) + timedelta(minutes=1)))
    await alice.task("done", due_on="2020-01-01", is_completed=True)
    await alice.task("undated")

    overdue, others = [{task["title"] for task in await pages(alice.http, overdue=flag)} for flag in ("true", "false")]

    assert overdue == {"yesterday", "past"}
    assert others == {"today", "future", "done", "undated"}


async def test_zone_that_the_server_does_not_know_is_no_error(alice: Person) -> None:
    await alice.task("past", due_on="2020-01-01")
    with connect() as connection:
        connection.execute("UPDATE users SET timezone = 'Mars/Olympus' WHERE id = %s", [alice.id])

    assert len(await pages(alice.http, overdue="true")) == 1


# --- Pages while others write ---------------------------------------------------------------------


def plant(person: Person, count: int) -> None:
    """Give the person tasks with thousands of ties in every order, creation included, which no client could make.

    But not in that of their updates: there are no two with one number, and none with a lower one is later.
    """
    with connect() as connection:
        # The trigger would give each its own time; the lock that this takes ends with the transaction.
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        connection.execute("ALTER TABLE tasks DISABLE TRIGGER tasks_insert_books")
        connection.execute(
            sql.SQL("""
                INSERT INTO tasks (key, id, user_id, title, sort_title, description, is_completed, priority, due_on,
                                   sort_due, position, created_at, updated_at, change_no)
                SELECT gen_random_uuid(), gen_random_uuid(), {user}, t, fold(t), '', false, n % 2, d,
                       coalesce(d::timestamp AT TIME ZONE 'UTC', '9999-12-31 23:59:59.999999Z'),
                       'b' || lpad(n::text, 8, '0') || 'V', at, at + n * interval '1 millisecond', n
                  FROM (SELECT n, 'Title ' || n % 3 AS t, CASE WHEN n % 4 = 0 THEN date '2026-12-01' END AS d,
                               timestamptz '2026-11-01 08:00:00.000001Z' + n % 2 * interval '1 microsecond' AS at
                          FROM generate_series(1, {count}) AS n) AS made
            """).format(user=sql.Literal(person.id), count=sql.Literal(count))
        )
        connection.execute("ALTER TABLE tasks ENABLE TRIGGER tasks_insert_books")
        connection.execute("UPDATE users SET change_no = %s WHERE id = %s", [count, person.id])


@pytest.mark.parametrize("sort", SORTS)
async def test_nothing_is_lost_or_repeated_while_others_write(alice: Person, sort: str) -> None:
    plant(alice, 3000)
    before = {task["id"] for task in await pages(alice.http, limit=200)}
    assert len(before) == 3000
    chance, seen, gone, query = random.Random(sort), list[Task](), set[str](), {"sort": sort, "limit": "200"}

    while True:
        page = (await alice.http.get("/v1/tasks", params=query)).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        # Another client deletes what is listed already (the end of the page too) and what is still to come, and adds.
        victims = {page["items"][-1]["id"], *chance.sample(sorted(before - gone), 5)}
        for task_id in victims:
            await alice.http.delete(f"/v1/tasks/{task_id}")
        gone |= victims
        await alice.task(f"Title {chance.randrange(3)}", due_on="2026-12-01", priority=chance.choice(["none", "low"]))

    ids = [task["id"] for task in seen]
    assert len(ids) == len(set(ids))
    assert before - gone <= set(ids)
    assert ids == [task["id"] for task in arrange(seen, sort)]


# --- Cursors --------------------------------------------------------------------------------------


async def test_cursor_fits_its_own_list_only(alice: Person, bob: Person) -> None:
    for person in (alice, bob):
        for number in range(3):
            await person.task(f"milk {number}", due_on="2026-12-01")
    query = {"limit": "1", "sort": "due", "q": "milk", "due_after": "2026-11-01", "deleted": "false"}
    cursor = (await alice.http.get("/v1/tasks", params=query)).json()["next_cursor"]
    assert cursor is not None
    fits = [query, query | {"limit": "200"}, query | {"include": "total"}]
    fits.append({name: value for name, value in query.items() if name != "deleted"})
    others = [
        query | change
        for change in (
            {"sort": "-due"},
            {"sort": "created_at"},
            {"q": "milk 1"},
            {"due_after": "2026-11-02"},
            {"deleted": "true"},
            {"overdue": "false"},
            {"is_completed": "false"},
        )
    ]

    for fitting in fits:
        assert (await alice.http.get("/v1/tasks", params=fitting | {"cursor": cursor})).status_code == 200
    for other in others:
        problem = assert_problem(await alice.http.get("/v1/tasks", params=other | {"cursor": cursor}), 400)
        assert problem["code"] == "invalid-cursor"
    assert_problem(await bob.http.get("/v1/tasks", params=query | {"cursor": cursor}), 400)


async def test_no_edited_cursor_is_taken(alice: Person) -> None:
    for number in range(2):
        await alice.task(f"Task {number}")
    cursor = (await alice.http.get("/v1/tasks?limit=1&sort=title")).json()["next_cursor"]
    edited = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(len(cursor))]

    for forged in [*edited, cursor[1:], cursor + "A", "." + cursor, ":", "é", "a:b"]:
        response = await alice.http.get("/v1/tasks", params={"sort": "title", "cursor": forged})
        assert response.status_code == 400, forged


async def test_longest_title_makes_a_cursor_that_works(alice: Person) -> None:
    chance = random.Random(7)
    for _ in range(3):
        await alice.task("".join(chr(chance.randrange(0x20000, 0x2A6D0)) for _ in range(255)))

    assert len({task["id"] for task in await pages(alice.http, sort="title", limit=1)}) == 3


async def test_title_that_grows_when_folded_is_sorted_all_the_same(alice: Person) -> None:
    """One character of these becomes eighteen in NFKC; an index takes 2,704 bytes."""
    for _ in range(2):
        await alice.task("\ufdfa" * 255, description="\ufdfa" * 10_000)
    await alice.task("İ" * 255)

    assert len(await pages(alice.http, sort="title", limit=1)) == 3


async def test_quotes_in_a_cursor_are_text(alice: Person) -> None:
    titles = ["'; DROP TABLE tasks; --", "\\'", "%s %(q)s", "{1}", "(a,b)", '"']
    for title in titles:
        await alice.task(title)

    listed = await pages(alice.http, sort="title", limit=1)

    assert [task["title"] for task in listed] == sorted(titles, key=str.lower)


@pytest.mark.parametrize(
    "query",
    [
        "due_before=tomorow",
        "due_before=2026-02-30",
        "due_before=2026-12-01T08:00:00",
        "due_after=0001-01-01",
        "due_after=9999-12-31",
        "due_after=9999-12-31T00:00:00Z",
        "due_on=2026-12-01T08:00:00Z",
        "created_after=2026-12-01",
        "overdue=maybe",
        "deleted=any",
        "include=everything",
        "sort=due,due",
        "sort=due,-due",
        "sort=due,title,priority,created_at",
        "sort=due,",
        "sort=--due",
        "due_on=+7d",
        "due_on=%2B7",
        "due_on=%2B12345d",
        "completed_after=today",
        "has_due=maybe",
        "priority=high&priority=highest",
    ],
)
async def test_what_no_filter_means_is_refused_by_name(alice: Person, query: str) -> None:
    problem = assert_problem(await alice.http.get(f"/v1/tasks?{query}"), 422)

    assert problem["errors"][0]["parameter"] == query.split("=")[0]


async def test_repeated_id_of_two_owners_is_listed_once_each(alice: Person, bob: Person) -> None:
    task_id = str(uuid.uuid4())
    for person in (alice, bob):
        await person.http.put(f"/v1/tasks/{task_id}", json={"title": "Same"}, headers={"If-None-Match": "*"})

    assert [task["id"] for task in await pages(alice.http)] == [task_id]


async def test_planner_knows_how_many_are_wanted(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a limit that is a parameter it expects that a tenth of the rows will do, and reads all of an owner's tasks."""
    sent: list[bytes] = []
    execute = Pool.execute

    async def note(pool: Pool, statement: Statement, parameters: Parameters, credentials: Credentials) -> Rows:
        sent.append(statement.query.text)
        return await execute(pool, statement, parameters, credentials)

    monkeypatch.setattr(Pool, "execute", note)
    for limit in (1, 50, 200):
        await alice.http.get("/v1/tasks", params={"limit": limit, "priority": "high"})

    assert [re.findall(rb"LIMIT (\S+)\)", text) for text in sent] == [[b"2"], [b"51"], [b"201"]]
