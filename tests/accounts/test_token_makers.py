"""A token makes and rotates none that outlives or outranks itself, nor more than there is room for."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from accounts.models import Scope
from tests.support.people import Person
from tests.support.postgres.databases import connect


def soon(minutes: int = 60) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


async def make(client: httpx.AsyncClient, by: dict[str, str], **fields: object) -> httpx.Response:
    return await client.post("/v1/tokens", json={"name": "made", "scopes": ["account"], **fields}, headers=by)


async def rotate(client: httpx.AsyncClient, by: dict[str, str], token_id: str) -> httpx.Response:
    return await client.post(f"/v1/tokens/{token_id}/rotate", headers=by)


async def current(client: httpx.AsyncClient, by: dict[str, str]) -> dict[str, str]:
    document: dict[str, str] = (await client.get("/v1/tokens/current", headers=by)).json()
    return document


def bearer(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 201, response.text
    return {"Authorization": f"Bearer {response.json()['token']}"}


def outcome(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_personal_token_makes_none_that_outlives_it(client: httpx.AsyncClient, alice: Person) -> None:
    maker = await alice.token_for("account", expires_at=soon(60))
    end = (await current(client, maker))["expires_at"]

    refused = await make(client, maker, expires_at=soon(61))
    assert outcome(refused) == (422, "invalid")
    assert refused.json()["errors"][0]["pointer"] == "#/expires_at"
    assert (await make(client, maker)).json()["expires_at"] == end
    assert (await make(client, maker, expires_at=end)).json()["expires_at"] == end
    assert (await make(client, maker, expires_at=soon(30))).json()["expires_at"] < end


async def test_login_makes_personal_tokens_without_an_end(alice: Person, client: httpx.AsyncClient) -> None:
    by = {"Authorization": f"Bearer {alice.token}"}

    assert (await make(client, by)).json()["expires_at"] is None
    assert (await make(client, by, expires_at="2999-01-01T00:00:00Z")).status_code == 201


@pytest.mark.parametrize("end", [None, 600])
async def test_successor_ends_with_its_maker(client: httpx.AsyncClient, alice: Person, end: int | None) -> None:
    maker = await alice.token_for("account", expires_at=soon(60))
    fields = {} if end is None else {"expires_at": soon(end)}
    other = await current(client, await alice.token_for("account", **fields))

    new = await rotate(client, maker, other["id"])

    assert new.json()["expires_at"] == (await current(client, maker))["expires_at"]


async def test_token_that_rotates_itself_gains_no_time(client: httpx.AsyncClient, alice: Person) -> None:
    for by in (await alice.token_for("account", expires_at=soon(60)), {"Authorization": f"Bearer {alice.token}"}):
        with connect() as connection:  # it is older than it looks
            connection.execute("UPDATE access_tokens SET created_at = created_at - interval '3 days'")
        before = await current(client, by)

        new = await rotate(client, by, before["id"])

        assert (new.status_code, new.json()["expires_at"]) == (201, before["expires_at"])


async def test_token_with_a_successor_makes_nothing_more(client: httpx.AsyncClient, alice: Person) -> None:
    old = await alice.token_for("account")
    new = bearer(await rotate(client, old, (await current(client, old))["id"]))

    assert outcome(await make(client, old)) == (409, "token-rotated")
    for other in (new, await alice.token_for("account"), old):
        assert outcome(await rotate(client, old, (await current(client, other))["id"])) == (409, "token-rotated")
    assert (await make(client, new)).status_code == 201


async def test_personal_token_rotates_no_login(client: httpx.AsyncClient, alice: Person) -> None:
    """A login may make what lives longer than itself, so one is more than its scopes say."""
    personal = await alice.token_for(*Scope.values)
    login = await current(client, {"Authorization": f"Bearer {alice.token}"})

    assert outcome(await rotate(client, personal, login["id"])) == (403, "scope-missing")
    assert (await alice.http.get("/v1/me")).status_code == 200


async def test_tokens_of_an_account_are_bounded(
    client: httpx.AsyncClient, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = (
        "INSERT INTO access_tokens (id, user_id, kind, name, digest, scopes)"
        " SELECT gen_random_uuid(), %s, 'personal', 'one of many', sha256((%s || n)::bytea), '{account}'"
        " FROM generate_series(1, %s) AS n"
    )
    with connect() as connection:
        connection.execute(fill, [alice.id, alice.id, 99])
    last = await alice.token_for("account")

    assert outcome(await make(client, last)) == (409, "too-many-tokens")
    assert (await rotate(client, last, (await current(client, last))["id"])).status_code == 201
    assert outcome(await make(client, {"Authorization": f"Bearer {alice.token}"})) == (409, "too-many-tokens")
    assert (await make(client, {"Authorization": f"Bearer {bob.token}"})).status_code == 201
    listed = (await alice.http.get("/v1/tokens")).json()["items"]
    await alice.http.delete(f"/v1/tokens/{next(t['id'] for t in listed if t['name'] == 'one of many')}")
    assert (await make(client, {"Authorization": f"Bearer {alice.token}"})).status_code == 201
