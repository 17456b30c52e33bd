"""Lists of tasks: made, moved, archived, deleted with their tasks or without, restored; and the tasks in them."""

import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.http.test_errors import assert_problem
from tests.product.test_erase import erase, traces
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_trash import age, purge


async def names(person: Person, query: str = "") -> list[str]:
    answer = await person.http.get(f"/v1/lists{query}")
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["items"]]


async def titles(person: Person, query: str) -> set[str]:
    answer = await person.http.get(f"/v1/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return {task["title"] for task in answer.json()["items"]}


async def move(person: Person, row: dict[str, Any], **to: Any) -> httpx.Response:
    return await person.http.post(f"/v1/lists/{row['id']}/move", json=to)


# --- One list -------------------------------------------------------------------------------------


async def test_list_is_made_shown_changed_and_told_apart_by_its_version(alice: Person) -> None:
    made = await alice.http.post("/v1/lists", json={"name": "  Groceries ", "color": "#3366cc"})
    row = made.json()
    path = f"/v1/lists/{row['id']}"

    assert made.headers["Location"] == path
    assert made.headers["ETag"] == '"1"'
    assert {**row, "id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "name": "Groceries",
        "color": "#3366cc",
        "position": "a0",
        "is_archived": False,
        "archived_at": None,
        "created_at": "",
        "updated_at": "",
        "deleted_at": None,
        "version": 1,
    }
    assert (await alice.http.get(path, headers={"If-None-Match": '"1"'})).status_code == 304

    archived = (await alice.http.patch(path, json={"is_archived": True})).json()
    assert (archived["version"], archived["archived_at"]) == (2, archived["updated_at"])
    stale = await alice.http.patch(path, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert assert_problem(stale, 412)["list"] == archived
    assert stale.headers["ETag"] == '"2"'

    replaced = await alice.http.put(path, json={"name": "Food"}, headers={"If-Match": '"2"'})
    after = replaced.json()
    assert (after["name"], after["color"], after["is_archived"], after["archived_at"]) == ("Food", None, False, None)
    assert (await alice.http.get(path)).json() == after
    assert_problem(await alice.http.put(path, json={"name": "Food"}), 428)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        *(({}, "#/name"), ({"name": ""}, "#/name"), ({"name": " \u2800"}, "#/name"), ({"name": "a\nb"}, "#/name")),
        *(({"name": "x" * 101}, "#/name"), ({"name": None}, "#/name"), ({"name": "x", "color": "red"}, "#/color")),
        *(({"name": "x", "color": "#3366cc\n"}, "#/color"), ({"name": "x", "position": "a0"}, "#/position")),
        ({"name": "x", "is_archived": "yes"}, "#/is_archived"),
    ],
)
async def test_bad_list_is_refused_with_the_member(alice: Person, body: dict[str, Any], pointer: str) -> None:
    answer = await alice.http.post("/v1/lists", json=body)

    assert [error["pointer"] for error in assert_problem(answer, 422)["errors"]] == [pointer]
    assert await names(alice) == []


async def test_list_is_created_once_under_the_clients_id(alice: Person, bob: Person) -> None:
    path, new = f"/v1/lists/{uuid.uuid4()}", {"If-None-Match": "*"}

    assert (await alice.http.put(path, json={"name": "Mine"}, headers=new)).status_code == 201
    assert_problem(await alice.http.put(path, json={"name": "Again"}, headers=new), 412)
    assert (await bob.http.put(path, json={"name": "His"}, headers=new)).status_code == 201
    await alice.http.delete(path)
    taken = await alice.http.put(path, json={"name": "Again"}, headers=new)
    assert assert_problem(taken, 409)["code"] == "list-deleted"


# --- Their order ----------------------------------------------------------------------------------


async def test_lists_are_moved_and_shown_by_position(alice: Person) -> None:
    a, b, c = [await alice.list(name) for name in "abc"]
    assert await names(alice) == ["a", "b", "c"]

    assert (await move(alice, c, before=b["id"])).json()["version"] == 2
    assert await names(alice) == ["a", "c", "b"]
    await move(alice, a, after=b["id"])
    assert await names(alice) == ["c", "b", "a"]
    await move(alice, b, first=True)
    assert await names(alice) == ["b", "c", "a"]

    first = (await alice.http.get("/v1/lists?limit=2")).json()
    assert await names(alice, f"?limit=2&cursor={first['next_cursor']}") == ["a"]
    assert_problem(await alice.http.get(f"/v1/lists?is_archived=false&cursor={first['next_cursor']}"), 400)


async def test_list_is_not_moved_beside_what_is_not_there(alice: Person, bob: Person) -> None:
    row, gone, his = await alice.list(), await alice.list(), await bob.list()
    await alice.http.delete(f"/v1/lists/{gone['id']}")

    for neighbour in (row["id"], gone["id"], his["id"], str(uuid.uuid4())):
        answer = await move(alice, row, before=neighbour)
        assert assert_problem(answer, 409)["code"] == "place-gone"
    for to in ({}, {"first": False}, {"first": True, "after": gone["id"]}, {"before": None}):
        assert_problem(await move(alice, row, **to), 422)


async def test_positions_stay_short_however_often_lists_move_between_two(alice: Person) -> None:
    """The database does it: twelve hundred moves over HTTP would tell no more."""
    rows = [await alice.list(name) for name in "abcd"]
    with connect() as session:
        session.execute("SELECT set_config('app.user_id', %s, true)", [alice.id])
        place = "UPDATE lists SET position = place_list(id, 'after', %s) WHERE user_id = %s AND id = %s"
        found = [
            session.execute(f"{place} RETURNING length(position)", [rows[0]["id"], alice.id, rows[1 + turn % 2]["id"]])
            for turn in range(1200)
        ]
        lengths = [length for cursor in found for (length,) in cursor.fetchall()]
    assert len(lengths) == 1200
    assert 90 < max(lengths) <= 100

    assert await names(alice) == ["a", "c", "b", "d"]


# --- Tasks in a list ------------------------------------------------------------------------------


async def test_tasks_are_put_into_lists_and_found_there(alice: Person) -> None:
    home, work = await alice.list("Home"), await alice.list("Work")
    milk = await alice.task("milk", list_id=home["id"])
    await alice.task("report", list_id=work["id"])
    inbox = await alice.task("inbox")
    assert (milk["list_id"], inbox["list_id"]) == (home["id"], None)

    assert await titles(alice, f"list_id={home['id'].upper()}") == {"milk"}
    assert await titles(alice, "list_id=null") == {"inbox"}
    assert await titles(alice, f"list_id={uuid.uuid4()}") == set()
    await alice.http.patch(f"/v1/lists/{work['id']}", json={"is_archived": True})
    assert await titles(alice, "") == {"milk", "report", "inbox"}
    assert await titles(alice, "in_archived_list=false") == {"milk", "inbox"}
    assert await titles(alice, "in_archived_list=true&q=rep") == {"report"}

    path = f"/v1/tasks/{milk['id']}"
    moved = (await alice.http.patch(path, json={"list_id": work["id"]})).json()
    assert (moved["list_id"], moved["version"]) == (work["id"], 2)
    assert (await alice.http.patch(path, json={"list_id": None})).json()["list_id"] is None


async def test_replacing_a_task_keeps_its_list_unless_it_names_one(alice: Person) -> None:
    """A client that was made before there were lists must not empty them."""
    home = await alice.list()
    task = await alice.task(list_id=home["id"])
    path, any_version = f"/v1/tasks/{task['id']}", {"If-Match": "*"}

    assert (await alice.http.put(path, json={"title": "a"}, headers=any_version)).json()["list_id"] == home["id"]
    cleared = await alice.http.put(path, json={"title": "a", "list_id": None}, headers=any_version)
    assert cleared.json()["list_id"] is None


async def test_a_strangers_list_is_none(alice: Person, bob: Person) -> None:
    his, task = await bob.list(), await alice.task()
    answers = [
        await alice.http.patch(f"/v1/tasks/{task['id']}", json={"list_id": list_id})
        for list_id in (his["id"], str(uuid.uuid4()))
    ]

    problems = [assert_problem(answer, 422) for answer in answers]
    assert [problem["errors"] for problem in problems] == [
        [{"pointer": "#/list_id", "code": "no-such-place", "detail": "There is no such list."}]
    ] * 2
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_task_is_not_put_into_a_deleted_list(alice: Person) -> None:
    gone = await alice.list()
    await alice.http.delete(f"/v1/lists/{gone['id']}")

    answer = await alice.http.post("/v1/tasks", json={"title": "x", "list_id": gone["id"]})

    error = assert_problem(answer, 422)["errors"][0]
    assert (error["pointer"], error["code"]) == ("#/list_id", "no-such-place")


# --- Deleting and restoring -----------------------------------------------------------------------


async def test_list_with_tasks_is_deleted_only_if_it_is_said_what_becomes_of_them(alice: Person) -> None:
    home = await alice.list()
    await alice.task("open", list_id=home["id"])
    done = await alice.task("done", list_id=home["id"])
    await alice.http.post(f"/v1/tasks/{done['id']}/complete")

    answer = await alice.http.delete(f"/v1/lists/{home['id']}")

    assert assert_problem(answer, 409)["code"] == "list-not-empty"
    assert_problem(await alice.http.delete(f"/v1/lists/{home['id']}?tasks=burn"), 422)
    assert await names(alice) == [home["name"]]


async def test_list_is_deleted_with_its_tasks_and_brings_them_back(alice: Person) -> None:
    home = await alice.list()
    kept, gone = await alice.task("kept", list_id=home["id"]), await alice.task("gone", list_id=home["id"])
    await alice.http.delete(f"/v1/tasks/{gone['id']}")
    path = f"/v1/lists/{home['id']}"

    stale = await alice.http.delete(f"{path}?tasks=delete", headers={"If-Match": '"9"'})
    assert_problem(stale, 412)
    assert await titles(alice, "") == {"kept"}

    assert (await alice.http.delete(f"{path}?tasks=delete", headers={"If-Match": '"1"'})).status_code == 204
    assert await titles(alice, "") == set()
    assert await names(alice, "?deleted=true") == [home["name"]]
    assert_problem(await alice.http.get(path), 404)
    assert_problem(await alice.http.delete(path), 404)

    restored = await alice.http.post(f"{path}/restore")
    assert (restored.status_code, restored.json()["deleted_at"]) == (200, None)
    assert await titles(alice, f"list_id={home['id']}") == {"kept"}
    assert (await alice.http.get(f"/v1/tasks/{kept['id']}")).json()["version"] == 3


async def test_tasks_that_move_to_the_inbox_stay_there(alice: Person) -> None:
    home = await alice.list()
    task = await alice.task("milk", list_id=home["id"])

    assert (await alice.http.delete(f"/v1/lists/{home['id']}?tasks=move")).status_code == 204
    await alice.http.post(f"/v1/lists/{home['id']}/restore")

    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json()["list_id"] is None


async def test_task_whose_list_is_gone_is_restored_into_the_inbox(alice: Person) -> None:
    home = await alice.list()
    task = await alice.task(list_id=home["id"])
    await alice.http.delete(f"/v1/lists/{home['id']}?tasks=delete")

    restored = (await alice.http.post(f"/v1/tasks/{task['id']}/restore")).json()

    assert (restored["list_id"], restored["deleted_at"]) == (None, None)
    history = (await alice.http.get(f"/v1/tasks/{task['id']}/history?limit=1")).json()["items"][0]
    assert (history["event"], history["changes"]["list_id"]) == ("restored", {"from": home["id"], "to": None})
    await alice.http.post(f"/v1/lists/{home['id']}/restore")
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == restored


async def test_list_that_comes_back_stands_at_the_end_if_its_place_is_taken(alice: Person) -> None:
    a, b = await alice.list("a"), await alice.list("b")
    await alice.http.delete(f"/v1/lists/{b['id']}")
    await alice.list("c")
    assert (await alice.http.post(f"/v1/lists/{b['id']}/restore")).status_code == 200

    rows = (await alice.http.get("/v1/lists")).json()["items"]
    assert len({row["position"] for row in rows}) == 3
    assert {row["id"] for row in rows} >= {a["id"], b["id"]}


async def test_deleting_a_list_takes_one_number_for_each_thing_that_changes(alice: Person) -> None:
    home = await alice.list()
    for n in range(5):
        await alice.task(f"{n}", list_id=home["id"])
    await alice.http.delete(f"/v1/lists/{home['id']}?tasks=delete")

    with connect() as session:
        numbers = session.execute(
            "SELECT array_agg(change_no ORDER BY change_no) FROM (SELECT change_no, user_id FROM tasks UNION ALL"
            " SELECT change_no, user_id FROM lists) AS rows WHERE user_id = %s",
            [alice.id],
        ).fetchone()
        last = session.execute("SELECT change_no FROM users WHERE id = %s", [alice.id]).fetchone()
    assert (numbers, last) == (([7, 8, 9, 10, 11, 12],), (12,))


# --- The database's own rules ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lists SET deleted_at = now() WHERE id = %(list)s",
        "UPDATE lists SET user_id = gen_random_uuid() WHERE id = %(list)s",
        "UPDATE lists SET name = E'a\\nb' WHERE id = %(list)s",
        "UPDATE lists SET color = 'red' WHERE id = %(list)s",
        "UPDATE tasks SET list_id = gen_random_uuid() WHERE list_id = %(list)s",
    ],
)
async def test_rules_hold_for_whoever_writes(alice: Person, statement: str) -> None:
    home = await alice.list()
    await alice.task(list_id=home["id"])

    with connect() as session, pytest.raises(psycopg.IntegrityError):
        session.execute(statement.encode(), {"list": home["id"]})


async def test_no_task_is_left_without_its_list(alice: Person) -> None:
    home = await alice.list()
    await alice.task(list_id=home["id"])

    with connect() as session:
        session.execute("DELETE FROM lists WHERE id = %s", [home["id"]])
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            session.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def test_list_is_purged_after_the_tasks_in_it(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    await purge(capsys)  # of what others have left
    home = await alice.list()
    await alice.task(list_id=home["id"])
    await alice.http.delete(f"/v1/lists/{home['id']}?tasks=delete")
    with connect() as session:
        session.execute("UPDATE lists SET deleted_at = deleted_at - interval '31 days' WHERE user_id = %s", [alice.id])
    report = await purge(capsys)
    assert (report["tasks"], report["lists"]) == (0, 0)

    age(alice, 31)
    report = await purge(capsys)
    assert (report["tasks"], report["lists"]) == (1, 1)


async def test_account_is_erased_and_exported_with_its_lists(alice: Person) -> None:
    home = await alice.list("Secret plans")
    await alice.task(list_id=home["id"])
    assert (await alice.http.get("/v1/me/export")).json()["lists"] == [home]

    assert (await erase(alice)).status_code == 204
    assert traces(alice.id, "Secret plans") == {}
