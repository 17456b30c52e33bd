"""WWW-Authenticate says that a token is invalid only where one was sent (RFC 6750, section 3.1)."""

import httpx
import pytest

from accounts import tokens
from tests.support.people import PASSWORD, Person

INVALID = 'Bearer error="invalid_token", error_description="The token is unknown, expired or revoked."'
UNKNOWN = f"Bearer {tokens.generate()}"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "sent",
    ["Bearer todo_nonsense", UNKNOWN, "bearer x", "Bearer a b", "Bearer \xff"],
    ids=["nonsense", "unknown", "short", "two words", "not ASCII"],
)
async def test_a_token_that_was_sent_is_called_invalid(client: httpx.AsyncClient, sent: str, method: str) -> None:
    headers = {"Authorization": sent.encode("latin-1")}
    refused = await client.request(method, "/v1/tasks", headers=headers)  # type: ignore[arg-type]  # httpx takes bytes

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["WWW-Authenticate"] == INVALID


async def test_whatever_has_become_of_it_the_answer_is_one(client: httpx.AsyncClient, alice: Person) -> None:
    script = await alice.token_for("tasks:read")
    assert (await client.get("/v1/tasks", headers=script)).status_code == 200
    current = await client.get("/v1/tokens/current", headers=script)
    await alice.http.delete(f"/v1/tokens/{current.json()['id']}")

    for key in ({}, {"Idempotency-Key": "again"}):
        refused = await client.post("/v1/tasks", json={"title": "x"}, headers={**script, **key})
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, INVALID)
    invalid = await client.post("/v1/tasks", json={"nonsense": 1}, headers=script)
    assert (invalid.status_code, invalid.headers["WWW-Authenticate"]) == (401, INVALID)


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Digest x", "todo_nonsense"])
async def test_without_a_token_there_is_no_error(client: httpx.AsyncClient, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    refused = await client.get("/v1/tasks", headers=headers)

    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_wrong_password_is_no_wrong_token(client: httpx.AsyncClient, alice: Person) -> None:
    login = {"email": alice.email, "password": PASSWORD + "x"}
    refused = await client.post("/v1/auth/login", json=login, headers={"Authorization": f"Bearer {alice.token}"})

    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
