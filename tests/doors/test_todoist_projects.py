"""Projects and labels through Todoist's door: our lists, the inbox, and the names on tasks."""

from typing import Any

import pytest

from doors.todoist import colors
from tests.support.people import Person

API = "/api/v1"


async def _names(person: Person, path: str, **query: Any) -> list[str]:
    page = await person.http.get(f"{API}/{path}", params=query)
    assert page.status_code == 200, page.text
    return [each if isinstance(each, str) else each["name"] for each in page.json()["results"]]


async def test_a_project_is_a_list(alice: Person) -> None:
    made = (await alice.http.post(f"{API}/projects", json={"name": "Home", "color": "teal"})).json()

    ours = (await alice.http.get(f"/v1/lists/{made['id']}")).json()
    assert (ours["name"], ours["color"]) == ("Home", "#148fad")
    assert (made["color"], made["inbox_project"], made["is_archived"]) == ("teal", False, False)
    assert (await alice.http.get(f"{API}/projects/{made['id']}")).json() == made
    changed = await alice.http.post(f"{API}/projects/{made['id']}", json={"name": "House", "color": "charcoal"})
    assert (changed.json()["name"], changed.json()["color"]) == ("House", "charcoal")


async def test_the_inbox_is_the_first_project_and_stays_what_it_is(alice: Person) -> None:
    await alice.list("Home")

    inbox = (await alice.http.get(f"{API}/projects/inbox")).json()

    assert (inbox["id"], inbox["inbox_project"]) == ("inbox", True)
    assert await _names(alice, "projects") == ["Inbox", "Home"]
    for refused in (
        await alice.http.post(f"{API}/projects/inbox", json={"name": "In"}),
        await alice.http.post(f"{API}/projects/inbox/archive"),
        await alice.http.delete(f"{API}/projects/inbox"),
    ):
        assert (refused.status_code, refused.json()["error_tag"]) == (404, "NOT_SUPPORTED")


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_projects_come_a_page_at_a_time(alice: Person, limit: int) -> None:
    for name in ("A", "B", "C"):
        await alice.list(name)
    found: list[str] = []
    cursor = ""

    while cursor is not None:
        query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        page = (await alice.http.get(f"{API}/projects", params=query)).json()
        assert len(page["results"]) <= limit
        found, cursor = found + [each["name"] for each in page["results"]], page["next_cursor"]

    assert found == ["Inbox", "A", "B", "C"]


async def test_an_archived_project_is_among_the_archived(alice: Person) -> None:
    home = await alice.list("Home")

    archived = await alice.http.post(f"{API}/projects/{home['id']}/archive")

    assert archived.json()["is_archived"]
    assert await _names(alice, "projects") == ["Inbox"]
    assert await _names(alice, "projects/archived") == ["Home"]
    assert not (await alice.http.post(f"{API}/projects/{home['id']}/unarchive")).json()["is_archived"]


async def test_a_deleted_project_takes_its_tasks_along(alice: Person) -> None:
    home = await alice.list("Home")
    task = await alice.task(list_id=home["id"])

    assert (await alice.http.delete(f"{API}/projects/{home['id']}")).status_code == 204
    assert (await alice.http.get(f"{API}/tasks/{task['id']}")).status_code == 404
    await alice.http.post(f"/v1/lists/{home['id']}/restore")
    assert (await alice.http.get(f"{API}/tasks/{task['id']}")).status_code == 200


async def test_projects_are_searched_by_their_names(alice: Person) -> None:
    for name in ("Home office", "Work"):
        await alice.list(name)

    assert await _names(alice, "projects/search", query="HOME") == ["Home office"]
    assert await _names(alice, "projects/search", query="ho*ice") == ["Home office"]
    assert await _names(alice, "projects/search", query="o*o*o*o") == []
    assert await _names(alice, "projects/search", query="in") == ["Inbox"]


async def test_nobody_shares_a_project_and_there_are_no_sections(alice: Person) -> None:
    home = await alice.list("Home")

    assert await _names(alice, f"projects/{home['id']}/collaborators") == []
    assert await _names(alice, "sections", project_id=home["id"]) == []
    assert await _names(alice, "sections/search", query="a") == []
    assert (await alice.http.get(f"{API}/sections/1")).status_code == 404


async def test_labels_are_what_tasks_bear(alice: Person) -> None:
    task = await alice.task(labels=["a/b?", "Zoë"])
    first, second = (await alice.http.get(f"{API}/labels")).json()["results"]

    assert (first["name"], second["name"]) == ("a/b?", "Zoë")
    assert (await alice.http.get(f"{API}/labels/{first['id']}")).json() == first
    renamed = (await alice.http.post(f"{API}/labels/{first['id']}", json={"name": "ab"})).json()
    assert (await alice.http.get(f"{API}/labels/{renamed['id']}")).json()["name"] == "ab"
    assert (await alice.http.get(f"{API}/labels/{first['id']}")).status_code == 404
    assert (await alice.http.delete(f"{API}/labels/{second['id']}")).status_code == 204
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json()["labels"] == ["ab"]
    assert await _names(alice, "labels/search", query="A") == ["ab"]


async def test_labels_come_a_page_at_a_time_and_are_named_as_shared_ones(alice: Person) -> None:
    await alice.task(labels=["a", "b", "c"])

    page = (await alice.http.get(f"{API}/labels?limit=2")).json()
    rest = await _names(alice, "labels", limit=2, cursor=page["next_cursor"])

    assert ([label["name"] for label in page["results"]], rest) == (["a", "b"], ["c"])
    assert await _names(alice, "labels/shared") == ["a", "b", "c"]
    assert await _names(alice, "labels/shared", omit_personal="true") == []
    renamed = await alice.http.post(f"{API}/labels/shared/rename?name=a", json={"new_name": "z"})
    removed = await alice.http.post(f"{API}/labels/shared/remove", json={"name": "b"})
    assert (renamed.status_code, removed.status_code) == (204, 204)
    assert await _names(alice, "labels/shared") == ["c", "z"]
    assert (await alice.http.get(f"{API}/labels?cursor=x")).status_code == 400


@pytest.mark.parametrize(("color", "name"), [(None, "charcoal"), ("#148fad", "teal"), ("#ff0000", "red")])
def test_a_colour_without_a_name_has_the_nearest(color: str | None, name: str) -> None:
    assert colors.name(color) == name
