"""What real clients send: times of any precision, text that cannot be seen, null where there is nothing."""

from typing import Any

import psycopg
import pytest
from pydantic import BaseModel, ValidationError

from tasks.schemas import TaskCreate, TaskPatch
from tests.support.people import Person
from tests.support.postgres.databases import connect


async def refused(person: Person, members: dict[str, Any], status: int = 422) -> dict[str, Any]:
    """Let a task be refused; return the first error."""
    response = await person.http.post("/v1/tasks", json={"title": "Buy milk", **members})
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["errors"][0]
    return error


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-12-01T10:00:00.123456789Z", "2026-12-01T10:00:00.123456Z"),
        ("2026-12-01T10:00:00.1234569+01:00", "2026-12-01T09:00:00.123456Z"),
        ("2026-12-01T10:00:00.5Z", "2026-12-01T10:00:00.500000Z"),
        ("2026-12-01T10:00:00." + "9" * 400 + "z", "2026-12-01T10:00:00.999999Z"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00.000000Z"),
        ("2026-12-31t23:59:60.7-01:00", "2027-01-01T01:00:00.700000Z"),
    ],
)
async def test_time_of_any_precision_is_cut_to_microseconds(alice: Person, sent: str, stored: str) -> None:
    assert (await alice.task(due_at=sent))["due_at"] == stored


@pytest.mark.parametrize(
    "sent", ["2026-12-01T10:00:61Z", "2026-12-01T10:00:00.Z", "2026-12-01T10:60:00Z", "9999-12-31T23:59:60Z"]
)
async def test_time_that_is_none_is_refused(alice: Person, sent: str) -> None:
    assert (await refused(alice, {"due_at": sent}))["pointer"] == "#/due_at"


async def test_filters_and_expiries_take_nanoseconds_too(alice: Person) -> None:
    task = await alice.task(due_at="2026-12-01T10:00:00Z")

    found = await alice.http.get("/v1/tasks", params={"due_after": "2026-12-01T09:59:59.999999999Z"})
    token = await alice.http.post(
        "/v1/tokens", json={"name": "go", "scopes": ["tasks:read"], "expires_at": "2099-01-01T00:00:00.123456789Z"}
    )

    assert [item["id"] for item in found.json()["items"]] == [task["id"]]
    assert token.json()["expires_at"] == "2099-01-01T00:00:00.123456Z"


async def test_plus_that_became_a_space_is_explained(alice: Person) -> None:
    response = await alice.http.get("/v1/tasks?created_after=2026-01-01T00:00:00+01:00")

    assert response.status_code == 422
    assert "%2B" in response.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "title", ["\u200b\u200b", "\ufeff", "\u3164", "\u2060\u00ad", "\u00a0 \u3000", "\u2800", "\U000e0041"]
)
async def test_title_that_nobody_can_see_is_blank(alice: Person, title: str) -> None:
    error = await refused(alice, {"title": title})

    assert (error["pointer"], error["code"]) in {("#/title", "blank"), ("#/title", "string_too_short")}


@pytest.mark.parametrize("title", ["🎉", "👩‍👩‍👧", "\u0301", "א", "🫩", "-"])
async def test_title_of_one_sign_is_one(alice: Person, title: str) -> None:
    assert (await alice.task(title))["title"] == title


BREAKS = ["\n", "\r", "\t", "\a", "\x7f", "\x85", "\u2028", "\u2029", "\x1b"]


@pytest.mark.parametrize("sign", BREAKS)
async def test_title_is_one_line(alice: Person, sign: str) -> None:
    task = await alice.task()

    created = await refused(alice, {"title": f"a{sign}b"})
    patched = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"title": f"a{sign}b"})

    assert (created["pointer"], created["code"]) == ("#/title", "one_line")
    assert patched.status_code == 422


async def test_description_has_lines_but_no_other_control_characters(alice: Person) -> None:
    text = "one\r\ntwo\n\tthree\x85four\u2028five"

    assert (await alice.task(description=text))["description"] == text
    for sign in "\a\x0b\x0c\x1b\x7f\x9b":
        assert (await refused(alice, {"description": sign}))["code"] == "plain"


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("title", "\u200b", "tasks_title_visible"),
        ("title", "a\nb", "tasks_title_one_line"),
        ("title", "a\u2029b", "tasks_title_one_line"),
        ("description", "\a", "tasks_description_plain"),
    ],
)
async def test_database_has_the_rules_itself(alice: Person, column: str, value: str, rule: str) -> None:
    task = await alice.task()

    with connect() as connection, pytest.raises(psycopg.errors.CheckViolation) as refusal:
        connection.execute(f"UPDATE tasks SET {column} = %s WHERE id = %s", [value, task["id"]])

    assert refusal.value.diag.constraint_name == rule


async def test_row_from_before_the_rule_can_be_read_completed_and_mended(alice: Person) -> None:
    task = await alice.task()
    with connect() as connection:
        connection.execute("ALTER TABLE tasks DISABLE TRIGGER tasks_plain_text_still")
        connection.execute("UPDATE tasks SET title = E'two\\nlines' WHERE id = %s", [task["id"]])
        connection.execute("ALTER TABLE tasks ENABLE TRIGGER tasks_plain_text_still")
    url = f"/v1/tasks/{task['id']}"

    assert (await alice.http.get(url)).json()["title"] == "two\nlines"
    assert (await alice.http.post(f"{url}/complete")).status_code == 200
    assert (await alice.http.patch(url, json={"priority": "high"})).status_code == 200
    assert (await alice.http.patch(url, json={"title": "one line"})).json()["title"] == "one line"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/tasks", {"title": "x" * 256}),
        ("/v1/tasks", {"title": "x", "description": "x" * 10_001}),
        ("/v1/tokens", {"name": "x" * 101, "scopes": ["account"]}),
        ("/v1/auth/register", {"email": "a@example.com", "password": "x" * 5_000}),
    ],
)
async def test_length_of_a_text_is_told_in_characters(alice: Person, path: str, body: dict[str, Any]) -> None:
    error = (await alice.http.post(path, json=body)).json()["errors"][0]

    assert error["code"] == "string_too_long"
    assert error["detail"].endswith("characters.")


async def test_length_of_a_parameter_is_told_in_characters(alice: Person) -> None:
    error = (await alice.http.get("/v1/tasks", params={"q": "x" * 3_000})).json()["errors"][0]

    assert error["detail"] == "This may have at most 200 characters."


async def test_length_counts_code_points(alice: Person) -> None:
    assert (await alice.task("🎉" * 255))["title"] == "🎉" * 255


async def test_null_is_nothing_in_a_new_task_too(alice: Person) -> None:
    nothing = dict.fromkeys(("description", "priority", "is_completed", "due_on", "due_at"))

    task = await alice.task(**nothing)

    assert {name: task[name] for name in nothing} == {
        "description": "",
        "priority": "none",
        "is_completed": False,
        "due_on": None,
        "due_at": None,
    }


@pytest.mark.parametrize(("depth", "is_read"), [(32, True), (33, False), (64, False)])
async def test_body_is_nested_as_deep_as_is_documented_and_no_deeper(alice: Person, depth: int, is_read: bool) -> None:
    body = '{"title": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

    answer = await alice.http.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})

    # What can be read is refused for being no title.
    assert (answer.status_code, answer.json()["code"]) == ((422, "invalid") if is_read else (400, "malformed-request"))


@pytest.mark.parametrize("schema", [TaskCreate, TaskPatch])
def test_two_dues_are_refused_before_the_database_is_asked(schema: type[BaseModel]) -> None:
    """The database knows the rule as well, and its answer would be the same: so the schema is asked alone."""
    with pytest.raises(ValidationError, match="not both"):
        schema.model_validate({"title": "x", "due_on": "2026-12-01", "due_at": "2026-12-01T08:00:00Z"})


async def test_two_dues_are_one_rule_wherever_it_is_found(alice: Person) -> None:
    both = {"due_on": "2026-12-01", "due_at": "2026-12-01T08:00:00Z"}
    task = await alice.task(due_on="2026-12-01")

    in_body = await refused(alice, both)
    stored = await alice.http.patch(f"/v1/tasks/{task['id']}", json={"due_at": both["due_at"]})

    assert in_body["code"] == "one_due"
    assert stored.json()["errors"] == [in_body]


@pytest.mark.parametrize("name", ["localtime", "Factory"])
async def test_time_zone_is_a_place(alice: Person, name: str) -> None:
    assert (await alice.http.patch("/v1/me", json={"timezone": name})).status_code == 422
    assert (await alice.http.patch("/v1/me", json={"timezone": "UTC"})).status_code == 200
