"""Entity tags and the conditions that clients put on them (RFC 9110, section 13)."""

import asyncio
import time
import uuid
from typing import Any

import pytest

from tasks.schemas import Task
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect, owner_held

# Each operation that changes a task which is there.
CHANGES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("PUT", "", {"title": "Changed"}),
    ("PATCH", "", {"title": "Changed"}),
    ("PATCH", "", {}),
    ("POST", "/complete", None),
    ("POST", "/reopen", None),
    ("POST", "/restore", None),
    ("DELETE", "", None),
]


async def test_every_answer_with_one_task_has_its_version_as_strong_tag(alice: Person) -> None:
    task = await alice.task()
    path = f"/v1/tasks/{task['id']}"
    answers = [
        await alice.http.get(path),
        await alice.http.patch(path, json={"title": "Changed"}),
        await alice.http.put(path, json={"title": "Replaced"}, headers={"If-Match": "*"}),
        await alice.http.post(f"{path}/complete"),
        await alice.http.post(f"{path}/complete"),
        await alice.http.post(f"{path}/reopen"),
        await alice.http.post(f"{path}/restore"),
    ]

    assert [answer.headers["ETag"] for answer in answers] == [f'"{n}"' for n in (1, 2, 3, 4, 4, 5, 5)]
    assert all(answer.headers["ETag"] == f'"{answer.json()["version"]}"' for answer in answers)


MATCHING = ['"1"', "*", '"7", "1"', 'W/"1" , "1"', ',, "x" ,"1",,', ' "1"\t', '"1","\x80"']
OTHERS = ['"2"', 'W/"1"', '"01"', '""', '"W/1"', '"99999999999"', '"2147483648"', '"4294967297"', '"*"', '"-1"']
MALFORMED = ["1", "", '"1', '"1" "2"', '*, "1"', '"1 "', 'w/"1"', ",", 'tag, "1"', '""1""', '"1"x']
# These must not take long either.
MALFORMED += ['"a"' + ',"a"' * 5000 + "x", '"a"' + ",  " * 5000 + "x", '"a' * 5001]


@pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)
async def test_change_goes_ahead_if_the_version_matches(
    alice: Person, method: str, suffix: str, body: dict[str, Any] | None
) -> None:
    for tag in MATCHING:
        url, headers = f"/v1/tasks/{(await alice.task())['id']}{suffix}", [("If-Match", tag.encode("latin-1"))]
        response = await alice.http.request(method, url, json=body, headers=headers)  # type: ignore[arg-type]  # bytes will do
        assert response.is_success, (tag, response.text)


@pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)
async def test_change_is_refused_with_the_task_if_no_version_matches(
    alice: Person, method: str, suffix: str, body: dict[str, Any] | None
) -> None:
    task = await alice.task()
    for tag in OTHERS:
        url = f"/v1/tasks/{task['id']}{suffix}"
        response = await alice.http.request(method, url, json=body, headers={"If-Match": tag})
        problem = assert_problem(response, 412)
        assert (problem["code"], response.headers["ETag"]) == ("precondition-failed", '"1"')
        assert problem["task"] == task
        Task.model_validate(problem["task"], strict=False)
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


@pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)
async def test_malformed_or_meaningless_condition_is_a_400(
    alice: Person, method: str, suffix: str, body: dict[str, Any] | None
) -> None:
    task = await alice.task()
    for header in [*({"If-Match": value} for value in MALFORMED), {"If-None-Match": '"1"'}]:
        url, started = f"/v1/tasks/{task['id']}{suffix}", time.perf_counter()
        assert_problem(await alice.http.request(method, url, json=body, headers=header), 400)
        assert time.perf_counter() - started < 1
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_several_headers_are_one_list(alice: Person) -> None:
    task = await alice.task()

    headers = [("If-Match", '"5"'), ("If-Match", '"1"')]
    assert (await alice.http.post(f"/v1/tasks/{task['id']}/complete", headers=headers)).status_code == 200


@pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)
async def test_absence_is_told_before_the_condition(
    alice: Person, charlie: Person, method: str, suffix: str, body: dict[str, Any] | None
) -> None:
    """RFC 9110, section 13.2.1; and a stranger cannot find out whose version is which."""
    task = await alice.task()
    absent = task["id"][:-4] + "0000"

    for tag in ('"1"', '"2"', "*"):
        headers = {"If-Match": tag, "X-Request-ID": "same"}
        answers = [
            await charlie.http.request(method, f"/v1/tasks/{task_id}{suffix}", json=body, headers=headers)
            for task_id in (task["id"], absent)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text.replace(task["id"], absent) == answers[1].text
        assert answers[0].headers == answers[1].headers
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


@pytest.mark.parametrize("operation", ["patch", "put", "delete"])
async def test_of_fifty_concurrent_conditional_changes_one_succeeds(alice: Person, operation: str) -> None:
    path = f"/v1/tasks/{(await alice.task())['id']}"

    async def change(number: int) -> Any:
        json = None if operation == "delete" else {"title": f"Number {number}"}
        return await alice.http.request(operation, path, json=json, headers={"If-Match": '"1"'})

    async with owner_held(alice.id):
        requests = [asyncio.create_task(change(number)) for number in range(50)]
    answers = await asyncio.gather(*requests)

    lost = [answer for answer in answers if not answer.is_success]
    if operation == "delete":
        assert [answer.status_code for answer in lost] == [404] * 49
        return
    assert [answer.status_code for answer in lost] == [412] * 49
    (winner,) = [answer.json() for answer in answers if answer.is_success]
    # Each loser is told what the task is now, not what it was when the loser began to wait.
    assert all((answer.json()["task"], answer.headers["ETag"]) == (winner, '"2"') for answer in lost)
    assert (await alice.http.get(path)).json() == winner


async def lock_queue() -> None:
    """Wait until somebody waits for a lock."""
    with connect(autocommit=True) as connection:
        for _ in range(500):
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            if row != (0,):
                return
            await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the lock")


@pytest.mark.parametrize(("method", "suffix", "body"), [change for change in CHANGES if change[2] != {}])
async def test_writer_that_had_to_wait_is_told_what_the_other_one_wrote(
    alice: Person, method: str, suffix: str, body: dict[str, Any] | None
) -> None:
    task = await alice.task()
    url = f"/v1/tasks/{task['id']}{suffix}"

    with connect() as other:
        other.execute("UPDATE tasks SET title = 'First' WHERE id = %s", [task["id"]])
        request = asyncio.create_task(alice.http.request(method, url, json=body, headers={"If-Match": '"1"'}))
        await lock_queue()
        other.commit()
    response = await request

    assert assert_problem(response, 412)["task"]["title"] == "First"
    assert response.headers["ETag"] == '"2"'
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == response.json()["task"]


async def test_creator_that_had_to_wait_is_told_what_the_other_one_made(alice: Person) -> None:
    task_id = str(uuid.uuid4())

    with connect() as other:
        other.execute(
            "INSERT INTO tasks (key, id, user_id, title) VALUES (gen_random_uuid(), %s, %s, 'First')",
            [task_id, alice.id],
        )
        request = asyncio.create_task(
            alice.http.put(f"/v1/tasks/{task_id}", json={"title": "Second"}, headers={"If-None-Match": "*"})
        )
        await lock_queue()
        other.commit()

    assert assert_problem(await request, 412)["task"]["title"] == "First"


async def test_creator_and_writer_of_one_id_do_not_lock_each_other_out(alice: Person) -> None:
    task = await alice.task()

    with connect() as other:
        other.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", [alice.id])  # as every writer begins
        request = asyncio.create_task(
            alice.http.put(f"/v1/tasks/{task['id']}", json={"title": "Again"}, headers={"If-None-Match": "*"})
        )
        await lock_queue()
        other.execute("UPDATE tasks SET title = 'Changed' WHERE id = %s", [task["id"]])
        other.commit()

    assert assert_problem(await request, 412)["task"]["title"] == "Changed"


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', "*", '"0", "1"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_unchanged_task_is_not_sent_again(alice: Person, method: str, tag: str) -> None:
    task = await alice.task()

    response = await alice.http.request(method, f"/v1/tasks/{task['id']}", headers={"If-None-Match": tag})

    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"1"')
    assert "Content-Type" not in response.headers
    assert "Content-Length" not in response.headers


@pytest.mark.parametrize("tag", ['"2"', '"01"', '"x"'])
async def test_changed_task_is_sent(alice: Person, tag: str) -> None:
    task = await alice.task()

    assert (await alice.http.get(f"/v1/tasks/{task['id']}", headers={"If-None-Match": tag})).json() == task


async def test_malformed_if_none_match_is_a_400_and_an_absent_task_a_404(alice: Person) -> None:
    task = await alice.task()

    assert_problem(await alice.http.get(f"/v1/tasks/{task['id']}", headers={"If-None-Match": "1"}), 400)
    assert_problem(await alice.http.get(f"/v1/tasks/{alice.id}", headers={"If-None-Match": "*"}), 404)


async def test_version_that_has_gone_up_matches_no_more(alice: Person) -> None:
    path = f"/v1/tasks/{(await alice.task())['id']}"
    for version in range(1, 12):
        headers = {"If-Match": f'"{version}"'}
        assert (await alice.http.patch(path, json={"title": f"v{version}"}, headers=headers)).status_code == 200
        assert (await alice.http.patch(path, json={"title": "late"}, headers=headers)).status_code == 412
