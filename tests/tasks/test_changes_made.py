"""`Affected` and `Change-No`: how much a write has changed, what went along with it included."""

from typing import Any

import httpx
import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect


def told(answer: httpx.Response) -> tuple[str | None, str | None]:
    assert answer.is_success, answer.text
    return answer.headers.get("Affected"), answer.headers.get("Change-No")


async def test_writes_tell_what_they_have_changed(alice: Person) -> None:
    http = alice.http
    made = await http.post("/v1/tasks", json={"title": "t", "labels": ["a"]})
    path = f"/v1/tasks/{made.json()['id']}"
    assert told(made) == ("1", "1")
    assert told(await http.patch(path, json={"title": "u"})) == ("1", "2")
    assert told(await http.patch(path, json={"title": "u"})) == ("0", None)
    assert told(await http.patch(path, json={})) == ("0", None)
    await http.post("/v1/tasks", json={"title": "s", "parent_id": made.json()["id"], "labels": ["A"]})
    assert told(await http.post(f"{path}/complete")) == ("2", "5")
    assert told(await http.post(f"{path}/complete")) == ("0", None)
    assert told(await http.patch("/v1/labels/a", json={"name": "b"})) == ("2", "7")
    assert told(await http.delete(path)) == ("2", "9")
    assert told(await http.post(f"{path}/restore")) == ("2", "11")
    assert told(await http.delete("/v1/labels/b")) == ("2", "13")
    assert told(await http.put("/v1/tasks/by-external-id/x", json={"title": "x"})) == ("1", "14")


async def test_lists_tell_of_the_tasks_that_went_along(alice: Person) -> None:
    made = await alice.http.post("/v1/lists", json={"name": "l"})
    assert told(made) == ("1", "1")
    path = f"/v1/lists/{made.json()['id']}"
    for _ in range(3):
        await alice.task(list_id=made.json()["id"])
    assert told(await alice.http.delete(f"{path}?tasks=delete")) == ("4", "8")
    assert told(await alice.http.post(f"{path}/restore")) == ("4", "12")


async def test_what_only_reads_or_is_refused_tells_nothing(alice: Person) -> None:
    task = await alice.task()
    path = f"/v1/tasks/{task['id']}"
    for answer in (
        await alice.http.get(path),
        await alice.http.get("/v1/tasks"),
        await alice.http.patch(path, json={"title": ""}),
        await alice.http.patch(path, json={"title": "x"}, headers={"If-Match": '"9"'}),
    ):
        assert not {"affected", "change-no"} & answer.headers.keys()


@pytest.mark.parametrize("atomic", [True, False])
async def test_batch_tells_the_sum_and_the_last_number_and_each_its_own(alice: Person, atomic: bool) -> None:
    parent = await alice.task()
    await alice.task(parent_id=parent["id"])
    operations: list[dict[str, Any]] = [
        {"op": "create", "data": {"title": "x"}},
        {"op": "complete", "id": parent["id"]},
        {"op": "complete", "id": parent["id"]},
        {"op": "update", "id": parent["id"], "data": {}},
        {"op": "delete", "id": parent["id"]},
    ]
    answer = await alice.http.post(f"/v1/tasks/batch?atomic={atomic}", json={"operations": operations})

    assert told(answer) == ("5", "7")
    results = answer.json()["results"]
    assert [(result["affected"], result["change_no"]) for result in results] == [
        *((1, 3), (2, 5), (0, None), (0, None), (2, 7))
    ]


async def test_failed_operation_of_a_batch_changes_nothing(alice: Person) -> None:
    operations = [
        {"op": "create", "data": {"title": "x"}},
        {"op": "complete", "id": "01991f3e-7c00-7000-8000-0000000000a1"},
        {"op": "create", "data": {"title": "y"}},
    ]
    answer = await alice.http.post("/v1/tasks/batch?atomic=false", json={"operations": operations})

    assert told(answer) == ("2", "2")
    assert [result["affected"] for result in answer.json()["results"]] == [1, 0, 1]


async def test_replay_tells_what_was_stored(alice: Person) -> None:
    key = {"Idempotency-Key": "once"}
    first = await alice.http.post("/v1/tasks", json={"title": "x"}, headers=key)
    await alice.task()
    again = await alice.http.post("/v1/tasks", json={"title": "x"}, headers=key)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert told(first) == told(again) == ("1", "1")


@pytest.mark.parametrize(("changes", "is_refused"), [(20_000, False), (20_001, True)])
async def test_request_changes_twenty_thousand_things_at_most(alice: Person, changes: int, is_refused: bool) -> None:
    """The number is moved by a trigger of the test's: writing as many rows would take longer than all other tests."""
    with connect(autocommit=True) as session:
        session.execute(f"""
            CREATE OR REPLACE FUNCTION todo.flood() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
                ALTER TABLE todo.users DISABLE TRIGGER USER;
                UPDATE todo.users SET change_no = change_no + {changes - 1} WHERE id = NEW.user_id;
                ALTER TABLE todo.users ENABLE TRIGGER USER;
                RETURN NULL;
            END $$;
            CREATE TRIGGER flood AFTER INSERT ON todo.tasks FOR EACH ROW WHEN (NEW.title = 'flood')
                EXECUTE FUNCTION todo.flood();
        """)
    try:
        answer = await alice.http.post("/v1/tasks", json={"title": "flood"})
    finally:
        with connect(autocommit=True) as session:
            session.execute("DROP FUNCTION todo.flood() CASCADE")

    if is_refused:
        assert assert_problem(answer, 422)["code"] == "too-many-changes"
    else:
        assert told(answer) == ("20000", "20000")
    assert len((await alice.http.get("/v1/tasks")).json()["items"]) == (0 if is_refused else 1)
