"""What a request leaves to the garbage collector: not itself, so that its memory is free as soon as it is answered.

But for a 422: Ninja's frame holds the error that it raises, and that the frame.
"""

import gc
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.people import Person
from todoproject.http.request import ApiRequest

NOWHERE = f"/v1/tasks/{uuid.uuid4()}"
BATCH = {"operations": [{"op": "create", "data": {"title": "New"}}, {"op": "delete", "id": str(uuid.uuid4())}]}

Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


def asking(method: str, path: str, **options: Any) -> Ask:
    return lambda http: http.request(method, path, **options)


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (asking("GET", "/v1/tasks"), 200),
        (asking("GET", "/v1/me"), 200),
        (asking("POST", "/v1/tasks", json={"title": "New"}), 201),
        (asking("POST", "/v1/tasks/batch?atomic=false", json=BATCH), 207),
        (asking("POST", "/v1/tasks/batch", json=BATCH), 404),
        (asking("POST", "/v1/tasks", content=b"{"), 415),
        (asking("GET", NOWHERE), 404),
        (asking("DELETE", NOWHERE, headers={"If-Match": '"1"'}), 404),
        (asking("GET", "/v1/tasks", headers={"Authorization": "Bearer nonsense"}), 401),
        (asking("GET", "/v1/nowhere"), 404),
        (asking("GET", "/health/live"), 200),
    ],
)
async def test_a_request_is_gone_when_it_is_answered(alice: Person, ask: Ask, status: int) -> None:
    for _ in range(2):  # what is done but once may leave what it likes
        assert (await ask(alice.http)).status_code == status
    gc.collect()
    gc.disable()
    try:
        await ask(alice.http)
        left = [thing for thing in gc.get_objects() if type(thing) is ApiRequest]
    finally:
        gc.enable()

    assert left == []
