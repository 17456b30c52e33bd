"""Requests behind an address count for its account, like those with a token; guesses count for who makes them."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from django.urls import URLPattern

from accounts import tokens
from doors.mounting import DOORS, opened, secrets_behind
from tests.doors.addresses import backend, calendar
from tests.support.people import Person
from todoproject.api import api
from todoproject.http.handler import ApiHandler
from todoproject.http.rate_limits import Limiter, Policy


def test_the_secret_is_found_in_the_path_of_an_open_door_only() -> None:
    every, todoist = secrets_behind(opened(list(DOORS))), secrets_behind(opened(["todoist"]))
    found = {
        "/calendar/abc.ics": "abc",
        "/todo-backend/abc": "abc",
        "/todo-backend/abc/0199": "abc",
        "/calendar/": None,
        "/todo-backend": None,
        "/todo-backend-x/abc": None,
        "/api/v1/tasks": None,
        "/v1/tasks": None,
    }
    assert {path: every(path) for path in found} == found
    assert {todoist(path) for path in found} == {None}


@pytest_asyncio.fixture
async def limited(app: object) -> AsyncIterator[httpx.AsyncClient]:
    """The doors in this process, with room for five requests of an account and ten of an address."""
    doors = opened(["calendar", "todo-backend"])
    patterns = [pattern for door in doors for pattern in door.patterns]
    assert all(isinstance(pattern, URLPattern) for pattern in patterns)
    known = {route: methods for door in doors for route, methods in door.parameters.items()}
    handler = ApiHandler(patterns, known, api.on_exception, secrets_behind(doors))
    handler._respond._limiter = Limiter(Policy("default", 5, 60), Policy("account", 5, 60), Policy("anonymous", 10, 60))
    transport = httpx.ASGITransport(app=handler)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def test_an_account_has_one_limit_for_all_of_its_addresses(alice: Person, limited: httpx.AsyncClient) -> None:
    paths = [await calendar(alice), await backend(alice)]
    answers = [await limited.get(paths[number % 2]) for number in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[0].headers["RateLimit-Policy"] == '"default";q=5;w=60'
    assert "Retry-After" in answers[-1].headers


async def test_guesses_count_for_who_makes_them(alice: Person, limited: httpx.AsyncClient) -> None:
    guesses = [await limited.get(f"/calendar/{tokens.generate()}.ics") for _ in range(12)]
    assert [answer.status_code for answer in guesses] == [404] * 10 + [429] * 2


async def test_one_that_has_ended_takes_nothing_from_its_owner(alice: Person, limited: httpx.AsyncClient) -> None:
    ended, alive = await calendar(alice), await backend(alice)
    assert (await limited.get(ended)).status_code == 200
    (made,) = (await alice.http.get("/v1/calendars")).json()["items"]
    await alice.http.delete(f"/v1/calendars/{made['id']}")
    assert [(await limited.get(ended)).status_code for _ in range(8)] == [404] * 8
    assert [(await limited.get(alive)).status_code for _ in range(2)] == [200, 200]
