"""The export of an account: everything that is held, and no secret."""

import httpx

from accounts.schemas import Export
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect


async def test_export_holds_the_account_its_tokens_and_its_tasks(alice: Person, bob: Person) -> None:
    await bob.task("not hers")
    await alice.token_for("tasks:read")
    kept = await alice.task("Kept “quoted” \\ n line", due_on="2026-12-01")
    deleted = await alice.task("Deleted")
    await alice.http.delete(f"/v1/tasks/{deleted['id']}")

    response = await alice.http.get("/v1/me/export")

    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert response.headers["Cache-Control"] == "no-store"
    export = response.json()
    Export.model_validate(export)
    me = (await alice.http.get("/v1/me")).json()
    assert export["account"] == me | {"is_active": True, "is_staff": False, "last_login": None}
    assert [token["name"] for token in export["tokens"]] == ["login", "script"]
    assert export["tasks"][0] == kept
    assert [task["title"] for task in export["tasks"]] == [kept["title"], "Deleted"]
    assert export["tasks"][1]["deleted_at"] is not None


async def test_export_of_an_empty_account_has_empty_lists(charlie: Person) -> None:
    export = (await charlie.http.get("/v1/me/export")).json()

    assert (export["tasks"], len(export["tokens"])) == ([], 1)


async def test_export_holds_revoked_tokens_and_no_secret(client: httpx.AsyncClient, alice: Person) -> None:
    session = (await client.post("/v1/auth/login", json={"email": alice.email, "password": PASSWORD})).json()
    await client.post("/v1/auth/logout", headers={"Authorization": f"Bearer {session['token']}"})

    response = await alice.http.get("/v1/me/export")

    assert [token["revoked_at"] is None for token in response.json()["tokens"]] == [True, False]
    with connect() as connection:
        row = connection.execute(
            "SELECT password, encode(digest, 'hex') FROM users JOIN access_tokens t ON t.user_id = users.id"
            " WHERE users.id = %s",
            [alice.id],
        ).fetchone()
    assert row is not None
    for secret in (alice.token, session["token"], *row):
        assert secret not in response.text


async def test_export_needs_the_right_to_read_what_it_holds(client: httpx.AsyncClient, alice: Person) -> None:
    account, tasks = await alice.token_for("account"), await alice.token_for("tasks:read")
    both = await alice.token_for("account", "tasks:read")

    refusals = [await client.get("/v1/me/export", headers=headers) for headers in (account, tasks)]

    assert [(refusal.status_code, refusal.json()["required"]) for refusal in refusals] == [
        (403, ["tasks:read"]),
        (403, ["account"]),
    ]
    assert (await client.get("/v1/me/export", headers=both)).status_code == 200
