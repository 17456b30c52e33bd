"""The things that people own: how each is made and seen by its owner; and answers without what differs each time."""

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from accounts.models import Scope
from tests.support.people import PASSWORD, Person
from tests.support.postgres.databases import connect

Make = Callable[[Person], Awaitable[str]]
Show = Callable[[Person, str], Awaitable[Any]]


@dataclass(frozen=True)
class Kind:
    """How to make an object of a person, and how its owner sees it."""

    make: Make
    show: Show


async def _make_task(person: Person) -> str:
    return str((await person.task())["id"])


async def _show_task(person: Person, id: str) -> Any:
    return (await person.http.get(f"/v1/tasks/{id}")).json()


async def _make_list(person: Person) -> str:
    return str((await person.list())["id"])


async def _show_list(person: Person, id: str) -> Any:
    return (await person.http.get(f"/v1/lists/{id}")).json()


async def _make_label(person: Person) -> str:
    label = uuid.uuid4().hex
    await person.task(labels=[label])
    return label


async def _show_label(person: Person, name: str) -> Any:
    return [row for row in (await person.http.get("/v1/labels")).json()["items"] if row["name"] == name]


async def _make_external_id(person: Person) -> str:
    return str((await person.task(external_id=str(uuid.uuid4())))["external_id"])


async def _show_external_id(person: Person, external_id: str) -> Any:
    return (await person.http.get("/v1/tasks", params={"external_id": external_id})).json()


async def _make_change(person: Person) -> str:
    """Make a change with a long number: in an answer that names another's, nothing else is to look like it."""
    with connect(autocommit=True) as direct:
        direct.execute("UPDATE users SET change_no = change_no + 271828000 WHERE id = %s", [person.id])
    await person.task()
    return str((await person.http.get("/v1/history?limit=1")).json()["items"][0]["change_no"])


async def _show_change(person: Person, number: str) -> Any:
    found = (await person.http.get("/v1/history")).json()["items"]
    return [entry for entry in found if str(entry["change_no"]) == number]


async def _make_token(person: Person, *scopes: str) -> str:
    return str((await new_token(person, *scopes or Scope.values))["id"])


async def new_token(person: Person, *scopes: str) -> dict[str, Any]:
    response = await person.http.post("/v1/tokens", json={"name": "script", "scopes": scopes})
    assert response.status_code == 201, response.text
    token: dict[str, Any] = response.json()
    return token


async def _show_token(person: Person, id: str) -> Any:
    return [token for token in (await person.http.get("/v1/tokens")).json()["items"] if token["id"] == id]


async def _make_session(person: Person) -> str:
    login = await person.http.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert login.status_code == 201, login.text
    return str((await person.http.get("/v1/sessions")).json()["items"][0]["id"])


async def _show_session(person: Person, id: str) -> Any:
    return [session for session in (await person.http.get("/v1/sessions")).json()["items"] if session["id"] == id]


async def _make_webhook(person: Person) -> str:
    body = {"url": "https://hooks.example.com/todo", "events": ["list.deleted"]}
    return str((await person.http.post("/v1/webhooks", json=body)).json()["id"])


async def _show_webhook(person: Person, id: str) -> Any:
    return (await person.http.get(f"/v1/webhooks/{id}")).json()


async def _make_calendar(person: Person) -> str:
    return str((await person.http.post("/v1/calendars", json={"all": True})).json()["id"])


async def _show_calendar(person: Person, id: str) -> Any:
    return [shown for shown in (await person.http.get("/v1/calendars")).json()["items"] if shown["id"] == id]


# By the name of the path parameter.
KINDS = {
    "task_id": Kind(_make_task, _show_task),
    "list_id": Kind(_make_list, _show_list),
    "token_id": Kind(_make_token, _show_token),
    "name": Kind(_make_label, _show_label),
    "external_id": Kind(_make_external_id, _show_external_id),
    "session_id": Kind(_make_session, _show_session),
    "change_no": Kind(_make_change, _show_change),
    "webhook_id": Kind(_make_webhook, _show_webhook),
    "calendar_id": Kind(_make_calendar, _show_calendar),
}


def plain(response: httpx.Response, ids: dict[str, str]) -> tuple[int, str, list[tuple[str, str]]]:
    """Return an answer with nothing in it that is another one each time: ids, times and what is left of a limit."""
    text = response.text
    # Both count what the asker has done before, and the second answer has done one more.
    headers = sorted(item for item in response.headers.items() if item[0] not in ("ratelimit", "change-no"))
    for name, identity in ids.items():
        text = text.replace(identity, name)
        headers = [(header, value.replace(identity, name)) for header, value in headers]
    text, headers = _without_ids(text), [(name, _without_ids(value)) for name, value in headers]  # of what is new
    text = re.sub(r'"position":"\w+"', '"position":"place"', text)  # the second one made stands behind the first
    return response.status_code, re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "time", text), headers


def _without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "id", text)
