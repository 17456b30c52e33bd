"""Personal access tokens: scopes, expiry, rotation, last use, and what a token looks like."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pytest_django import Settings

from accounts import tokens
from accounts.models import Scope
from accounts.queries.unit import fenced
from accounts.schemas import NewToken, TokenList
from tests.http.test_errors import assert_problem
from tests.support.people import Person
from tests.support.postgres.databases import connect


async def make_token(person: Person, *scopes: str, **fields: str) -> dict[str, str]:
    response = await person.http.post("/v1/tokens", json={"name": "script", "scopes": list(scopes), **fields})
    assert response.status_code == 201, response.text
    document: dict[str, str] = response.json()
    return document


async def test_token_does_what_its_scopes_say_and_no_more(client: httpx.AsyncClient, alice: Person) -> None:
    await alice.task()
    token = await make_token(alice, "tasks:read")
    headers = {"Authorization": f"Bearer {token['token']}"}

    assert (await client.get("/v1/tasks", headers=headers)).status_code == 200
    refused = await client.post("/v1/tasks", json={"title": "No"}, headers=headers)

    assert refused.status_code == 403
    assert refused.json() | {"required": ["tasks:write"], "held": ["tasks:read"]} == refused.json()
    assert (await client.get("/v1/me", headers=headers)).status_code == 403
    assert (await client.get("/v1/tokens/current", headers=headers)).json()["scopes"] == ["tasks:read"]
    assert (await client.post("/v1/auth/logout", headers=headers)).status_code == 204


async def test_token_cannot_make_a_stronger_one(client: httpx.AsyncClient, alice: Person) -> None:
    weak = await make_token(alice, "account", "tasks:read")
    headers = {"Authorization": f"Bearer {weak['token']}"}

    refused = await client.post("/v1/tokens", json={"name": "x", "scopes": ["tasks:write"]}, headers=headers)

    assert refused.status_code == 403
    assert refused.json()["required"] == ["tasks:write"]
    assert sorted(refused.json()["held"]) == ["account", "tasks:read"]


async def test_new_token_is_shown_once_and_then_listed_without_its_secret(alice: Person) -> None:
    token = await make_token(alice, *Scope.values, expires_at="2999-01-01T00:00:00Z")
    NewToken.model_validate(token, strict=False)

    listed = await alice.http.get("/v1/tokens")

    TokenList.model_validate(listed.json(), strict=False)
    assert [item["name"] for item in listed.json()["items"]] == ["script", "login"]
    assert token["token"] not in listed.text
    assert listed.json()["items"][0]["expires_at"] == "2999-01-01T00:00:00.000000Z"


async def test_revoked_token_is_no_longer_listed(alice: Person) -> None:
    token = await make_token(alice, "tasks:read")

    assert (await alice.http.delete(f"/v1/tokens/{token['id']}")).status_code == 204

    assert [item["name"] for item in (await alice.http.get("/v1/tokens")).json()["items"]] == ["login"]
    assert (await alice.http.delete(f"/v1/tokens/{token['id']}")).status_code == 404


@pytest.mark.parametrize("scopes", [[], ["everything"], "tasks:read", [1], ["tasks:read"] * 4])
async def test_unknown_scopes_are_refused(alice: Person, scopes: object) -> None:
    response = await alice.http.post("/v1/tokens", json={"name": "x", "scopes": scopes})

    assert response.status_code == 422


async def test_last_use_is_written_at_most_once_in_ten_minutes(alice: Person) -> None:
    first = (await alice.http.get("/v1/tokens/current")).json()["last_used_at"]
    second = (await alice.http.get("/v1/tokens/current")).json()["last_used_at"]

    assert first is not None
    assert first == second


@pytest.mark.parametrize("expires_at", ["2020-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "tomorrow", 1, "2999-01-01"])
async def test_expiry_that_cannot_be_is_refused(alice: Person, expires_at: object) -> None:
    body = {"name": "x", "scopes": ["account"], "expires_at": expires_at}

    response = await alice.http.post("/v1/tokens", json=body)

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/expires_at")


async def test_last_use_is_written_again_after_ten_minutes(alice: Person) -> None:
    with connect() as connection:
        connection.execute(
            "UPDATE access_tokens SET last_used_at = now() - interval '601 seconds' WHERE user_id = %s", [alice.id]
        )

    used = (await alice.http.get("/v1/tokens/current")).json()["last_used_at"]

    assert datetime.now(UTC) - datetime.fromisoformat(used) < timedelta(seconds=30)


# --- Rotation -------------------------------------------------------------------------------------


async def rotate(person: Person, token_id: str) -> httpx.Response:
    return await person.http.post(f"/v1/tokens/{token_id}/rotate")


def bearer(token: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['token']}"}


async def test_rotated_token_has_a_successor_like_itself_and_works_beside_it(
    client: httpx.AsyncClient, alice: Person
) -> None:
    old = await make_token(alice, "tasks:read")

    response = await rotate(alice, old["id"])

    assert response.status_code == 201
    NewToken.model_validate(response.json(), strict=False)
    new = response.json()
    assert new["id"] != old["id"]
    assert {key: new[key] for key in ("name", "kind", "scopes", "expires_at", "rotated_at")} == {
        "name": "script",
        "kind": "personal",
        "scopes": ["tasks:read"],
        "expires_at": None,
        "rotated_at": None,
    }
    for token in (old, new):
        assert (await client.get("/v1/tasks", headers=bearer(token))).status_code == 200


async def test_rotated_token_ends_with_the_overlap(
    client: httpx.AsyncClient, alice: Person, settings: Settings
) -> None:
    settings.TOKEN_ROTATION_OVERLAP = 600
    old = await make_token(alice, "tasks:read")
    await rotate(alice, old["id"])

    shown = (await client.get("/v1/tokens/current", headers=bearer(old))).json()
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)

    assert timedelta(seconds=590) < left <= timedelta(seconds=600)
    assert shown["rotated_at"] is not None


async def test_overlap_lengthens_no_life_and_the_successor_lives_as_long(
    client: httpx.AsyncClient, alice: Person
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=2)
    old = await make_token(alice, "tasks:read", expires_at=soon.isoformat())

    new = (await rotate(alice, old["id"])).json()

    shown = (await client.get("/v1/tokens/current", headers=bearer(old))).json()
    assert shown["expires_at"] == old["expires_at"]
    lives = [
        datetime.fromisoformat(token["expires_at"]) - datetime.fromisoformat(token["created_at"])
        for token in (old, new)
    ]
    assert abs(lives[0] - lives[1]) < timedelta(seconds=1)


async def test_successor_of_the_longest_life_can_still_be_read(alice: Person) -> None:
    old = await make_token(alice, "tasks:read", expires_at="9999-12-30T00:00:00Z")

    assert (await rotate(alice, old["id"])).json()["expires_at"] == "9999-12-30T00:00:00.000000Z"


async def test_session_can_rotate_itself(client: httpx.AsyncClient, alice: Person) -> None:
    session = (await alice.http.get("/v1/tokens/current")).json()

    new = (await rotate(alice, session["id"])).json()

    assert (new["kind"], new["name"], sorted(new["scopes"])) == ("session", "login", sorted(Scope.values))
    assert (await client.get("/v1/me", headers=bearer(new))).status_code == 200


async def test_token_cannot_rotate_a_stronger_one(client: httpx.AsyncClient, alice: Person) -> None:
    strong, weak = await make_token(alice, *Scope.values), await make_token(alice, "account")

    refused = await client.post(f"/v1/tokens/{strong['id']}/rotate", headers=bearer(weak))

    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    assert (sorted(refused.json()["required"]), refused.json()["held"]) == (sorted(Scope.values), ["account"])
    assert (await client.get("/v1/tokens/current", headers=bearer(strong))).json()["rotated_at"] is None


async def test_tokens_of_others_dead_ones_and_none_are_404(alice: Person, charlie: Person) -> None:
    token, dead = await make_token(alice, "tasks:read"), await make_token(alice, "tasks:read")
    await alice.http.delete(f"/v1/tokens/{dead['id']}")

    assert (await rotate(charlie, token["id"])).status_code == 404
    assert (await rotate(alice, dead["id"])).status_code == 404
    assert (await rotate(alice, token["id"][:-4] + "0000")).status_code == 404
    assert (await rotate(alice, "nonsense")).status_code == 404
    assert (await rotate(alice, token["id"])).status_code == 201


async def test_rotation_needs_the_account_scope(client: httpx.AsyncClient, alice: Person) -> None:
    token = await make_token(alice, "tasks:read")

    refused = await client.post(f"/v1/tokens/{token['id']}/rotate", headers=bearer(token))

    assert (refused.status_code, refused.json()["required"], refused.json()["held"]) == (
        403,
        ["account"],
        ["tasks:read"],
    )


async def test_rotation_that_is_sent_twice_with_a_key_happens_once(alice: Person) -> None:
    old = await make_token(alice, "tasks:read")
    headers = {"Idempotency-Key": old["id"]}

    first, second = [await alice.http.post(f"/v1/tokens/{old['id']}/rotate", headers=headers) for _ in range(2)]

    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())


# --- What a token looks like ----------------------------------------------------------------------


def test_tokens_are_recognised_by_prefix_and_checksum() -> None:
    token = tokens.generate()

    credentials = tokens.parse(token)

    assert credentials is not None
    assert credentials.digest == tokens.digest(token)
    for position in range(len(token)):
        changed = token[:position] + ("a" if token[position] != "a" else "b") + token[position + 1 :]
        assert tokens.parse(changed) is None, position


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer todo_x", "Bearer " + "x" * 10_000, "Bearer todo_\xff"]
)
async def test_anything_that_is_no_token_is_401(client: httpx.AsyncClient, header: str) -> None:
    response = await client.get("/v1/tasks", headers={b"Authorization": header.encode("latin-1")})

    assert (response.status_code, response.headers["WWW-Authenticate"].split()[0]) == (401, "Bearer")


async def test_token_that_ends_between_its_check_and_its_reading_is_refused(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement sees what was committed before it: a rotation can come between the two."""
    nothing = fenced("SELECT NULL WHERE false", scope=None, repeatable=True)
    monkeypatch.setattr("accounts.queries.tokens._current_token", lambda: nothing)

    assert_problem(await alice.http.get("/v1/tokens/current"), 401)
