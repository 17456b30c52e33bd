"""Which pages may read the API, and the headers that keep an answer from being taken for a page."""

import re
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from tests.support.http.apis import api_client
from tests.support.people import Person
from tests.support.processes.servers import Server
from todoproject.environment import parsers
from todoproject.environment.variables import Environment

PAGE = "https://app.example.com"
EXPOSED = (
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-ID, Affected, Change-No,"
    " Dry-Run, Preference-Applied"
)
ACCEPTED = {"Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID"}
ACCEPTED |= {"Prefer", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"}


@pytest_asyncio.fixture
async def page(app: httpx.ASGITransport, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A script of a page that is on the list."""
    settings.CORS_ALLOWED_ORIGINS = [PAGE, "http://localhost:5173", "capacitor://localhost"]
    settings.CORS_ALLOWS_LOCALHOST = False
    async with api_client(Origin=PAGE) as client:
        yield client


def cors_headers(response: httpx.Response) -> list[str]:
    return sorted(name for name in response.headers if name.startswith("access-control-"))


def preflight(method: str = "GET", **headers: str) -> dict[str, str]:
    return {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization", **headers}


async def test_preflight_names_the_methods_of_the_route(page: httpx.AsyncClient, alice: Person) -> None:
    tasks = await page.options("/v1/tasks", headers=preflight("POST"))
    task = await page.options(f"/v1/tasks/{alice.id}", headers=preflight("PATCH"))
    login = await page.options("/v1/auth/login", headers=preflight("POST"))

    assert [answer.status_code for answer in (tasks, task, login)] == [204, 204, 204]
    assert tasks.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS, POST"
    assert task.headers["Access-Control-Allow-Methods"] == task.headers["Allow"]
    assert {"DELETE", "PATCH"} <= set(task.headers["Allow"].split(", "))
    assert login.headers["Access-Control-Allow-Methods"] == "OPTIONS, POST"
    assert set(tasks.headers["Access-Control-Allow-Headers"].split(", ")) == ACCEPTED
    assert int(tasks.headers["Access-Control-Max-Age"]) > 0
    assert tasks.headers["Access-Control-Allow-Origin"] == PAGE
    assert tasks.content == b""


async def test_preflight_for_nothing_is_a_404_that_the_page_can_read(page: httpx.AsyncClient) -> None:
    answer = await page.options("/v1/nothing", headers=preflight())

    assert answer.status_code == 404
    assert cors_headers(answer) == ["access-control-allow-origin", "access-control-expose-headers"]


async def test_plain_options_is_no_preflight(page: httpx.AsyncClient) -> None:
    answer = await page.options("/v1/tasks")

    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert "Access-Control-Allow-Methods" not in answer.headers


async def test_answers_and_errors_can_be_read_by_the_page(
    page: httpx.AsyncClient, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from todoproject.database.errors import DatabaseUnavailable

    async def broken(*_: object) -> None:
        raise RuntimeError

    async def away(*_: object) -> None:
        raise DatabaseUnavailable

    token = {"Authorization": f"Bearer {alice.token}"}
    monkeypatch.setattr("tasks.queries.get", broken)
    answers = [
        await page.get("/v1/me", headers=token),
        await page.get("/v1/tasks?cursor=%00", headers=token),
        await page.get("/v1/tasks?a=1", headers=token),
        await page.get("/v1/me"),
        await page.get("/v1/nothing", headers=token),
        await page.put("/v1/tasks", headers=token),
        await page.get(f"/v1/tasks/{alice.id}", headers=token),
    ]
    monkeypatch.setattr("tasks.queries.get", away)
    answers.append(await page.get(f"/v1/tasks/{alice.id}", headers=token))

    assert [answer.status_code for answer in answers] == [200, 400, 422, 401, 404, 405, 500, 503]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Expose-Headers"] == EXPOSED
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"].split(", ")


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"null",
        b"",
        b"*",
        b"http://app.example.com",
        b"https://app.example.com.evil.example",
        b"https://app.example.com:8443",
        b"https://app.example.com/",
        b"http://localhost:5174",
        b"capacitor://localhost.evil.example",
        b"HTTPS://APP.EXAMPLE.COM",
        b"https://app.example.com, https://evil.example",
        b"\xff\xfe",
        b"x" * 10_000,
    ],
)
async def test_unknown_origin_gets_no_cors_header(page: httpx.AsyncClient, origin: bytes) -> None:
    headers = [(b"origin", origin), (b"access-control-request-method", b"GET")]
    answers = [
        await page.get("/v1/me", headers=headers),  # type: ignore[arg-type]  # httpx takes bytes
        await page.options("/v1/tasks", headers=headers),  # type: ignore[arg-type]  # as above
    ]

    assert [answer.status_code for answer in answers] == [401, 204]
    for answer in answers:
        assert cors_headers(answer) == []
        assert answer.headers["Vary"] == "Authorization, Accept-Encoding, Origin"


async def test_health_is_nobody_elses_page(page: httpx.AsyncClient) -> None:
    assert cors_headers(await page.get("/health")) == []


async def test_without_the_setting_no_page_may_read(app: httpx.ASGITransport, settings: Settings) -> None:
    settings.CORS_ALLOWS_LOCALHOST = False
    async with api_client() as client:
        answers = [await client.get("/v1/me", headers={"Origin": origin}) for origin in (PAGE, "http://localhost")]

    for answer in answers:
        assert cors_headers(answer) == []
        assert answer.headers["Vary"] == "Authorization, Accept-Encoding"


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        ("http://localhost", True),
        ("http://localhost:5173", True),
        ("https://localhost:8443", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", True),
        ("http://localhost.evil.example", False),
        ("http://evil.localhost:80", False),
        ("http://localhost:5173/", False),
        ("http://127.0.0.2:3000", False),
        ("null", False),
        ("capacitor://localhost", False),
    ],
)
async def test_development_lets_in_localhost_on_any_port(
    app: httpx.ASGITransport, settings: Settings, origin: str, is_let_in: bool
) -> None:
    settings.CORS_ALLOWS_LOCALHOST = True
    async with api_client() as client:
        answer = await client.get("/v1/me", headers={"Origin": origin})

    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if is_let_in else None)
    assert "Origin" in answer.headers["Vary"].split(", ")


async def test_app_in_a_web_view_can_be_named(page: httpx.AsyncClient) -> None:
    answer = await page.get("/v1/me", headers={"Origin": "capacitor://localhost"})

    assert answer.headers["Access-Control-Allow-Origin"] == "capacitor://localhost"


@pytest.mark.parametrize(
    "text",
    [
        *("*", "null", "app.example.com", "ftp://a", "https://a b", "https://ä.example", "https://*.example.com"),
        *("file:///", "data://x", "ws://a", "Capacitor://localhost", "capacitor://localhost/", "://x", "http://"),
        *("https://app.example.com/", "https://App.example.com", "https://app.example.com:443", "http://a.example:80"),
    ],
)
def test_setting_takes_exact_origins_only(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", text)

    env = Environment()
    env("CORS_ALLOWED_ORIGINS", parsers.page_origins, example=PAGE, default=[])
    with pytest.raises(ImproperlyConfigured, match=r"^CORS_ALLOWED_ORIGINS .*Example: CORS_ALLOWED_ORIGINS="):
        env.stop_on_mistakes()


@pytest.mark.parametrize(
    "text",
    [
        *(PAGE, "http://localhost:5173", "https://[::1]:8443", "https://a.b, http://c:8080"),
        *("capacitor://localhost", "ionic://", "tauri://localhost", "chrome-extension://abcdefgh", "app://obsidian.md"),
    ],
)
def test_setting_takes_what_browsers_send(text: str) -> None:
    assert parsers.page_origins(text) == [origin.strip() for origin in text.split(",")]


# --- Headers of every answer ----------------------------------------------------------------------


async def test_every_answer_is_data_and_not_a_page(alice: Person, client: httpx.AsyncClient) -> None:
    answers = [
        await alice.http.get("/v1/me"),
        await alice.http.post("/v1/tasks", json={}),
        await client.get("/v1/nothing"),
        await client.options("/v1/tasks"),
        await client.get("/health/live"),
        await client.get("/v1/openapi.json"),
    ]

    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Vary"] == "Authorization, Accept-Encoding, Origin"
        assert "Strict-Transport-Security" not in answer.headers


async def test_production_asks_for_https_from_now_on(app: httpx.ASGITransport, settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    async with api_client() as client:
        answer = await client.get("/health/live")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


async def test_head_works_on_every_get(alice: Person, client: httpx.AsyncClient) -> None:
    hook = await alice.http.post("/v1/webhooks", json={"url": "https://hooks.example.com/todo", "events": ["task.*"]})
    ids = {
        "{task_id}": (await alice.task())["id"],
        "{list_id}": (await alice.list())["id"],
        "{webhook_id}": hook.json()["id"],
    }
    document = (await client.get("/v1/openapi.json")).json()
    paths = [
        re.sub(r"{\w+}", lambda place: ids[place[0]], path)
        for path, methods in document["paths"].items()
        if "get" in methods
    ]

    for path in [*paths, "/v1/openapi.json"]:
        head, get = await alice.http.head(path), await alice.http.get(path)
        written = "text/event-stream" if path.endswith("/stream") else "application/json"
        assert (head.status_code, head.headers["Content-Type"]) == (200, written), path
        assert head.headers.keys() == get.headers.keys()


async def test_options_answers_on_every_path(client: httpx.AsyncClient, alice: Person) -> None:
    document = (await client.get("/v1/openapi.json")).json()

    for path, methods in document["paths"].items():
        answer = await client.options(re.sub(r"{\w+}", alice.id, path))
        assert answer.status_code == 204, path
        assert {method.upper() for method in methods} | {"OPTIONS"} <= set(answer.headers["Allow"].split(", "))


async def test_websocket_is_refused_and_other_connections_are_left_alone(app: httpx.ASGITransport) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    for kind in ("websocket", "webtransport"):
        await app.app({"type": kind, "path": "/v1/tasks", "headers": []}, receive, send)  # type: ignore[arg-type]  # as above

    assert sent == [{"type": "websocket.close"}]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHg=", None),
        (b"Origin: \xff\xfe\xe4", 401),
        (b"Authorization: Bearer \xff\xe4", 401),
        (b"X-Forwarded-For: \xff, \xe4", 401),
        (b"X-Request-ID: \xff", 401),
    ],
)
def test_server_survives_hostile_headers(server: Server, header: bytes, status: int | None) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + b"\r\n\r\n")
        answer = int(connection.recv(4096).split()[1])

    assert answer == status if status else 400 <= answer < 500
    assert "Traceback" not in server.log
