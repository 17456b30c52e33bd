"""Batches: many writes in one request, all or nothing or each by itself."""

import asyncio
import uuid
from typing import Any

import pytest

from tasks.batch_schemas import BatchResults
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from todoproject.database.client.connection import Connection
from todoproject.database.client.pool import pool

CREATE = {"op": "create", "data": {"title": "New"}}


async def titles(person: Person) -> list[str]:
    return sorted(task["title"] for task in (await person.http.get("/v1/tasks?limit=200")).json()["items"])


async def batch(person: Person, *operations: dict[str, Any], atomic: bool = True, **headers: str) -> Any:
    return await person.http.post(
        "/v1/tasks/batch",
        params={"atomic": str(atomic).lower()},
        json={"operations": list(operations)},
        headers=headers,
    )


async def test_every_kind_of_operation_is_answered_as_by_itself(alice: Person) -> None:
    one, two, three = [await alice.task(f"Task {number}") for number in range(3)]

    answer = await batch(
        alice,
        {"op": "create", "data": {"title": "New", "priority": "high"}},
        {"op": "update", "id": one["id"], "if_match": '"1"', "data": {"title": "Changed"}},
        {"op": "complete", "id": two["id"]},
        {"op": "reopen", "id": two["id"], "if_match": '"2"'},
        {"op": "delete", "id": three["id"]},
        {"op": "restore", "id": three["id"]},
        {"op": "update", "id": one["id"], "data": {}},
    )

    assert answer.status_code == 200
    BatchResults.model_validate(answer.json(), strict=False)
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 200, 200, 200, 204, 200, 200]
    assert results[4]["body"] is None
    for result in (results[0], results[1], results[3], results[5]):
        stored = await alice.http.get(f"/v1/tasks/{result['body']['id']}")
        assert stored.json() == result["body"]
    assert results[6]["body"] == results[1]["body"]
    assert await titles(alice) == ["Changed", "New", "Task 1", "Task 2"]


@pytest.mark.parametrize(
    ("failing", "status", "code"),
    [
        ({"op": "complete", "id": str(uuid.uuid4())}, 404, "not-found"),
        ({"op": "delete", "if_match": '"9"'}, 412, "precondition-failed"),
        ({"op": "delete", "if_match": 'W/"1"'}, 412, "precondition-failed"),  # a weak tag matches no write
        ({"op": "update", "data": {"due_at": "2026-12-01T08:00:00Z"}}, 422, "invalid"),
    ],
)
async def test_one_failure_undoes_all_and_is_named(
    alice: Person, failing: dict[str, Any], status: int, code: str
) -> None:
    task = await alice.task("Before", due_on="2026-12-01")

    answer = await batch(alice, CREATE, {"id": task["id"], **failing}, CREATE)

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["operation"]) == (status, code, 1)
    assert all(error["pointer"].startswith("#/operations/1/data") for error in problem["errors"])
    assert await titles(alice) == ["Before"]
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_without_atomic_each_stands_by_itself(alice: Person) -> None:
    task = await alice.task("Before", due_on="2026-12-01")

    answer = await batch(
        alice,
        CREATE,
        {"op": "complete", "id": str(uuid.uuid4())},
        {"op": "update", "id": task["id"], "data": {"due_at": "2026-12-01T08:00:00Z"}},
        {"op": "update", "id": task["id"], "if_match": '"7"', "data": {"title": "No"}},
        {"op": "update", "id": task["id"], "if_match": '"1"', "data": {"title": "Yes"}},
        {"op": "update", "id": task["id"], "data": {"due_at": "2026-12-01T08:00:00Z"}},
        atomic=False,
    )

    assert answer.status_code == 207
    BatchResults.model_validate(answer.json(), strict=False)
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 404, 422, 412, 200, 422]
    assert results[3]["body"]["task"]["title"] == "Before"
    assert await titles(alice) == ["New", "Yes"]


@pytest.mark.parametrize(
    ("operations", "pointer"), [([], "#/operations"), ([CREATE] * 101, "#/operations"), ({}, "#/operations")]
)
@pytest.mark.parametrize("atomic", [True, False])
async def test_what_is_no_batch_is_refused_whole(
    alice: Person, operations: list[Any], pointer: str, atomic: bool
) -> None:
    answer = await alice.http.post(f"/v1/tasks/batch?atomic={str(atomic).lower()}", json={"operations": operations})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await titles(alice) == []


ID = str(uuid.uuid4())
# Each with where it breaks a rule.
UNREADABLE: list[tuple[Any, str, str]] = [
    ({"op": "destroy"}, "", "The member op must be one of"),
    ({}, "", "The member op is required."),
    ("create", "", "This must be an object."),
    (None, "", "This must be an object."),
    ({"op": "create", "data": {"title": ""}}, "/data/title", "This must not be empty."),
    ({"op": "create", "data": {"title": "x", "titel": "y"}}, "/data/titel", "did you mean title?"),
    ({"op": "create"}, "/data", "This member is required."),
    ({"op": "create", "data": []}, "/data", "This must be an object."),
    ({"op": "complete"}, "/id", "This member is required."),
    ({"op": "complete", "id": "not-a-uuid"}, "/id", "This must be an id"),
    ({"op": "complete", "id": ID, "if_match": "3"}, "/if_match", "Entity tags stand in quotes"),
    ({"op": "reopen", "id": ID, "data": {}}, "/data", "Unknown member."),
    ({"op": "complete", "id": ID, "data": {"when": 1}}, "/data/when", "Unknown member."),
    ({"op": "skip", "id": ID, "data": {"occurrence": "today"}}, "/data/occurrence", "A time is a string"),
    ({"op": "update", "id": ID, "data": {"due_date": None}}, "/data/due_date", "did you mean due_on?"),
]


@pytest.mark.parametrize(("operation", "pointer", "detail"), UNREADABLE)
async def test_operation_that_breaks_a_rule_ends_an_atomic_batch_with_its_number(
    alice: Person, operation: Any, pointer: str, detail: str
) -> None:
    answer = await batch(alice, CREATE, operation, CREATE)

    problem = assert_problem(answer, 422)
    assert problem["operation"] == 1
    assert [error["pointer"] for error in problem["errors"]] == [f"#/operations/1{pointer}"]
    assert detail in problem["detail"]
    assert await titles(alice) == []


async def test_operation_that_breaks_a_rule_leaves_the_others_alone(alice: Person) -> None:
    answer = await batch(alice, CREATE, *(operation for operation, _, _ in UNREADABLE), CREATE, atomic=False)

    assert answer.status_code == 207
    BatchResults.model_validate(answer.json(), strict=False)
    first, *refused, last = answer.json()["results"]
    assert (first["status"], last["status"]) == (201, 201)
    for result, (_, pointer, detail) in zip(refused, UNREADABLE, strict=True):
        assert result["status"] == 422
        assert [error["pointer"] for error in result["body"]["errors"]] == [f"#{pointer.removeprefix('/data')}"]
        assert detail in result["body"]["detail"]
    assert await titles(alice) == ["New", "New"]


async def test_only_those_who_may_write_learn_what_is_wrong_with_every_operation(alice: Person) -> None:
    broken = {"op": "destroy"}

    assert (await batch(alice, broken, broken, atomic=False)).status_code == 207
    reader = await alice.token_for("tasks:read")
    assert_problem(await batch(alice, broken, atomic=False, **reader), 403)
    await alice.http.post("/v1/auth/logout")
    for atomic in (True, False):
        assert_problem(await batch(alice, broken, atomic=atomic), 401)


@pytest.mark.parametrize("atomic", [True, False])
async def test_tasks_of_others_are_not_found(alice: Person, charlie: Person, atomic: bool) -> None:
    task = await alice.task()
    operations = [
        {"op": op, "id": task["id"], **({"data": {"title": "stolen"}} if op == "update" else {})}
        for op in ("update", "complete", "reopen", "delete", "restore")
    ]

    for operation in operations:
        answer = await batch(charlie, operation, atomic=atomic)
        status = answer.status_code if atomic else answer.json()["results"][0]["status"]
        assert status == 404

    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_id_of_ones_own_making_can_be_used_once(alice: Person, charlie: Person) -> None:
    operation = {"op": "create", "id": str(uuid.uuid4()), "data": {"title": "Mine"}}

    assert (await batch(alice, operation)).json()["results"][0]["body"]["id"] == operation["id"]
    assert (await batch(alice, operation)).status_code == 412
    assert (await batch(charlie, operation)).status_code == 200
    assert await titles(alice) == ["Mine"]


async def test_later_operations_see_earlier_ones(alice: Person) -> None:
    identity = str(uuid.uuid4())

    answer = await batch(
        alice,
        {"op": "create", "id": identity, "data": {"title": "One"}},
        {"op": "update", "id": identity, "if_match": '"1"', "data": {"title": "Two"}},
        {"op": "complete", "id": identity, "if_match": '"2"'},
    )

    assert [result["body"]["version"] for result in answer.json()["results"]] == [1, 2, 3]


@pytest.mark.parametrize("atomic", [True, False])
async def test_batch_happens_once_for_a_key(alice: Person, atomic: bool) -> None:
    task, key = await alice.task("Before"), uuid.uuid4().hex
    operations = [CREATE, {"op": "update", "id": task["id"], "if_match": '"1"', "data": {"title": "After"}}]

    first, second = [await batch(alice, *operations, atomic=atomic, **{"Idempotency-Key": key}) for _ in range(2)]

    assert first.status_code == (200 if atomic else 207)
    assert (second.content, second.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert await titles(alice) == ["After", "New"]


async def test_failed_batch_with_a_key_leaves_nothing(alice: Person) -> None:
    key, nobody = {"Idempotency-Key": uuid.uuid4().hex}, str(uuid.uuid4())

    for is_replayed in (None, "true"):
        answer = await batch(alice, CREATE, {"op": "complete", "id": nobody}, **key)
        assert (answer.status_code, answer.json()["operation"]) == (404, 1)
        assert answer.headers.get("Idempotency-Replayed") == is_replayed

    assert await titles(alice) == []


async def test_hundred_operations_are_few_round_trips(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    send = Connection.send

    async def counting(self: Connection, commands: Any, *, edition: bytes | None) -> Any:
        sent.append(len(commands))
        return await send(self, commands, edition=edition)

    monkeypatch.setattr(Connection, "send", counting)
    answer = await batch(alice, *[CREATE] * 100)

    assert answer.status_code == 200
    # The hundred in one piece, each with what it has changed, behind BEGIN, the step back, the token check with the
    # owner's lock; then COMMIT.
    assert sent == [203, 1]
    assert len(await titles(alice)) == 100


async def test_token_must_hold_the_scope(alice: Person) -> None:
    made = await alice.http.post("/v1/tokens", json={"name": "reader", "scopes": ["tasks:read"]})
    alice.http.headers["Authorization"] = f"Bearer {made.json()['token']}"

    for atomic in (True, False):
        assert (await batch(alice, CREATE, atomic=atomic)).status_code == 403
    await pool.close()
    await pool.open()  # whatever connection it was on is in order
    assert await titles(alice) == []


async def test_batches_and_single_writes_never_wait_for_each_other_in_a_circle(alice: Person) -> None:
    tasks = [await alice.task(f"Task {number}") for number in range(6)]

    def operations(order: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"op": "update", "id": task["id"], "data": {"description": uuid.uuid4().hex}} for task in order]

    answers = await asyncio.gather(
        *(batch(alice, *operations(tasks[:: 1 if turn % 2 else -1]), atomic=turn % 3 > 0) for turn in range(12)),
        *(
            alice.http.patch(f"/v1/tasks/{tasks[turn % 6]['id']}", json={"description": str(turn)})
            for turn in range(24)
        ),
    )

    assert {answer.status_code for answer in answers} == {200, 207}
    versions = [(await alice.http.get(f"/v1/tasks/{task['id']}")).json()["version"] for task in tasks]
    assert versions == [1 + 12 + 4] * 6


async def test_tasks_are_moved_and_upserted(alice: Person) -> None:
    parent, child = str(uuid.uuid4()), str(uuid.uuid4())
    answer = await batch(
        alice,
        {"op": "create", "id": parent, "data": {"title": "p"}},
        {"op": "create", "id": child, "data": {"title": "c"}},
        {"op": "move", "id": child, "data": {"parent_id": parent, "first": True}},
        {"op": "upsert", "external_id": "crm", "data": {"title": "made"}},
        {"op": "upsert", "external_id": "crm", "data": {"priority": "high"}},
    )

    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 201, 200, 201, 200]
    assert results[2]["body"]["parent_id"] == parent
    assert (results[4]["body"]["title"], results[4]["body"]["priority"]) == ("made", "high")
    stale = await batch(alice, {"op": "move", "id": child, "if_match": '"1"', "data": {"parent_id": None}})
    assert (stale.status_code, stale.json()["operation"]) == (412, 0)
    untitled = await batch(alice, {"op": "upsert", "external_id": "none", "data": {"priority": "low"}}, atomic=False)
    assert untitled.json()["results"][0]["status"] == 422
    other = await batch(alice, {"op": "upsert", "external_id": "a", "data": {"title": "x", "external_id": "b"}})
    assert other.status_code == 422


async def test_lists_are_written_among_tasks_that_refer_to_them(alice: Person) -> None:
    home, work = str(uuid.uuid4()), str(uuid.uuid4())
    answer = await batch(
        alice,
        {"op": "create", "kind": "list", "id": home, "data": {"name": "Home"}},
        {"op": "create", "kind": "list", "id": work, "data": {"name": "Work"}},
        {"op": "create", "kind": "task", "data": {"title": "t", "list_id": home}},
        {"op": "update", "kind": "list", "id": home, "if_match": '"1"', "data": {"color": "#ff0000"}},
        {"op": "move", "kind": "list", "id": work, "data": {"before": home}},
        {"op": "delete", "kind": "list", "id": home, "data": {"tasks": "delete"}},
        {"op": "restore", "kind": "list", "id": home},
        {"op": "delete", "kind": "list", "id": work},
    )

    results = answer.json()["results"]
    assert [(result["status"], result["affected"]) for result in results] == [
        *((201, 1), (201, 1), (201, 1), (200, 1), (200, 1), (204, 2), (200, 2), (204, 1))
    ]
    assert results[3]["body"]["color"] == "#ff0000"
    assert results[6]["body"]["deleted_at"] is None
    assert len((await alice.http.get(f"/v1/tasks?list_id={home}")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ({"op": "complete", "kind": "list", "id": str(uuid.uuid4())}, ""),
        ({"op": "create", "kind": "list", "data": {"title": "x"}}, "/data/name"),
        ({"op": "create", "kind": "lists", "data": {"title": "x"}}, "/kind"),
        ({"op": "move", "id": str(uuid.uuid4()), "data": {}}, "/data"),
        ({"op": ["move"]}, ""),
        ({"kind": "list"}, ""),
    ],
)
async def test_operation_that_there_is_not_is_refused(alice: Person, operation: dict[str, Any], pointer: str) -> None:
    answer = await batch(alice, operation)

    assert answer.status_code == 422
    assert f"#/operations/0{pointer}" in [error["pointer"] for error in answer.json()["errors"]]


async def test_full_list_is_not_deleted_by_a_batch_that_does_not_say_how(alice: Person) -> None:
    home = await alice.list()
    await alice.task(list_id=home["id"])

    answer = await batch(alice, {"op": "delete", "kind": "list", "id": home["id"]})

    assert (answer.status_code, answer.json()["code"]) == (409, "list-not-empty")
