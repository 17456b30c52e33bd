"""Lists, webhooks, labels and the account sent back as they were read: as tasks are, in test_read_only.py."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect
from tests.tasks.test_read_only import CREATE, EDGES_OF_TIME, OTHER_TIME

Row = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A resource with a version: how one is made, and a change of it."""

    noun: str
    made_of: Row
    change: Row
    never: Row

    @property
    def path(self) -> str:
        return f"/v1/{self.noun}s"

    async def make(self, person: Person) -> Row:
        made = await person.http.post(self.path, json=self.made_of)
        assert made.status_code == 201, made.text
        return await self.read(person, made.json())

    async def read(self, person: Person, row: Row) -> Row:
        found: Row = (await person.http.get(f"{self.path}/{row['id']}")).json()
        return found

    async def send(self, person: Person, method: str, row: Row, body: Row) -> httpx.Response:
        headers = {"If-Match": "*"} if method == "PUT" else {}
        return await person.http.request(method, f"{self.path}/{row['id']}", json=body, headers=headers)


LIST = Kind("list", {"name": "Home", "color": "#3366cc"}, {"name": "Changed"}, {"name": "Never"})
HOOK = Kind(
    "webhook",
    {"url": "https://hooks.example.com/", "events": ["task.*"]},
    {"events": ["list.*"]},
    {"events": ["task.created"]},
)
WRITES = [
    pytest.param(LIST, "PUT", id="PUT list"),
    pytest.param(LIST, "PATCH", id="PATCH list"),
    pytest.param(HOOK, "PATCH", id="PATCH webhook"),
]
every_write = pytest.mark.parametrize(("kind", "method"), WRITES)
MOMENTS = {"list": ("created_at", "archived_at", "deleted_at"), "webhook": ("created_at", "disabled_at")}


@every_write
async def test_it_can_be_sent_back_as_it_was_read(alice: Person, kind: Kind, method: str) -> None:
    row = await kind.make(alice)

    same = await kind.send(alice, method, row, row)
    changed = await kind.send(alice, method, row, row | kind.change)

    assert (same.status_code, same.json()) == (200, row)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert changed.json().items() >= kind.change.items()


@pytest.mark.parametrize(
    ("kind", "state"), [(LIST, {"is_archived": True}), (HOOK, {"is_enabled": False})], ids=["list", "webhook"]
)
async def test_so_can_one_that_is_archived_or_disabled(alice: Person, kind: Kind, state: Row) -> None:
    made = await kind.make(alice)
    row = (await kind.send(alice, "PATCH", made, state)).json()

    same = await kind.send(alice, "PATCH", row, row)
    changed = await kind.send(alice, "PATCH", row, row | kind.change)

    assert (same.status_code, same.json()) == (200, row)
    ends = {"updated_at", "version", *kind.change}
    assert {name: value for name, value in changed.json().items() if name not in ends} == {
        name: value for name, value in row.items() if name not in ends
    }


async def test_why_a_webhook_was_disabled_stays_when_it_is_sent_back(alice: Person) -> None:
    made = await HOOK.make(alice)
    with connect(autocommit=True) as session:
        session.execute("UPDATE webhooks SET is_enabled = false, disabled_reason = 'gone' WHERE id = %s", [made["id"]])
    row = await HOOK.read(alice, made)

    same = await HOOK.send(alice, "PATCH", row, row)

    assert (same.status_code, same.json()) == (200, row)
    assert row["disabled_reason"] == "gone"


@every_write
async def test_times_are_compared_as_instants_by_the_millisecond(alice: Person, kind: Kind, method: str) -> None:
    row = await kind.make(alice)
    elsewhere = timezone(timedelta(hours=-3, minutes=-30))
    cut = {
        name: datetime.fromisoformat(row[name]).astimezone(elsewhere).isoformat(timespec="milliseconds")
        for name in ("created_at", "updated_at")
    }

    answer = await kind.send(alice, method, row, row | cut)

    assert (answer.status_code, answer.json()) == (200, row)


@every_write
async def test_what_only_the_server_writes_is_refused_where_it_differs(alice: Person, kind: Kind, method: str) -> None:
    row = await kind.make(alice)
    wrong = {"id": str(uuid.uuid4()), **dict.fromkeys(MOMENTS[kind.noun], OTHER_TIME)}
    wrong |= {"position": "zz"} if kind is LIST else {"disabled_reason": "staff"}

    for member, value in wrong.items():
        problem = assert_problem(await kind.send(alice, method, row, row | kind.never | {member: value}), 422)
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(f"#/{member}", "read-only")]

    assert await kind.read(alice, row) == row


@every_write
@pytest.mark.parametrize("member", ["version", "updated_at"])
async def test_older_state_is_told_with_what_there_is(alice: Person, kind: Kind, method: str, member: str) -> None:
    old = await kind.make(alice)
    new = (await kind.send(alice, "PATCH", old, kind.change)).json()

    told = assert_problem(await kind.send(alice, method, old, old | kind.never), 412)
    answer = await kind.send(alice, method, old, new | kind.never | {member: old[member]})

    assert assert_problem(answer, 412)[kind.noun] == told[kind.noun] == new
    assert answer.headers["ETag"] == '"2"'
    assert await kind.read(alice, old) == new


@every_write
async def test_no_value_is_too_odd_to_compare(alice: Person, kind: Kind, method: str) -> None:
    row = await kind.make(alice)
    texts = ["z" * 5_000, "", "🙂", "' OR true --", "%(id)s"]
    odd = [(name, at) for name in (*MOMENTS[kind.noun], "updated_at") for at in EDGES_OF_TIME]
    odd += [("position" if kind is LIST else "disabled_reason", text) for text in texts]
    odd += [("version", version) for version in (2**31, 2**63, 10**100)]
    odd += [("id", "00000000-0000-0000-0000-000000000000")]

    for member, value in odd:
        answer = await kind.send(alice, method, row, row | kind.never | {member: value})
        assert answer.status_code in {412, 422}, (member, value, answer.text)
    for member, value in (("version", "1"), ("version", 0), ("id", None), ("created_at", None), ("version", None)):
        assert_problem(await kind.send(alice, method, row, row | kind.never | {member: value}), 422)

    assert await kind.read(alice, row) == row


@every_write
async def test_precondition_is_looked_at_first(alice: Person, kind: Kind, method: str) -> None:
    row = await kind.make(alice)
    body, url = row | kind.never | {"created_at": OTHER_TIME}, f"{kind.path}/{row['id']}"

    for if_match, status in (('"7"', 412), ('"1"', 422)):
        assert_problem(await alice.http.request(method, url, json=body, headers={"If-Match": if_match}), status)
    assert_problem(await alice.http.patch(f"{kind.path}/{uuid.uuid4()}", json=body), 404)
    assert await kind.read(alice, row) == row


@every_write
async def test_to_a_stranger_they_tell_nothing(alice: Person, bob: Person, kind: Kind, method: str) -> None:
    row = await kind.make(alice)

    there, nowhere = [
        await bob.http.request(method, f"{kind.path}/{each}", json=row | kind.never, headers={"If-Match": "*"})
        for each in (row["id"], uuid.uuid4())
    ]

    assert (there.status_code, nowhere.status_code) == (404, 404)
    assert there.json()["detail"] == nowhere.json()["detail"]
    assert await kind.read(alice, row) == row


async def test_list_is_created_with_the_id_of_its_path_and_no_other_of_them(alice: Person) -> None:
    list_id = str(uuid.uuid4())
    url = f"/v1/lists/{list_id}"

    for wrong in ({"id": str(uuid.uuid4())}, {"version": 1}, {"created_at": OTHER_TIME}, {"deleted_at": None}):
        problem = assert_problem(await alice.http.put(url, json={"name": "x", **wrong}, headers=CREATE), 422)
        assert [error["pointer"] for error in problem["errors"]] == [f"#/{name}" for name in wrong]
    created = await alice.http.put(url, json={"name": "x", "id": list_id.upper()}, headers=CREATE)
    again = await alice.http.put(url, json=created.json(), headers=CREATE)

    assert (created.status_code, created.json()["id"]) == (201, list_id)
    assert assert_problem(again, 412)["list"] == created.json()


async def test_batch_compares_those_of_lists_too(alice: Person) -> None:
    row = await alice.list()

    async def update(**data: Any) -> httpx.Response:
        operation = {"op": "update", "kind": "list", "id": row["id"], "data": data}
        return await alice.http.post("/v1/tasks/batch", json={"operations": [operation]})

    same = await update(**row)
    changed = await update(**row | {"name": "New"})
    stale = await update(**row | {"name": "Never"})
    other = await update(name="Never", archived_at=OTHER_TIME)

    assert same.json()["results"][0]["body"] == row
    assert changed.json()["results"][0]["body"]["name"] == "New"
    assert assert_problem(stale, 412)["operation"] == 0
    problem = assert_problem(other, 422)
    assert (problem["operation"], problem["errors"][0]["pointer"]) == (0, "#/operations/0/data/archived_at")


# --- Without a version ----------------------------------------------------------------------------


async def test_account_can_be_sent_back_as_it_was_read(alice: Person) -> None:
    me = (await alice.http.get("/v1/me")).json()

    same = await alice.http.patch("/v1/me", json=me)
    changed = await alice.http.patch("/v1/me", json=me | {"timezone": "Asia/Tokyo"})

    assert (same.status_code, same.json()) == (200, me)
    assert changed.json() == me | {"timezone": "Asia/Tokyo"}


@pytest.mark.parametrize("change", [{}, {"timezone": "Asia/Tokyo"}], ids=["alone", "beside a change"])
async def test_what_of_an_account_is_changed_elsewhere_is_refused_where_it_differs(
    alice: Person, bob: Person, change: Row
) -> None:
    me = (await alice.http.get("/v1/me")).json()
    odd = [("email", email) for email in (bob.email, "", "z" * 5_000, "🙂")]
    odd += [(name, at) for name in ("created_at", "email_verified_at") for at in EDGES_OF_TIME]
    odd += [("id", bob.id)]

    for member, value in odd:
        problem = assert_problem(await alice.http.patch("/v1/me", json=me | change | {member: value}), 422)
        ((pointer, code),) = ((error["pointer"], error["code"]) for error in problem["errors"])
        assert (pointer, code) == (f"#/{member}", "instant" if value in EDGES_OF_TIME[1::2] else "read-only")

    assert (await alice.http.get("/v1/me")).json() == me


async def test_label_can_be_sent_back_as_it_was_read(alice: Person) -> None:
    done = await alice.task(labels=["Errand"], is_completed=True)
    await alice.task(labels=["Errand"])
    await alice.http.delete(f"/v1/tasks/{(await alice.task(labels=['Errand']))['id']}")
    (label,) = (await alice.http.get("/v1/labels")).json()["items"]
    assert label == {"name": "Errand", "open_tasks": 1}

    same = await alice.http.patch("/v1/labels/errand", json=label)
    changed = await alice.http.patch("/v1/labels?name=errand", json=label | {"name": "Out"})

    assert (same.status_code, same.json(), same.headers["Affected"]) == (200, {"name": "Errand"}, "0")
    assert (changed.status_code, changed.headers["Affected"]) == (200, "3")
    assert (await alice.http.get(f"/v1/tasks/{done['id']}")).json()["labels"] == ["Out"]


@pytest.mark.parametrize("open_tasks", [0, 2, 2**63, 10**100])
async def test_another_count_of_a_label_is_refused(alice: Person, open_tasks: int) -> None:
    task = await alice.task(labels=["errand"])
    body = {"name": "Never", "open_tasks": open_tasks}

    problem = assert_problem(await alice.http.patch("/v1/labels/errand", json=body), 422)

    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("#/open_tasks", "read-only")]
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task
    assert_problem(await alice.http.patch("/v1/labels/nothing", json=body), 404)
    assert_problem(await alice.http.patch("/v1/labels/errand", json=body | {"open_tasks": -1}), 422)
