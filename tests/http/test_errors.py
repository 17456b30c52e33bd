"""Bad input: each gets one clear problem document, and none a 500."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from tests.support.people import Person
from tests.support.postgres.databases import connect
from todoproject.http.field_types import ProblemDocument
from todoproject.http.problems import CATALOGUE, MEDIA_TYPE

JSON = {"Content-Type": "application/json"}


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == MEDIA_TYPE
    document: dict[str, Any] = response.json()
    ProblemDocument.model_validate(document)
    assert document["status"] == CATALOGUE[document["code"]].status == status
    assert document["request_id"] == response.headers["X-Request-ID"]
    return document


DEEP = b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"title"', 422),
        (b'{"title": "x"} ', 201),
        (b'\xef\xbb\xbf{"title": "x"}', 400),
        ('{"title": "x"}'.encode("utf-16"), 400),
        (b'{"title": "\xff"}', 400),
        (b'{"title": NaN}', 400),
        (b'{"title": Infinity}', 400),
        (b'{"title": 1e400}', 422),
        (b'{"title": ' + b"9" * 5000 + b"}", 400),
        (b'{"title": -0}', 422),
        (b'{"title": "a", "title": "b"}', 400),
        (b'{"title": "nul \\u0000"}', 422),
        (b'{"title": "lone \\ud800"}', 422),
        (b'{"title": "x", "description": "lone \\ud800"}', 422),
        (b'{"lone \\ud800": 1, "title": "x"}', 422),
        (b'{"nul \\u0000": 1, "title": "x"}', 422),
        (DEEP, 400),
        (b'{"title": null}', 422),
        (b'{"title": ""}', 422),
        (b'{"title": "\\u00a0\\u2003 "}', 422),
        (json.dumps({"title": "x" * 255}).encode(), 201),
        (json.dumps({"title": "x" * 256}).encode(), 422),
        (json.dumps({"title": "x", "description": "x" * 10_000}).encode(), 201),
        (json.dumps({"title": "x", "description": "x" * 10_001}).encode(), 422),
        (b'{"title": "x", "priority": 1}', 422),
        (b'{"title": "x", "priority": "HIGH"}', 422),
        (b'{"title": "x", "is_completed": "true"}', 422),
        (b'{"title": "x", "is_completed": 1}', 422),
        (b'{"title": "x", "id": "00000000-0000-7000-8000-000000000000"}', 422),
        (b'{"title": "x", "user_id": "00000000-0000-7000-8000-000000000000"}', 422),
    ],
)
async def test_bodies_are_taken_or_refused_by_the_book(alice: Person, body: bytes, status: int) -> None:
    response = await alice.http.post("/v1/tasks", content=body, headers=JSON)

    assert response.status_code == status, response.text
    if status != 201:
        assert_problem(response, status)
        assert (await alice.http.get("/v1/tasks")).json()["items"] == []


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("due_on", "2026-12-01", "2026-12-01"),
        ("due_on", "0001-01-02", "0001-01-02"),
        ("due_on", "9999-12-30", "9999-12-30"),
        ("due_on", "0001-01-01", None),
        ("due_on", "9999-12-31", None),
        ("due_on", "2026-02-30", None),
        ("due_on", "2026-1-1", None),
        ("due_on", "20261201", None),
        ("due_on", "2026-W10-1", None),
        ("due_on", "2026-12-01T00:00:00Z", None),
        ("due_on", "infinity", None),
        ("due_on", 1764547200, None),
        ("due_on", "٢٠٢٦-12-01", None),
        ("due_at", "2026-12-01T10:00:00Z", "2026-12-01T10:00:00.000000Z"),
        ("due_at", "2026-12-01t10:00:00z", "2026-12-01T10:00:00.000000Z"),
        ("due_at", "2026-12-01T10:00:00.123456-05:30", "2026-12-01T15:30:00.123456Z"),
        ("due_at", "0001-01-02T00:00:00Z", "0001-01-02T00:00:00.000000Z"),
        ("due_at", "9999-12-30T23:59:59.999999Z", "9999-12-30T23:59:59.999999Z"),
        ("due_at", "9999-12-31T00:00:00+01:00", "9999-12-30T23:00:00.000000Z"),
        ("due_at", "0001-01-01T00:00:00+23:59", None),
        ("due_at", "9999-12-31T23:59:59-23:59", None),
        ("due_at", "0001-01-02T00:00:00+00:01", None),
        ("due_at", "2026-12-01T10:00:00", None),
        ("due_at", "2026-12-01", None),
        ("due_at", "2026-12-01 10:00:00Z", None),
        ("due_at", "2026-12-01T24:00:00Z", None),
        ("due_at", "2026-12-01T10:00:61Z", None),
        ("due_at", "2026-12-01T10:00:60Z", "2026-12-01T10:01:00.000000Z"),
        ("due_at", "2026-12-01T10:00:00.1234567Z", "2026-12-01T10:00:00.123456Z"),
        ("due_at", "2026-12-01T10:00:00+25:00", None),
        ("due_at", 1764547200, None),
        ("due_at", 1764547200.5, None),
        ("due_at", True, None),
    ],
)
async def test_what_can_be_written_can_be_listed_again(
    alice: Person, field: str, value: object, stored: str | None
) -> None:
    response = await alice.http.post("/v1/tasks", json={"title": "x", field: value})

    if stored is None:
        assert assert_problem(response, 422)["errors"][0]["pointer"] == f"#/{field}"
    else:
        assert response.status_code == 201, response.text
        assert (await alice.http.get("/v1/tasks")).json()["items"][0][field] == stored


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset*=bogus''utf-8", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/merge-patch+json", 415),
        ("nonsense", 415),
        ("", 415),
    ],
)
async def test_media_type_of_a_new_task_is_json(alice: Person, media_type: str, status: int) -> None:
    response = await alice.http.post("/v1/tasks", content=b'{"title": "x"}', headers={"Content-Type": media_type})

    assert response.status_code == status


async def test_patch_takes_merge_patch_too(alice: Person) -> None:
    task = await alice.task()

    response = await alice.http.patch(
        f"/v1/tasks/{task['id']}",
        content=b'{"title": "y"}',
        headers={"Content-Type": "application/merge-patch+json"},
    )

    assert response.json()["title"] == "y"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=201", 422),
        ("limit=x", 422),
        ("limit=" + "9" * 400, 422),
        ("limt=5", 422),
        ("is_completed=maybe", 422),
        ("priority=HIGH", 422),
        ("sort=password", 422),
        ("cursor=%00", 400),
        ("cursor=%ff", 400),
        ("a%ff=1", 400),
        ("cursor=" + "x" * 5000, 422),
        ("&".join(["a=1"] * 10_000), 400),
        ("limit=1&limit=2", 422),
        ("%F0%9F%90%84=1", 422),
    ],
)
async def test_queries_are_refused_by_name(alice: Person, query: str, status: int) -> None:
    assert_problem(await alice.http.get(f"/v1/tasks?{query}"), status)


async def test_typo_gets_the_nearest_name(alice: Person) -> None:
    body = assert_problem(await alice.http.post("/v1/tasks", json={"titel": "x", "title": "x"}), 422)
    query = assert_problem(await alice.http.get("/v1/tasks?limt=5"), 422)

    detail = "Unknown member; did you mean title?"
    assert body["errors"] == [{"pointer": "#/titel", "code": "unknown", "detail": detail}]
    assert query["errors"][0]["detail"] == "Unknown parameter; did you mean limit?"


async def test_pointers_escape_what_json_pointers_must(alice: Person) -> None:
    problem = assert_problem(await alice.http.post("/v1/tasks", json={"title": "x", "a/b~c ü": 1}), 422)

    assert problem["errors"][0]["pointer"] == "#/a~1b~0c%20%C3%BC"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/tasks/", 404),
        ("GET", "/v1/tasks/7", 404),
        ("GET", "/v1/tasks/%00", 400),
        ("GET", "/v1/tasks/%ff", 400),
        ("GET", "/health/nothing", 404),
        ("PUT", "/v1/tasks", 405),
        ("TRACE", "/v1/tasks", 405),
        ("GET", "/v1/auth/login", 405),
        ("POST", "/health", 405),
    ],
)
async def test_paths_and_methods_that_do_not_exist(alice: Person, method: str, path: str, status: int) -> None:
    response = await alice.http.request(method, path)

    assert_problem(response, status)
    if status == 405:
        assert method not in response.headers["Allow"].split(", ")


async def test_head_works_wherever_get_does(alice: Person) -> None:
    head = await alice.http.head("/v1/tasks")

    assert (head.status_code, head.headers["Content-Type"]) == (200, "application/json")


async def test_options_names_the_methods(client: httpx.AsyncClient) -> None:
    options = await client.options("/v1/tasks")

    assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_bad_token_is_told_before_bad_input(alice: Person, client: httpx.AsyncClient) -> None:
    await alice.http.post("/v1/auth/logout")

    answers = [
        await alice.http.post("/v1/tasks", json={}),
        await alice.http.post("/v1/tasks", content=b"{", headers=JSON),
        await alice.http.post("/v1/tasks", content=b"{}", headers={"Content-Type": "text/plain"}),
        await alice.http.get("/v1/tasks?limt=1"),
        await alice.http.get("/v1/tasks?cursor=nonsense"),
        await client.get("/v1/tasks?limt=1"),
        await client.post("/v1/tasks", content=b"{", headers=JSON),
    ]

    assert [answer.status_code for answer in answers] == [401] * len(answers)


async def test_body_over_the_limit_is_refused_while_it_is_read(app: httpx.ASGITransport) -> None:
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/tasks",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await asyncio.wait_for(app.app(scope, receive, send), timeout=5)  # type: ignore[arg-type]  # httpx types it wider

    assert (sent[0]["status"], taken) == (413, 17)
    assert dict(sent[0]["headers"])[b"connection"] == b"close"


@pytest.mark.parametrize("sent", ["req-1", "x" * 128])
async def test_request_id_of_the_client_is_kept(client: httpx.AsyncClient, sent: str) -> None:
    assert (await client.get("/v1/nothing", headers={"X-Request-ID": sent})).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "two words", "\x7f", "ü"])
async def test_insane_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    response = await client.get("/v1/nothing", headers=[("X-Request-ID", sent.encode("latin-1"))])  # type: ignore[list-item]

    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["X-Request-ID"])


async def test_every_type_of_error_is_described_on_the_server(client: httpx.AsyncClient) -> None:
    for kind in CATALOGUE.values():
        page = await client.get(kind.uri)
        assert page.status_code == 200
        assert kind.title in page.text
    assert (await client.get("/docs/errors/nothing")).status_code == 404


async def test_defect_is_a_500_without_a_word_about_its_cause(
    alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("tasks.queries.get", broken)

    problem = assert_problem(await alice.http.get(f"/v1/tasks/{alice.id}"), 500)

    assert "secret" not in json.dumps(problem)
    assert "the secret reason" in caplog.text


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"due_on": "2026-12-01"}, "#"), ({"due_at": "2026-12-01T08:00:00Z"}, None)],
)
async def test_rule_about_the_row_as_it_will_be_is_a_422(
    alice: Person, change: dict[str, str], pointer: str | None
) -> None:
    task = await alice.task(due_at="2026-12-24T18:00:00Z")

    response = await alice.http.patch(f"/v1/tasks/{task['id']}", json=change)

    if pointer is None:
        assert response.status_code == 200
    else:
        assert assert_problem(response, 422)["errors"][0]["pointer"] == pointer
        assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_text_is_kept_to_the_letter(alice: Person) -> None:
    """Quotes, escapes, percent signs and placeholders: what binding must get right."""
    for title in ("'; DROP TABLE tasks; --", "\\'", "%s %(id)s %%", "$1 ${x}", "a b", "🐄 e\u0301", "\\u0000", '"'):
        description = f"{title}\t\n{title}"
        task = await alice.task(title, description=description)
        assert (task["title"], task["description"]) == (title.strip(), description)
    with connect() as connection:
        count = connection.execute("SELECT count(*) FROM tasks WHERE user_id = %s", [alice.id]).fetchone()
    assert count == (8,)
