"""Every ending of a token, and what each of the account's tokens finds at its next request: one table.

What an ending does besides, to codes, sessions of the admin, mails and records, is tried where that belongs.
"""

from typing import Any

import httpx
import pytest
from pytest_django import Settings

from tests.support.endings import ALL, BY_STAFF, ENDINGS, LOGIN, SCRIPT, End, Holder, by_staff, holder_of, key
from tests.support.people import Person
from todoproject.http.problems import INVALID_TOKEN

pytestmark = pytest.mark.usefixtures("orm")

# The next request: what it answers while the token lives. The last one repeats what was answered under its key before.
BATCH = {"operations": [{"op": "create", "data": {"title": "Mine"}}]}
NEXT: list[tuple[str, str, Any, bool, int]] = [
    ("GET", "/v1/tasks", None, False, 200),
    ("GET", "/v1/tokens/current", None, False, 200),
    ("GET", "/v1/me", None, False, 200),
    ("POST", "/v1/tasks", {"title": "Mine"}, False, 201),
    ("POST", "/v1/tasks", {}, False, 422),
    ("POST", "/v1/tasks", {"title": "Mine"}, True, 201),
    ("POST", "/v1/tasks/batch", BATCH, False, 200),
]


async def ask_next(holder: Holder, name: str, repeated: dict[str, str]) -> list[int]:
    """Return the statuses of the next requests of a token, and of a repeat of what was answered before its end."""
    asked = [(method, path, body, key() if keyed else {}) for method, path, body, keyed, _ in NEXT]
    asked.append(("POST", "/v1/tasks", {"title": "Before"}, repeated))
    statuses = []
    for method, path, body, headers in asked:
        answer = await holder.anybody.request(method, path, json=body, headers=holder.bearer(name) | headers)
        is_told = answer.headers.get("WWW-Authenticate") == INVALID_TOKEN
        assert is_told == (answer.status_code == 401), answer.headers
        statuses.append(answer.status_code)
    return statuses


LIVE = [status for *_, status in NEXT] + [201]
DEAD = [401] * len(LIVE)


async def check(holder: Holder, end: End, ended: set[str]) -> None:
    repeated = {name: key() for name in ALL}
    for name in ALL:
        await holder.post("/v1/tasks", {"title": "Before"}, by=name, **repeated[name])

    await end(holder)

    found = {name: await ask_next(holder, name, repeated[name]) for name in sorted(ALL)}
    assert found == {name: DEAD if name in ended else LIVE for name in sorted(ALL)}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_token_that_has_ended_opens_nothing_more_and_no_other_has(
    client: httpx.AsyncClient, alice: Person, bob: Person, settings: Settings, ending: str
) -> None:
    end, settings.TOKEN_ROTATION_OVERLAP, ended = ENDINGS[ending]
    await check(await holder_of(alice, client), end, ended)
    assert (await bob.http.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("deed", BY_STAFF)
async def test_token_that_staff_have_ended_opens_nothing_more_and_no_other_has(
    client: httpx.AsyncClient, alice: Person, bob: Person, deed: str
) -> None:
    work, ended = BY_STAFF[deed]
    await check(await holder_of(alice, client), by_staff(work), ended)
    assert (await bob.http.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("scopes", "found"),
    [
        (["tasks:read"], [200, 200, 403, 403, 422, 403, 403, 403]),
        (["tasks:write"], [403, 200, 403, 201, 422, 201, 200, 201]),
        (["account"], [403, 200, 200, 403, 422, 403, 403, 403]),
    ],
)
async def test_scopes_that_are_taken_away_are_gone_at_the_next_request(
    client: httpx.AsyncClient, alice: Person, scopes: list[str], found: list[int]
) -> None:
    holder, repeated = await holder_of(alice, client), key()
    await holder.post("/v1/tasks", {"title": "Before"}, by=SCRIPT, **repeated)

    holder.sql("UPDATE access_tokens SET scopes = %s WHERE id = %s", scopes, holder.ids[SCRIPT])

    assert await ask_next(holder, SCRIPT, repeated) == found
    assert await ask_next(holder, LOGIN, repeated) == LIVE
