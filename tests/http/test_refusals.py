"""What a refusal says: in our words, with what may have been meant, and never more than once what was sent."""

import inspect
import re
import uuid
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest
from ninja.errors import ValidationErrorContext
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from tests.http.test_errors import assert_problem
from tests.support.people import Person
from todoproject.api import api
from todoproject.http import hints, validation

# --- In our words ---------------------------------------------------------------------------------

HOSTILE: list[Any] = [None, True, 0, -1, 1.5, 10**30, float("nan"), "", "x", "\x00", "\ud800", "x" * 20_000, [], {}]
HOSTILE += [["x"], [1], [[]], {"x": 1}, [{"op": "x"}], [{"op": "create", "data": 7}], "tasks:*", ["tasks:*"]]


def inputs() -> Iterator[type[BaseModel]]:
    """Yield every model of a body, a query or a path that an operation reads."""
    for _, router in api._routers:
        for view in router.path_operations.values():
            for operation in view.operations:
                yield from operation.models


def details(model: type[BaseModel], data: dict[str, Any]) -> list[str]:
    try:
        model.model_validate(data)
    except ValidationError as failure:
        found = validation.from_pydantic([ValidationErrorContext(model=model, pydantic_validation_error=failure)])
        return [error["detail"] for error in found.errors]
    return []


def substituted(model: type[BaseModel], value: Any) -> Iterator[dict[str, Any]]:
    """Yield the value in every place of the input, by itself."""
    for name, field in model.model_fields.items():
        yield {name: value}
        inner = field.annotation
        if inspect.isclass(inner) and issubclass(inner, BaseModel):
            yield from ({name: {member: value}} for member in inner.model_fields)
            yield {name: {"unheard_of": value}}


PYDANTIC = re.compile(
    r"[Ii]nput should|[Vv]alue error|Field required|Extra inputs|found `|[Uu]nable to|instance of|valid UUID|\{"
)


@pytest.mark.django_db
def test_no_refusal_speaks_of_python() -> None:
    told = {
        detail
        for model in inputs()
        for value in HOSTILE
        for data in substituted(model, value)
        for detail in details(model, data)
    }

    assert len(told) > 20
    assert [detail for detail in told if PYDANTIC.search(detail)] == []
    assert all(re.match(r"[A-Z].*[.?]$", detail) for detail in told), told


def test_every_error_that_pydantic_knows_has_a_sentence_of_ours() -> None:
    for code in set(get_args(ErrorType)) - {"value_error", "assertion_error"}:  # nothing of ours raises one
        context = dict.fromkeys(re.findall(r"\{(\w+)\}", validation._SENTENCES.get(code, "")), "7")
        _, detail = validation._told({"type": code, "ctx": context, "msg": "pydantic's", "loc": ("x",)}, ())
        assert "pydantic" not in detail
        assert "{" not in detail


async def test_scope_that_there_is_not_is_told_by_those_there_are(alice: Person) -> None:
    answer = await alice.http.post("/v1/tokens", json={"name": "x", "scopes": ["tasks:*"]})

    problem = assert_problem(answer, 422)
    assert problem["errors"][0]["pointer"] == "#/scopes/0"
    assert "'tasks:read'" in problem["errors"][0]["detail"]


# --- What may have been meant ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("due_date", "due_on"),
        ("deadline", "due_on"),
        ("due_datetime", "due_at"),
        ("content", "title"),
        ("notes", "description"),
        ("done", "is_completed"),
        ("status", "is_completed"),
        ("prio", "priority"),
        ("titel", "title"),
        ("Title", "title"),
        ("descripton", "description"),
        ("colour", None),
        ("completed_by", None),
    ],
)
async def test_unknown_member_is_told_by_its_meaning(alice: Person, name: str, meant: str | None) -> None:
    problem = assert_problem(await alice.http.post("/v1/tasks", json={"title": "x", name: "y"}), 422)

    told = [error for error in problem["errors"] if error["pointer"] == f"#/{name}"]
    assert [error["detail"] for error in told] == [
        f"Unknown member; did you mean {meant}?" if meant else "Unknown member."
    ]


async def test_member_that_only_the_server_writes_is_told_so(alice: Person) -> None:
    problem = assert_problem(await alice.http.post("/v1/tasks", json={"title": "x", "created_at": "now"}), 422)

    assert problem["detail"] == "Unknown member: only the server writes created_at."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("search", "q"),
        ("per_page", "limit"),
        ("order_by", "sort"),
        ("page", "cursor"),
        ("completed_since", "completed_after"),
        ("due_until", "due_before"),
        ("completed", "is_completed"),
        ("limt", "limit"),
        ("assignee", None),
    ],
)
async def test_unknown_parameter_is_told_by_its_meaning(alice: Person, name: str, meant: str | None) -> None:
    problem = assert_problem(await alice.http.get("/v1/tasks", params={name: "1"}), 422)

    assert problem["detail"] == (f"Unknown parameter; did you mean {meant}?" if meant else "Unknown parameter.")


def test_every_meaning_leads_to_something_that_there_is() -> None:
    names = {name for model in inputs() for name in _all_names(model)}

    assert {meant for meanings in hints._MEANINGS.values() for meant in meanings} <= names


def _all_names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for inner in validation._models(field.annotation):
            yield from _all_names(inner)


# --- A body that nobody wants ---------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/tasks/{id}/reopen", "/v1/tasks/{id}/restore", "/v1/auth/logout"])
async def test_body_of_an_operation_that_takes_none_is_refused(alice: Person, path: str) -> None:
    task = await alice.task()
    path = path.format(id=task["id"])

    problem = assert_problem(await alice.http.post(path, json={"nonsense": 1, "more": 2}), 422)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("#/nonsense", "unknown"),
        ("#/more", "unknown"),
    ]
    for body in (b"[]", b"null", b'"x"', b"7"):
        refused = await alice.http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert assert_problem(refused, 422)["errors"][0]["pointer"] == "#"
    assert_problem(await alice.http.post(path, content=b"{", headers={"Content-Type": "application/json"}), 400)
    assert_problem(await alice.http.post(path, content=b"x", headers={"Content-Type": "text/plain"}), 422)
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task

    assert (await alice.http.post(path, json={})).status_code in (200, 204)  # what many clients always send


async def test_body_is_refused_with_any_method(alice: Person) -> None:
    task = await alice.task()
    rotated = f"/v1/tokens/{uuid.uuid4()}/rotate"

    for method, path in (("GET", "/v1/tasks"), ("DELETE", f"/v1/tasks/{task['id']}"), ("POST", rotated)):
        assert_problem(await alice.http.request(method, path, json={"nonsense": 1}), 422)
    assert (await alice.http.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_stranger_learns_nothing_about_the_body(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post(f"/v1/tasks/{uuid.uuid4()}/complete", json={"nonsense": 1}), 401)


# --- A path that there is not ---------------------------------------------------------------------

NOBODYS = "5f6463f4-7cbb-46f7-ae16-9cdce36b8e9a"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/v1/tasks/", "/v1/tasks"),
        ("/v1/task", "/v1/tasks"),
        ("/v1/Tasks", "/v1/tasks"),
        (f"/v1/task/{NOBODYS}", "/v1/tasks/{task_id}"),
        (f"/v1/tasks/{NOBODYS}/", "/v1/tasks/{task_id}"),
        (f"/v1/tasks/{NOBODYS}/close", "/v1/tasks/{task_id}/complete"),
        (f"/v1/tasks/{NOBODYS}/compleet", "/v1/tasks/{task_id}/complete"),
        (f"/v1/tasks/{NOBODYS}/archive", None),
        (f"/v1/projects/{NOBODYS}", "/v1/lists/{list_id}"),
        ("/v1/todos", "/v1/tasks"),
        ("/v1/me/stats", "/v1/me/statistics"),
        ("/v1/auth/signin", "/v1/auth/login"),
        ("/v1/auth/log-in", "/v1/auth/login"),
        ("/v1/nothing", None),
        ("/v1", None),
    ],
)
async def test_path_that_there_is_not_is_told_by_the_nearest(
    client: httpx.AsyncClient, path: str, nearest: str | None
) -> None:
    problem = assert_problem(await client.get(path), 404)

    assert (problem["code"], problem.get("nearest")) == ("no-such-path", nearest)
    assert problem["detail"] == (
        f"There is no such path; did you mean {nearest}?" if nearest else "There is no such path."
    )


async def test_task_that_there_is_not_is_answered_as_before(alice: Person) -> None:
    for name in (str(uuid.uuid4()), "7", "<script>", "%0d%0aX: y"):
        problem = assert_problem(await alice.http.get(f"/v1/tasks/{name}"), 404)
        assert (problem["code"], problem["detail"]) == (
            "not-found",
            "There is nothing here, or it is not yours to see.",
        )
        assert re.fullmatch(r"[!-;=?-~]*", problem["instance"])  # a URI reference: nothing of it is left raw
        assert "<" not in problem["instance"]
