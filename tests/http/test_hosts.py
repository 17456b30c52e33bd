"""At the API's door: our own names only, and in production no token without TLS."""

import httpx
import pytest
from pytest_django import Settings

from tests.support.people import Person


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "127.0.0.2:80", "[::1]"])
async def test_other_names_are_refused_and_probes_are_not(alice: Person, host: str) -> None:
    for path in ("/v1/me", "/v1/nothing"):
        response = await alice.http.get(path, headers={"Host": host})
        assert (response.status_code, response.json()["code"]) == (400, "wrong-host")
    assert (await alice.http.get("/health/live", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["TestServer", "testserver:8000", "localhost", "127.0.0.1:80"])
async def test_own_names_are_taken_with_any_port(alice: Person, host: str) -> None:
    assert (await alice.http.get("/v1/me", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("url", "client", "status"),
    [
        ("http://testserver", "192.0.2.1", 403),
        ("http://testserver", "::ffff:192.0.2.1", 403),
        ("https://testserver", "192.0.2.1", 401),
        ("http://testserver", "127.0.0.1", 401),
        ("http://testserver", "::1", 401),
    ],
)
async def test_production_answers_tokens_over_tls_only(
    app: httpx.ASGITransport, settings: Settings, url: str, client: str, status: int
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    transport = httpx.ASGITransport(app.app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url=url) as http:
        assert (await http.get("/v1/me")).status_code == status
        assert (await http.get("/health/live")).status_code == 200


async def test_instance_is_a_uri_reference(alice: Person) -> None:
    response = await alice.http.get("/v1/a%20b%22%3C%C3%A9%25")

    assert (response.status_code, response.json()["instance"]) == (404, "/v1/a%20b%22%3C%C3%A9%25")
