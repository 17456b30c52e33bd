"""Labels: on tasks, by filter, renamed and removed everywhere; start dates."""

from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_task_lists import titles


async def labels_of(person: Person, task: dict[str, Any]) -> list[str]:
    found: list[str] = (await person.http.get(f"/v1/tasks/{task['id']}")).json()["labels"]
    return found


async def counts(person: Person) -> dict[str, int]:
    items = (await person.http.get("/v1/labels")).json()["items"]
    return {item["name"]: item["open_tasks"] for item in items}


async def test_labels_are_kept_in_order_and_spelling(alice: Person) -> None:
    labels = ["z last", "Ärger", "a/b", "one, two", "🐄", "#hash", "%2F"]
    task = await alice.task(labels=labels, starts_on="2026-12-01")

    assert (task["labels"], task["starts_on"]) == (labels, "2026-12-01")
    path = f"/v1/tasks/{task['id']}"
    assert (await alice.http.patch(path, json={"labels": ["b", "a"]})).json()["labels"] == ["b", "a"]
    assert (await alice.http.put(path, json={"title": "x"}, headers={"If-Match": "*"})).json()["labels"] == ["b", "a"]
    assert (await alice.http.patch(path, json={"labels": None, "starts_on": None})).json()["labels"] == []
    assert (await alice.http.get("/v1/tasks?starts_before=2026-12-02")).json()["items"] == []


@pytest.mark.parametrize(
    ("labels", "pointer", "code"),
    [
        ([str(n) for n in range(21)], "#/labels", "too_long"),
        (["a", "A"], "#/labels", "distinct"),
        (["\uff21\uff22", "ab"], "#/labels", "distinct"),
        (["caf\u00e9", "cafe\u0301"], "#/labels", "distinct"),
        (["x" * 51], "#/labels/0", "string_too_long"),
        (["ok", ""], "#/labels/1", "string_too_short"),
        ([" \u200b"], "#/labels/0", "blank"),
        (["a\tb"], "#/labels/0", "one_line"),
        (["."], "#/labels/0", "dots"),
        ([".."], "#/labels/0", "dots"),
        ([1], "#/labels/0", "string_type"),
        ([None], "#/labels/0", "string_type"),
        ("a", "#/labels", "list_type"),
    ],
)
async def test_bad_labels_are_refused(alice: Person, labels: Any, pointer: str, code: str) -> None:
    answer = await alice.http.post("/v1/tasks", json={"title": "x", "labels": labels})

    assert [(error["pointer"], error["code"]) for error in assert_problem(answer, 422)["errors"]] == [(pointer, code)]


async def test_twenty_labels_of_fifty_characters_fit(alice: Person) -> None:
    labels = [f"{n:02}" + "🐄" * 48 for n in range(20)]
    task = await alice.task(labels=labels)

    assert task["labels"] == labels
    answer = await alice.http.post(f"/v1/tasks/{task['id']}/labels", json={"add": ["one more"]})
    assert assert_problem(answer, 422)["errors"][0]["code"] == "too_long"


@pytest.mark.parametrize(
    "labels",
    [["a", "A"], [""], ["."], [None], ["a\nb"], ["x" * 51], ["\u200b"], [str(n) for n in range(21)]],
)
async def test_rules_hold_for_whoever_writes(alice: Person, labels: list[str | None]) -> None:
    task = await alice.task()

    with connect() as session, pytest.raises(psycopg.errors.CheckViolation):
        session.execute("UPDATE tasks SET labels = %s::text[] WHERE id = %s", [labels, task["id"]])


# --- Adding and taking off ------------------------------------------------------------------------


async def test_labels_are_added_and_taken_off_whatever_another_device_has_done(alice: Person) -> None:
    task = await alice.task(labels=["Home", "later"])
    path = f"/v1/tasks/{task['id']}/labels"

    assert (await alice.http.post(path, json={"add": ["home", "Café"]})).json()["labels"] == ["Home", "later", "Café"]
    both = {"add": ["phone"], "remove": ["LATER", "cafe"]}
    assert (await alice.http.post(path, json=both)).json()["labels"] == ["Home", "Café", "phone"]
    unchanged = await alice.http.post(path, json={"add": ["HOME"], "remove": ["gone"]})
    assert (unchanged.json()["version"], unchanged.headers["ETag"]) == (3, '"3"')
    assert_problem(await alice.http.post(path, json={"add": ["x"]}, headers={"If-Match": '"1"'}), 412)
    assert_problem(await alice.http.post(path, json={}), 422)
    assert_problem(await alice.http.post(path, json={"add": ["x", "X"]}), 422)


# --- Filtering and counting -----------------------------------------------------------------------


async def test_tasks_are_found_by_all_of_the_labels(alice: Person) -> None:
    await alice.task("both", labels=["Home", "phone"])
    await alice.task("one", labels=["home"])
    await alice.task("none")

    assert await titles(alice, "label=HOME") == {"both", "one"}
    assert await titles(alice, "label=home&label=Phone") == {"both"}
    assert await titles(alice, "label=h%C3%B6me") == set()
    assert_problem(await alice.http.get("/v1/tasks?label="), 422)


async def test_labels_are_counted_in_the_spelling_most_used(alice: Person) -> None:
    for spelling in ("home", "Home", "Home"):
        await alice.task(labels=[spelling])
    done = await alice.task(labels=["HOME", "work"])
    await alice.http.post(f"/v1/tasks/{done['id']}/complete")
    gone = await alice.task(labels=["gone"])
    await alice.http.delete(f"/v1/tasks/{gone['id']}")

    assert await counts(alice) == {"Home": 3, "work": 0}


# --- Renaming and removing ------------------------------------------------------------------------


async def test_label_is_renamed_everywhere_the_trash_included(alice: Person, bob: Person) -> None:
    kept, gone = await alice.task(labels=["a", "Home", "z"]), await alice.task(labels=["home"])
    his = await bob.task(labels=["home"])
    await alice.http.delete(f"/v1/tasks/{gone['id']}")

    answer = await alice.http.patch("/v1/labels/HOME", json={"name": " House "})

    assert (answer.status_code, answer.json()) == (200, {"name": "House"})
    assert await labels_of(alice, kept) == ["a", "House", "z"]
    restored = await alice.http.post(f"/v1/tasks/{gone['id']}/restore")
    assert restored.json()["labels"] == ["House"]
    assert await labels_of(bob, his) == ["home"]


async def test_label_renamed_onto_another_is_merged_with_it(alice: Person) -> None:
    both, one = await alice.task(labels=["b", "x", "a"]), await alice.task(labels=["A"])

    await alice.http.patch("/v1/labels/a", json={"name": "B"})

    assert await labels_of(alice, both) == ["B", "x"]
    assert await labels_of(alice, one) == ["B"]
    assert await counts(alice) == {"B": 2, "x": 1}


async def test_label_is_spelled_anew_everywhere(alice: Person) -> None:
    tasks = [await alice.task(labels=[spelling, "café"]) for spelling in ("cafe", "Cafe", "\uff23\uff21\uff26\uff25")]

    assert (await alice.http.patch("/v1/labels/cafe", json={"name": "CaFe"})).json() == {"name": "CaFe"}

    assert [await labels_of(alice, task) for task in tasks] == [["CaFe", "café"]] * 3, "accents differ"


async def test_twenty_labels_are_renamed_and_merged_to_nineteen(alice: Person) -> None:
    task = await alice.task(labels=[f"label {number}, 🐄" for number in range(20)])
    path = f"/v1/labels/{quote('label 3, 🐄')}"

    assert (await alice.http.patch(path, json={"name": "new"})).status_code == 200
    assert len(await labels_of(alice, task)) == 20
    assert (await alice.http.patch("/v1/labels/new", json={"name": "LABEL 7, 🐄"})).status_code == 200

    assert len(await labels_of(alice, task)) == 19
    assert (await counts(alice))["LABEL 7, 🐄"] == 1


@pytest.mark.parametrize("name", ["a/b", "100%", "%2F", "a b", "Ünï", "🐄", "batch", "?", "#", "+", "...", "a\\b"])
async def test_label_is_one_segment_of_a_path_decoded_once(alice: Person, name: str) -> None:
    task = await alice.task(labels=[name])

    renamed = await alice.http.patch(f"/v1/labels/{quote(name, safe='')}", json={"name": "plain"})

    assert renamed.status_code == 200, renamed.text
    assert await labels_of(alice, task) == ["plain"]
    back = await alice.http.patch("/v1/labels?name=Plain", json={"name": name})
    assert back.json() == {"name": name}
    assert (await alice.http.delete("/v1/labels", params={"name": name})).status_code == 204
    assert await labels_of(alice, task) == []


async def test_label_is_taken_off_all_tasks(alice: Person) -> None:
    task, gone = await alice.task(labels=["a", "B"]), await alice.task(labels=["b"])
    await alice.http.delete(f"/v1/tasks/{gone['id']}")

    assert (await alice.http.delete("/v1/labels/b")).status_code == 204

    assert await labels_of(alice, task) == ["a"]
    assert_problem(await alice.http.delete("/v1/labels/b"), 404)
    assert_problem(await alice.http.patch("/v1/labels/b", json={"name": "c"}), 404)
    assert_problem(await alice.http.patch("/v1/labels/%2E%2E", json={"name": "c"}), 422)
    assert_problem(await alice.http.patch("/v1/labels/a/b", json={"name": "c"}), 404)
