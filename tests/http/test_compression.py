"""Compressed answers: fewer bytes for who takes them, and entity tags that stay right."""

import gzip
import json

import httpx
import pytest
from django.test import Client

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from todoproject.http import compression

LONG = "A long story. " * 200


async def raw(person: Person, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Return an answer and its bytes as they travel."""
    async with person.http.stream("GET", path, headers={"Accept-Encoding": "gzip", **headers}) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("accepted", "is_wanted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip ; q=1.000", True),
        ("*", True),
        ("x-gzip", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("gzipped", False),
        ("gzip;q=nonsense", False),
    ],
)
def test_gzip_is_for_those_who_take_it(accepted: str, is_wanted: bool) -> None:
    assert compression.is_wanted({b"accept-encoding": accepted.encode()}) == is_wanted


async def test_large_answers_are_compressed_and_small_ones_are_not(alice: Person) -> None:
    small = await alice.task("small")
    large = await alice.task("large", description=LONG)

    answer, body = await raw(alice, f"/v1/tasks/{large['id']}")
    assert (answer.headers["Content-Encoding"], int(answer.headers["Content-Length"])) == ("gzip", len(body))
    assert json.loads(gzip.decompress(body)) == large
    assert "Accept-Encoding" in answer.headers["Vary"].split(", ")
    answer, body = await raw(alice, f"/v1/tasks/{large['id']}", **{"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
    assert json.loads(body) == large
    answer, body = await raw(alice, f"/v1/tasks/{small['id']}")
    assert "Content-Encoding" not in answer.headers
    assert json.loads(body) == small


async def test_list_and_document_are_compressed(alice: Person) -> None:
    for number in range(10):
        await alice.task(f"Task {number}")

    for path in ("/v1/tasks", "/v1/openapi.json"):
        answer, body = await raw(alice, path)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(gzip.decompress(body)) > 3 * len(body)


async def test_tag_of_what_is_compressed_is_strong_and_its_own(alice: Person) -> None:
    task = await alice.task("large", description=LONG)
    path = f"/v1/tasks/{task['id']}"
    compressed, _ = await raw(alice, path)
    plain, _ = await raw(alice, path, **{"Accept-Encoding": "identity"})

    assert (compressed.headers["ETag"], plain.headers["ETag"]) == ('"1-gzip"', '"1"')
    for tag in ('"1-gzip"', '"1"', 'W/"1-gzip"'):
        answer, _ = await raw(alice, path, **{"If-None-Match": tag})
        assert (answer.status_code, answer.headers["ETag"]) == (304, tag.removeprefix("W/"))
    changed = await alice.http.patch(path, json={"title": "second"}, headers={"If-Match": '"1-gzip"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2-gzip"')
    assert (await alice.http.patch(path, json={"title": "third"}, headers={"If-Match": '"2"'})).status_code == 200
    for stale in ('"2-gzip"', 'W/"3-gzip"', '"3-br"'):
        problem = assert_problem(await alice.http.patch(path, json={"title": "x"}, headers={"If-Match": stale}), 412)
        assert problem["task"]["version"] == 3
    operation = {"op": "update", "id": task["id"], "if_match": '"3-gzip"', "data": {"title": "fourth"}}
    assert (await alice.http.post("/v1/tasks/batch", json={"operations": [operation]})).status_code == 200


async def test_head_tells_of_the_same_representation(alice: Person) -> None:
    task = await alice.task("large", description=LONG)
    got, _ = await raw(alice, f"/v1/tasks/{task['id']}")

    head = await alice.http.head(f"/v1/tasks/{task['id']}", headers={"Accept-Encoding": "gzip"})

    for name in ("Content-Encoding", "Content-Length", "ETag", "Vary"):
        assert head.headers[name] == got.headers[name]


async def test_very_large_answer_is_compressed_off_the_loop() -> None:
    body = json.dumps(list(range(200_000))).encode()

    assert gzip.decompress(await compression.compress(body)) == body


def test_pages_are_compressed_and_exports_go_as_they_are(staff: Client) -> None:
    page = staff.get("/docs/guide", headers={"Accept-Encoding": "gzip"})
    export = staff.get("/admin/tasks/task/export/?format=csv", headers={"Accept-Encoding": "gzip"})

    assert page.headers["Content-Encoding"] == "gzip"
    assert b"Guide to the Todo API" in gzip.decompress(page.content)
    assert "Content-Encoding" not in export.headers
    assert "Content-Encoding" not in staff.get("/docs/guide").headers
