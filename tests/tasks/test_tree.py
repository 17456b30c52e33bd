"""Subtasks and order by hand: moved, completed, deleted and restored as one; never a circle, never two at one place."""

import asyncio
import operator
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect, lock_queue
from tests.tasks.test_trash import age, purge

Task = dict[str, Any]


async def tree(person: Person, *names: str, **of_first: Any) -> list[Task]:
    """Make tasks each of which belongs under the one before."""
    made: list[Task] = []
    for name in names:
        made.append(await person.task(name, **({"parent_id": made[-1]["id"]} if made else of_first)))
    return made


async def now(person: Person, task: Task) -> Task:
    answer = await person.http.get(f"/v1/tasks/{task['id']}")
    assert answer.status_code == 200, answer.text
    found: Task = answer.json()
    return found


async def move(person: Person, task: Task, **to: Any) -> httpx.Response:
    return await person.http.post(f"/v1/tasks/{task['id']}/move", json=to)


async def order(person: Person, query: str = "parent_id=null") -> str:
    answer = await person.http.get(f"/v1/tasks?sort=position&limit=200&{query}")
    assert answer.status_code == 200, answer.text
    return "".join(task["title"] for task in answer.json()["items"])


async def act(person: Person, task: Task, verb: str) -> Task:
    method, path = ("DELETE", "") if verb == "delete" else ("POST", f"/{verb}")
    answer = await person.http.request(method, f"/v1/tasks/{task['id']}{path}")
    assert answer.is_success, answer.text
    changed: Task = answer.json() if answer.content else {}
    return changed


# --- Order ----------------------------------------------------------------------------------------


async def test_tasks_are_moved_among_their_siblings(alice: Person) -> None:
    a, b, c = [await alice.task(name) for name in "abc"]
    assert await order(alice) == "abc"
    assert a["position"] < b["position"] < c["position"]

    moved = await move(alice, c, before=b["id"])
    assert (moved.status_code, moved.json()["version"], moved.headers["ETag"]) == (200, 2, '"2"')
    assert await order(alice) == "acb"
    await move(alice, a, after=b["id"])
    assert await order(alice) == "cba"
    await move(alice, a, first=True)
    assert await order(alice) == "acb"
    first = (await alice.http.get("/v1/tasks?sort=-position&limit=2")).json()
    rest = await alice.http.get(f"/v1/tasks?sort=-position&limit=2&cursor={first['next_cursor']}")
    assert [task["title"] for task in first["items"] + rest.json()["items"]] == ["b", "c", "a"]


@pytest.mark.parametrize("sort", ["position", "-position", "position,-title"])
async def test_all_tasks_by_position_are_together_by_list_and_parent(alice: Person, sort: str) -> None:
    """Compared are list, parent, position and id, page by page; the inbox and the top come first."""
    made = []
    lists = [None, (await alice.list("b"))["id"], (await alice.list("a"))["id"]]
    for name in "cab":  # by position alone the three places would be mixed
        made += [await alice.task(name, list_id=list_id) for list_id in lists]
    made += [await alice.task("d", list_id=task["list_id"], parent_id=task["id"]) for task in made[:4]]
    key = operator.itemgetter("position", "id")
    expected = sorted(made, key=lambda task: (task["list_id"] or "", task["parent_id"] or "", *key(task)))

    found: list[Task] = []
    cursor = ""
    while True:
        page = (await alice.http.get(f"/v1/tasks?sort={sort}&limit=2&include=total{cursor}")).json()
        found, cursor = [*found, *page["items"]], f"&cursor={page['next_cursor']}"
        if page["next_cursor"] is None:
            break
    assert [task["id"] for task in found] == [task["id"] for task in expected][:: -1 if sort[0] == "-" else 1]
    assert page["total"] == len(made)
    # Within one list and parent the cursor is of fewer columns, and fits no other list.
    of_inbox = (await alice.http.get(f"/v1/tasks?sort={sort}&limit=2&list_id=null&parent_id=null")).json()
    assert (await alice.http.get(f"/v1/tasks?sort={sort}&cursor={of_inbox['next_cursor']}")).status_code == 400
    searched = (await alice.http.get(f"/v1/tasks?sort={sort}&q=d")).json()["items"]
    assert [task["id"] for task in searched] == [task["id"] for task in found if task["title"] == "d"]


async def test_task_is_moved_to_a_list_and_under_a_parent_with_all_below_it(alice: Person) -> None:
    home = await alice.list()
    (parent,) = await tree(alice, "p", list_id=home["id"])
    top, middle, low = await tree(alice, "t", "m", "l")
    await alice.task("x", parent_id=parent["id"])

    moved = (await move(alice, top, parent_id=parent["id"], first=True)).json()
    assert (moved["parent_id"], moved["list_id"]) == (parent["id"], home["id"])
    assert await order(alice, f"parent_id={parent['id']}") == "tx"
    assert [(await now(alice, task))["list_id"] for task in (middle, low)] == [home["id"]] * 2
    assert (await now(alice, low))["parent_id"] == middle["id"]

    out = (await move(alice, middle, list_id=None)).json()
    assert (out["parent_id"], out["list_id"]) == (None, None)
    assert ((await now(alice, low))["list_id"], (await now(alice, low))["parent_id"]) == (None, middle["id"])
    back = (await alice.http.patch(f"/v1/tasks/{middle['id']}", json={"list_id": home["id"]})).json()
    assert (back["list_id"], (await now(alice, low))["list_id"]) == (home["id"], home["id"])


async def test_task_is_not_moved_where_it_cannot_be(alice: Person, bob: Person) -> None:
    top, middle, low = await tree(alice, "t", "m", "l")
    his, gone = await bob.task(), await alice.task()
    await act(alice, gone, "delete")

    for parent, code in [
        *((top, "circle"), (middle, "circle"), (low, "circle"), (his, "no-such-place"), (gone, "no-such-place")),
        *(({"id": str(uuid.uuid4())}, "no-such-place"),),
    ]:
        for answer in (
            await move(alice, top, parent_id=parent["id"]),
            await alice.http.patch(f"/v1/tasks/{top['id']}", json={"parent_id": parent["id"]}),
        ):
            assert assert_problem(answer, 422)["errors"][0] | {"detail": ""} == {
                "pointer": "#/parent_id",
                "code": code,
                "detail": "",
            }
    for neighbour in (top["id"], his["id"], gone["id"], str(uuid.uuid4())):
        assert assert_problem(await move(alice, top, after=neighbour), 409)["code"] == "place-gone"
    below = await move(alice, top, after=low["id"])
    assert assert_problem(below, 422)["errors"][0]["code"] == "circle"
    for to in ({}, {"before": top["id"], "first": True}, {"first": False}, {"after": None}):
        assert_problem(await move(alice, middle, **to), 422)


async def test_parent_in_another_list_is_refused(alice: Person) -> None:
    home, work = await alice.list(), await alice.list()
    parent = await alice.task(list_id=home["id"])

    answer = await alice.http.post("/v1/tasks", json={"title": "x", "parent_id": parent["id"], "list_id": work["id"]})

    assert assert_problem(answer, 422)["errors"][0]["pointer"] == "#/list_id"
    assert (await alice.task(parent_id=parent["id"]))["list_id"] == home["id"]


async def test_list_beside_a_parent_is_the_parents_or_refused(alice: Person) -> None:
    """Also where it is the list that the task is in already; null is the inbox."""
    home, work = await alice.list(), await alice.list()
    in_home, in_work, in_inbox = [await alice.task(list_id=place) for place in (home["id"], work["id"], None)]
    task = await alice.task()
    for place in (None, home["id"]):
        await move(alice, task, list_id=place)
        for parent in (in_home, in_work, in_inbox):
            for named in (None, home["id"], work["id"]):
                if named == parent["list_id"]:
                    continue
                to = {"parent_id": parent["id"], "list_id": named}
                for answer in (
                    await move(alice, task, **to),
                    await alice.http.patch(f"/v1/tasks/{task['id']}", json=to),
                ):
                    error = assert_problem(answer, 422)["errors"][0]
                    assert (error["pointer"], error["code"]) == ("#/list_id", "parent_list")
        assert (await now(alice, task))["list_id"] == place

    for parent in (in_home, in_work, in_inbox):
        moved = (await move(alice, task, parent_id=parent["id"], list_id=parent["list_id"])).json()
        assert (moved["parent_id"], moved["list_id"]) == (parent["id"], parent["list_id"])
    to = {"external_id": "one", "title": "x", "parent_id": in_home["id"], "list_id": home["id"]}
    assert (await alice.http.put("/v1/tasks/by-external-id/one", json=to)).status_code == 201
    contradicting = await alice.http.put("/v1/tasks/by-external-id/one", json=to | {"list_id": None})
    assert assert_problem(contradicting, 422)["errors"][0]["code"] == "parent_list"


async def test_tasks_are_five_levels_deep_at_most(alice: Person) -> None:
    five = await tree(alice, *"12345")
    top, low = await tree(alice, "a", "b")

    answer = await alice.http.post("/v1/tasks", json={"title": "6", "parent_id": five[4]["id"]})
    assert assert_problem(answer, 422)["errors"][0]["code"] == "too-deep"
    assert assert_problem(await move(alice, top, parent_id=five[3]["id"]), 422)["errors"][0]["code"] == "too-deep"
    assert (await move(alice, top, parent_id=five[2]["id"])).status_code == 200
    assert (await now(alice, low))["parent_id"] == top["id"]


async def test_neighbour_alone_brings_its_list_and_parent(alice: Person) -> None:
    home = await alice.list()
    parent, first = await tree(alice, "p", "1", list_id=home["id"])
    last = await alice.task("3", parent_id=parent["id"])
    top, low = await tree(alice, "2", "l")

    moved = (await move(alice, top, after=first["id"])).json()

    assert (moved["list_id"], moved["parent_id"]) == (home["id"], parent["id"])
    assert await order(alice, f"parent_id={parent['id']}") == "123"
    assert (await now(alice, low))["list_id"] == home["id"]
    out = (await move(alice, last, before=parent["id"])).json()
    assert (out["list_id"], out["parent_id"]) == (home["id"], None)


@pytest.mark.parametrize("moves", [1300, pytest.param(10_000, marks=pytest.mark.slow)])  # 1,300 meet one re-spacing
async def test_positions_stay_short_between_the_same_two_neighbours(alice: Person, moves: int) -> None:
    rows = [await alice.task(name) for name in "abcd"]
    place = "UPDATE tasks SET position = place_task(id, NULL, NULL, 'after', %s) WHERE user_id = %s AND id = %s"
    lengths = []
    with connect() as session:
        session.execute("SELECT set_config('app.user_id', %s, false)", [alice.id])
        for turn in range(moves):
            moved = session.execute(
                f"{place} RETURNING length(position)", [rows[0]["id"], alice.id, rows[1 + turn % 2]["id"]]
            )
            lengths += [length for (length,) in moved.fetchall()]
            session.commit()
    assert 90 < max(lengths) <= 100
    assert await order(alice) == "acbd"


@pytest.mark.parametrize(
    "place", ["list_id IS NULL AND parent_id IS NULL", "list_id = %(id)s AND parent_id IS NULL", "parent_id = %(id)s"]
)
async def test_last_place_is_read_from_an_index_and_not_looked_for(alice: Person, bob: Person, place: str) -> None:
    with connect() as session:
        for person in (alice, bob):
            session.execute(
                "INSERT INTO tasks (key, id, user_id, title, position) SELECT gen_random_uuid(), gen_random_uuid(), %s,"
                " 'x', position_at(n) FROM generate_series(1, 1000) AS n",
                [person.id],
            )
        session.execute("ANALYZE tasks")
        query = f"EXPLAIN SELECT max(position) FROM tasks WHERE user_id = %(id)s AND {place} AND deleted_at IS NULL"
        plan = "\n".join(str(line) for (line,) in session.execute(query.encode(), {"id": alice.id}).fetchall())
        session.rollback()
    assert re.search(r"Limit[^\n]*\n *-> +Index (Only )?Scan Backward using tasks_(in_inbox|in_list|children)", plan), (
        plan
    )


async def test_two_moves_to_the_same_place_at_once_are_two_places(alice: Person) -> None:
    a, _, c, d = [await alice.task(name) for name in "abcd"]
    with connect() as session:
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        moves = [asyncio.create_task(move(alice, task, after=a["id"])) for task in (c, d)]
        await lock_queue(2)
        session.rollback()

    assert [answer.status_code for answer in await asyncio.gather(*moves)] == [200, 200]
    rows = (await alice.http.get("/v1/tasks?sort=position")).json()["items"]
    assert len({row["position"] for row in rows}) == 4
    assert {rows[1]["title"], rows[2]["title"]} == {"c", "d"}


async def test_two_moves_that_would_make_a_circle_together_do_not(alice: Person) -> None:
    a, b = await alice.task("a"), await alice.task("b")
    with connect() as session:
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        moves = [asyncio.create_task(move(alice, x, parent_id=y["id"])) for x, y in ((a, b), (b, a))]
        await lock_queue(2)
        session.rollback()

    assert sorted(answer.status_code for answer in await asyncio.gather(*moves)) == [200, 422]


# --- As one ---------------------------------------------------------------------------------------


async def test_completing_a_parent_completes_all_below_and_reopening_takes_back_what_it_took(alice: Person) -> None:
    top, middle, low = await tree(alice, "t", "m", "l")
    done = await alice.task("d", parent_id=top["id"], is_completed=True)

    await act(alice, top, "complete")
    assert [(await now(alice, task))["is_completed"] for task in (top, middle, low, done)] == [True] * 4
    assert (await act(alice, top, "complete"))["version"] == 2

    await act(alice, top, "reopen")
    states = [(await now(alice, task))["is_completed"] for task in (top, middle, low, done)]
    assert states == [False, False, False, True]
    assert (await now(alice, done))["version"] == 1


@pytest.mark.parametrize("way", ["reopen", "move", "create", "patch"])
async def test_what_is_open_opens_what_is_above_it(alice: Person, way: str) -> None:
    top, middle, low = await tree(alice, "t", "m", "l")
    beside, loose = await alice.task("s", parent_id=top["id"]), await alice.task("x")
    await act(alice, top, "complete")
    before = await now(alice, beside)

    if way == "reopen":
        await act(alice, low, "reopen")
    elif way == "move":
        assert (await move(alice, loose, parent_id=middle["id"])).status_code == 200
    elif way == "create":
        await alice.task("y", parent_id=middle["id"])
    else:
        await alice.http.patch(f"/v1/tasks/{loose['id']}", json={"parent_id": middle["id"]})

    assert [(await now(alice, task))["is_completed"] for task in (top, middle)] == [False, False]
    assert (await now(alice, low))["is_completed"] == (way != "reopen")
    await act(alice, top, "reopen")  # it is open already, and takes nothing back
    assert await now(alice, beside) == before


async def test_what_is_completed_opens_nothing_above_it(alice: Person) -> None:
    top, done = await alice.task("t"), await alice.task("d", is_completed=True)
    await act(alice, top, "complete")

    await move(alice, done, parent_id=top["id"])
    await alice.task("e", parent_id=top["id"], is_completed=True)

    assert (await now(alice, top))["is_completed"]


async def test_what_is_opened_along_opens_what_it_has_been_moved_under(alice: Person) -> None:
    top, along = await tree(alice, "t", "a")
    done = await alice.task("d", parent_id=top["id"])
    low = await alice.task("l", parent_id=done["id"])
    await act(alice, done, "complete")
    await act(alice, top, "complete")
    assert (await move(alice, along, parent_id=done["id"])).status_code == 200

    await act(alice, top, "reopen")

    assert [(await now(alice, task))["is_completed"] for task in (top, done, along, low)] == [False, False, False, True]
    await act(alice, done, "complete")
    await act(alice, done, "reopen")
    assert (await now(alice, low))["is_completed"], "it had been opened because of another, and takes nothing back"


async def test_what_is_under_a_completed_occurrence_stays_completed(alice: Person) -> None:
    recurrence = {"rule": "FREQ=DAILY", "missed": "keep"}
    series = await alice.task("s", due_on="2027-01-04", recurrence=recurrence)
    path = f"/v1/tasks/{series['id']}/complete"
    copy = (await alice.http.post(path, json={"occurrence": "2027-01-04"})).json()["completed"]
    below, done = [await alice.task(name, parent_id=series["id"], is_completed=True) for name in "bd"]
    await move(alice, copy, parent_id=series["id"])
    await move(alice, done, parent_id=copy["id"])

    assert (await alice.http.post(path, json={"occurrence": "2027-01-05"})).status_code == 200

    assert [(await now(alice, task))["is_completed"] for task in (below, copy, done)] == [False, True, True]


async def test_deleting_a_parent_deletes_all_below_and_restoring_brings_back_what_it_took(alice: Person) -> None:
    top, middle, low = await tree(alice, "t", "m", "l")
    before = await alice.task("b", parent_id=middle["id"])
    await act(alice, before, "delete")

    await act(alice, top, "delete")
    for task in (top, middle, low):
        assert_problem(await alice.http.get(f"/v1/tasks/{task['id']}"), 404)

    await act(alice, top, "restore")
    assert (await now(alice, low))["parent_id"] == middle["id"]
    assert_problem(await alice.http.get(f"/v1/tasks/{before['id']}"), 404)
    await act(alice, before, "restore")
    assert (await now(alice, before))["parent_id"] == middle["id"]


async def test_task_whose_parent_is_completed_is_restored_at_the_top_of_its_list(alice: Person) -> None:
    home = await alice.list()
    top, low = await tree(alice, "t", "l", list_id=home["id"])
    await act(alice, low, "delete")
    await act(alice, top, "complete")

    restored = await act(alice, low, "restore")

    assert (restored["parent_id"], restored["list_id"]) == (None, home["id"])
    assert (await now(alice, top))["is_completed"]


async def test_task_whose_parent_is_gone_is_restored_at_the_top_of_its_list(alice: Person) -> None:
    home = await alice.list()
    top, middle, low = await tree(alice, "t", "m", "l", list_id=home["id"])
    await act(alice, top, "delete")

    restored = await act(alice, middle, "restore")
    assert (restored["parent_id"], restored["list_id"]) == (None, home["id"])
    assert_problem(await alice.http.get(f"/v1/tasks/{low['id']}"), 404)
    await act(alice, top, "restore")
    assert (await now(alice, low))["parent_id"] is None  # its parent is elsewhere by now
    assert (await now(alice, low))["list_id"] == home["id"]


async def test_list_takes_its_tree_along_and_brings_it_back(alice: Person) -> None:
    home = await alice.list()
    top, middle, low = await tree(alice, "t", "m", "l", list_id=home["id"])
    path = f"/v1/lists/{home['id']}"

    await alice.http.delete(f"{path}?tasks=delete")
    await alice.http.post(f"{path}/restore")
    assert [(await now(alice, task))["parent_id"] for task in (top, middle, low)] == [None, top["id"], middle["id"]]
    assert [(await now(alice, task))["version"] for task in (top, middle, low)] == [3, 3, 3]

    assert (await alice.http.delete(f"{path}?tasks=move")).status_code == 204
    assert [(await now(alice, task))["list_id"] for task in (top, middle, low)] == [None] * 3
    assert (await now(alice, low))["parent_id"] == middle["id"]


async def test_new_subtask_and_deletion_of_its_parent_at_once_leave_no_orphan(alice: Person) -> None:
    parent = await alice.task()
    with connect() as session:
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        making = asyncio.create_task(alice.http.post("/v1/tasks", json={"title": "c", "parent_id": parent["id"]}))
        await lock_queue(1)
        deleting = asyncio.create_task(alice.http.delete(f"/v1/tasks/{parent['id']}"))
        await lock_queue(2)
        session.rollback()

    assert [answer.status_code for answer in await asyncio.gather(making, deleting)] == [201, 204]
    assert (await alice.http.get("/v1/tasks")).json()["items"] == []


@pytest.mark.parametrize("count", [1, 40])
async def test_cascade_takes_one_number_for_each_task(alice: Person, count: int) -> None:
    parent = await alice.task()
    for _ in range(count):
        await alice.task(parent_id=parent["id"])
    await act(alice, parent, "complete")

    with connect() as session:
        numbers = session.execute(
            "SELECT array_agg(change_no ORDER BY change_no) FROM tasks WHERE user_id = %s", [alice.id]
        ).fetchone()
        last = session.execute("SELECT change_no FROM users WHERE id = %s", [alice.id]).fetchone()
    assert (numbers, last) == (([*range(count + 2, 2 * count + 3)],), (2 * count + 2,))


# --- For whoever writes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tasks SET parent_id = id WHERE id = %(low)s",
        "UPDATE tasks SET parent_id = %(low)s WHERE id = %(top)s",
        "UPDATE tasks SET parent_id = gen_random_uuid() WHERE id = %(top)s",
        "INSERT INTO tasks (key, id, user_id, title, parent_id)"
        " SELECT gen_random_uuid(), gen_random_uuid(), user_id, 'x', gen_random_uuid() FROM tasks WHERE id = %(top)s",
    ],
)
async def test_rules_hold_for_whoever_writes(alice: Person, statement: str) -> None:
    top, low = await tree(alice, "t", "l")

    with connect() as session, pytest.raises(psycopg.IntegrityError):
        session.execute(statement.encode(), {"top": top["id"], "low": low["id"]})


async def test_what_was_inserted_without_a_position_is_the_last(alice: Person) -> None:
    """As the release before does, and the admin."""
    await alice.task("a")
    with connect(autocommit=True) as session:
        session.execute(
            "INSERT INTO tasks (key, id, user_id, title) SELECT gen_random_uuid(), gen_random_uuid(), %s, 'z'",
            [alice.id],
        )
    await alice.task("b")
    assert await order(alice) == "azb"


async def test_subtree_is_purged_from_below(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await purge(capsys)  # of what others have left
    top, *_ = await tree(alice, *"12345")
    await act(alice, top, "delete")
    age(alice, 31)

    assert (await purge(capsys))["tasks"] == 5


async def test_parent_stays_while_something_refers_to_it(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    top, _ = await tree(alice, "t", "l")
    await act(alice, top, "delete")
    with connect(autocommit=True) as session:
        session.execute("UPDATE tasks SET deleted_at = now() - interval '31 days' WHERE id = %s", [top["id"]])

    assert (await purge(capsys))["tasks"] == 0


@pytest.fixture(params=[500, 2])
def fill(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What gives the tasks from before their positions: many owners at once, or one owner's in pieces."""
    from importlib import import_module

    from django.apps import apps
    from django.db import connection

    migration = import_module("tasks.migrations.0019_fill_positions")
    monkeypatch.setattr(migration, "BATCH", request.param)
    monkeypatch.setattr(migration, "_TELL_EVERY", 3)  # ten thousand are many for a test

    def fill() -> None:
        with connection.schema_editor(atomic=False) as editor:
            migration.fill(apps, editor)
        connection.close()

    return fill


def take_positions(owner: str) -> None:
    with connect(autocommit=True) as session:
        session.execute("SET app.filling = 'on'")
        session.execute("UPDATE tasks SET position = NULL WHERE user_id = %s", [owner])


async def test_positions_are_given_to_tasks_from_before_without_a_change(
    alice: Person, fill: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [await alice.task(name) for name in "abc"]
    take_positions(alice.id)

    await asyncio.to_thread(fill)
    assert "3 tasks have their positions" in capsys.readouterr().out

    after = [await now(alice, task) for task in tasks]
    assert [task["position"] for task in after] == ["a0", "a1", "a2"]
    assert after == tasks


async def test_positions_are_given_while_their_owner_cannot_write(alice: Person, fill: Callable[[], None]) -> None:
    """First the tasks are locked and then their owner, as whoever writes did in the release before."""
    tasks = [await alice.task(name) for name in "abc"]
    take_positions(alice.id)

    with connect() as writer, connect() as other:
        writer.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [alice.id])
        filling = asyncio.create_task(asyncio.to_thread(fill))
        await lock_queue(1)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT FROM tasks WHERE user_id = %s FOR UPDATE NOWAIT", [alice.id])
        writer.rollback()
        await filling

    assert [(await now(alice, task))["position"] for task in tasks] == ["a0", "a1", "a2"]


async def test_tree_is_erased_with_its_owner(alice: Person) -> None:
    from tests.product.test_erase import erase, traces

    await tree(alice, "t", "m", "l")
    assert (await erase(alice)).status_code == 204
    assert traces(alice.id) == {}
