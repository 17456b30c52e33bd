"""Todo-Backend's door: the sixteen behaviours of its public specification, and what our own add to them."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from accounts import tokens
from tests.doors.addresses import backend, calendar
from tests.support.people import Person


@pytest_asyncio.fixture
async def root(alice: Person) -> str:
    return await backend(alice)


async def _post(client: httpx.AsyncClient, root: str, **todo: Any) -> dict[str, Any]:
    response = await client.post(root, json={"title": "a todo"} | todo)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


# --- What has to be there before anything else ------------------------------------------------------


async def test_1_the_root_answers_a_get_and_any_origin_may_read_it(client: httpx.AsyncClient, root: str) -> None:
    response = await client.get(root, headers={"Origin": "https://todobackend.com"})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_2_a_post_answers_with_the_todo_that_was_posted(client: httpx.AsyncClient, root: str) -> None:
    assert (await _post(client, root, title="walk the dog"))["title"] == "walk the dog"


async def test_3_a_delete_of_the_root_succeeds(client: httpx.AsyncClient, root: str) -> None:
    assert (await client.delete(root)).is_success


async def test_4_after_a_delete_of_the_root_there_is_an_empty_array(client: httpx.AsyncClient, root: str) -> None:
    await _post(client, root)
    await client.delete(root)
    assert (await client.get(root)).json() == []


# --- Storing new todos ------------------------------------------------------------------------------


async def test_5_a_new_todo_is_in_the_list_at_the_root(client: httpx.AsyncClient, root: str) -> None:
    await _post(client, root, title="walk the dog")
    assert [todo["title"] for todo in (await client.get(root)).json()] == ["walk the dog"]


async def test_6_a_new_todo_is_not_completed(client: httpx.AsyncClient, root: str) -> None:
    await _post(client, root)
    assert [todo["completed"] for todo in (await client.get(root)).json()] == [False]


async def test_7_each_new_todo_has_a_url(client: httpx.AsyncClient, root: str) -> None:
    assert isinstance((await _post(client, root))["url"], str)


async def test_8_a_new_todo_can_be_had_at_its_url(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root, title="my todo")
    assert (await client.get(made["url"])).json()["title"] == "my todo"


# --- Todos that there are ---------------------------------------------------------------------------


async def test_9_one_can_be_found_by_the_url_in_the_list(client: httpx.AsyncClient, root: str) -> None:
    await _post(client, root, title="the first")
    made = await _post(client, root, title="the second")
    listed = (await client.get(root)).json()
    assert len(listed) == 2
    (same,) = [todo for todo in listed if todo["title"] == "the second"]
    assert same["url"] == made["url"]
    assert (await client.get(same["url"])).json()["title"] == "the second"


async def test_10_a_patch_changes_the_title(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root, title="initial")
    changed = await client.patch(made["url"], json={"title": "bathe the cat"})
    assert (changed.status_code, changed.json()["title"]) == (200, "bathe the cat")


async def test_11_a_patch_completes(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root)
    assert (await client.patch(made["url"], json={"completed": True})).json()["completed"] is True


async def test_12_changes_are_seen_at_the_url_and_in_the_list(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root)
    await client.patch(made["url"], json={"title": "changed", "completed": True})
    for shown in ((await client.get(made["url"])).json(), (await client.get(root)).json()[0]):
        assert (shown["title"], shown["completed"]) == ("changed", True)


async def test_13_a_delete_of_its_url_takes_a_todo_off_the_list(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root)
    assert (await client.delete(made["url"])).is_success
    assert (await client.get(root)).json() == []


# --- Order ------------------------------------------------------------------------------------------


async def test_14_a_todo_can_be_made_with_an_order(client: httpx.AsyncClient, root: str) -> None:
    assert (await _post(client, root, title="blah", order=523))["order"] == 523


async def test_15_a_patch_changes_the_order(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root, order=10)
    assert (await client.patch(made["url"], json={"order": 95})).json()["order"] == 95


async def test_16_a_changed_order_is_remembered(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, root, order=10)
    await client.patch(made["url"], json={"order": 95})
    assert (await client.get(made["url"])).json()["order"] == 95
    assert [todo["order"] for todo in (await client.get(root)).json()] == [95]


# --- The rest ---------------------------------------------------------------------------------------


async def test_todos_are_tasks_of_one_list_and_of_no_other(alice: Person, client: httpx.AsyncClient) -> None:
    listed, elsewhere = await alice.list(), await alice.task("elsewhere")
    root = await backend(alice, list_id=listed["id"])
    made = await _post(client, root, title="here")

    assert (await alice.http.get(f"/v1/tasks/{made['id']}")).json()["list_id"] == listed["id"]
    assert [todo["title"] for todo in (await client.get(root)).json()] == ["here"]
    for call in (client.get, client.delete):
        assert (await call(f"{root}/{elsewhere['id']}")).status_code == 404
    assert (await client.patch(f"{root}/{elsewhere['id']}", json={"title": "x"})).status_code == 404
    await client.delete(root)
    left = (await alice.http.get("/v1/tasks")).json()["items"]
    assert [task["id"] for task in left] == [elsewhere["id"]]
    trash = (await alice.http.get("/v1/tasks", params={"deleted": True})).json()["items"]
    assert [task["id"] for task in trash] == [made["id"]]


async def test_the_address_may_end_with_a_slash(client: httpx.AsyncClient, root: str) -> None:
    made = await _post(client, f"{root}/", title="walk the dog")
    assert made["url"] == f"http://testserver{root}/{made['id']}"
    assert (await client.get(f"{root}/")).json() == (await client.get(root)).json() == [made]
    preflight = await client.options(f"{root}/", headers={"Access-Control-Request-Method": "POST"})
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert (await client.delete(f"{root}/")).status_code == 204
    assert (await client.get(root)).json() == []
    assert (await client.get(f"{root}//")).status_code == 404


async def test_what_holds_the_address_is_kept_nowhere(client: httpx.AsyncClient, root: str) -> None:
    """Each todo has a url, which holds the secret."""
    made = await client.post(root, json={"title": "x"})
    url = made.json()["url"]
    answers = [made, *[await client.get(path) for path in (root, url)], await client.patch(url, json={"title": "y"})]
    assert all(root in answer.text for answer in answers)
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


async def test_two_todos_may_have_the_same_order_and_none_is_null(client: httpx.AsyncClient, root: str) -> None:
    made = [await _post(client, root, order=order) for order in (1, 1, 0.5, None)]
    assert [todo["order"] for todo in made] == [1, 1, 0.5, None]


async def test_more_than_a_page_is_shown_and_deleted_with_what_belongs_under_it(
    alice: Person, client: httpx.AsyncClient, root: str
) -> None:
    creations = [{"op": "create", "data": {"title": str(number)}} for number in range(100)]
    for _ in range(2):
        assert (await alice.http.post("/v1/tasks/batch", json={"operations": creations})).is_success
    parent = await alice.task("above")
    await alice.task("below", parent_id=parent["id"])
    assert len((await client.get(root)).json()) == 202
    assert (await client.delete(root)).status_code == 204
    assert (await client.get(root)).json() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": " "},
        {"title": "x", "orders": 1},
        {"title": "x", "order": "1"},
        {"title": "x", "order": 1e300},
        {"title": "x", "order": 2**53 + 1},
    ],
)
async def test_what_breaks_a_rule_is_refused_by_name(client: httpx.AsyncClient, root: str, body: Any) -> None:
    response = await client.post(root, json=body)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (422, "*")
    assert (await client.post(f"/todo-backend/{tokens.generate()}", json=body)).status_code == 404


async def test_a_task_of_another_system_keeps_its_external_id(
    alice: Person, client: httpx.AsyncClient, root: str
) -> None:
    task = await alice.task(external_id="crm-1")
    refused = await client.patch(f"{root}/{task['id']}", json={"order": 1})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/order")


async def test_an_address_that_only_reads_writes_nothing(alice: Person, client: httpx.AsyncClient) -> None:
    root, task = await backend(alice, "tasks:read"), await alice.task()
    assert (await client.post(root, json={"title": "x"})).status_code == 403
    assert (await client.patch(f"{root}/{task['id']}", json={"title": "x"})).status_code == 403
    assert [(await client.delete(path)).status_code for path in (root, f"{root}/{task['id']}")] == [403, 403]
    assert [todo["id"] for todo in (await client.get(root)).json()] == [task["id"]]


async def test_an_outsiders_address_leads_to_nothing_of_another(
    alice: Person, charlie: Person, client: httpx.AsyncClient
) -> None:
    task, root = await alice.task(), await backend(charlie)
    assert (await client.get(root)).json() == []
    answers = [
        await client.get(f"{root}/{identity}") for identity in (task["id"], "0199a1f0-0000-7000-8000-000000000001")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert (await client.delete(f"{root}/{task['id']}")).status_code == 404
    assert (await client.patch(f"{root}/{task['id']}", json={"title": "x"})).status_code == 404
    refused = await charlie.http.post(
        "/v1/tokens",
        json={"name": "x", "kind": "backend", "scopes": ["tasks:read"], "list_id": (await alice.list())["id"]},
    )
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "no-such-place")


async def test_a_preflight_is_answered_here_and_not_elsewhere(client: httpx.AsyncClient, root: str) -> None:
    headers = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"}
    here, elsewhere = await client.options(root, headers=headers), await client.options("/v1/tasks", headers=headers)
    assert here.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in here.headers["Access-Control-Allow-Methods"]
    assert here.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert "Access-Control-Allow-Origin" not in elsewhere.headers


async def test_each_secret_is_good_for_its_own_door_only(alice: Person, client: httpx.AsyncClient, root: str) -> None:
    secret, personal = root.rsplit("/", 1)[1], (await alice.token_for("tasks:read"))["Authorization"].split()[1]
    of_calendar = (await calendar(alice)).rsplit("/", 1)[1].removesuffix(".ics")
    for bearer in (secret, of_calendar):
        headers = {"Authorization": f"Bearer {bearer}"}
        for path in ("/v1/tasks", "/v1/me", "/v1/tokens/current", "/api/v1/tasks"):
            assert (await client.get(path, headers=headers)).status_code == 401, path
    for wrong in (personal, of_calendar, tokens.generate(), "x", alice.token):
        assert (await client.get(f"/todo-backend/{wrong}")).status_code == 404
    for wrong in (personal, secret, tokens.generate(), "x", alice.token):
        assert (await client.get(f"/calendar/{wrong}.ics")).status_code == 404


async def test_an_address_is_listed_rotated_and_revoked_like_a_token(alice: Person, client: httpx.AsyncClient) -> None:
    listed = await alice.list()
    root = await backend(alice, list_id=listed["id"])
    (shown,) = [token for token in (await alice.http.get("/v1/tokens")).json()["items"] if token["kind"] == "backend"]
    assert shown["list_id"] == listed["id"]
    rotated = (await alice.http.post(f"/v1/tokens/{shown['id']}/rotate")).json()
    assert (rotated["kind"], rotated["list_id"]) == ("backend", listed["id"])
    assert (await alice.http.delete(f"/v1/tokens/{shown['id']}")).status_code == 204
    assert (await client.get(root)).status_code == 404
    assert (await client.get(f"/todo-backend/{rotated['token']}")).status_code == 200


@pytest.mark.parametrize(
    "asked", [{"scopes": ["account"]}, {"kind": "personal", "list_id": "0199a1f0-0000-7000-8000-000000000001"}]
)
async def test_a_token_that_fits_no_kind_is_refused(alice: Person, asked: Any) -> None:
    body = {"name": "x", "kind": "backend", "scopes": ["tasks:read"]} | asked
    assert (await alice.http.post("/v1/tokens", json=body)).status_code == 422
