"""The OpenAPI document: complete, true to its own schemas, and kept as a promise in tests/openapi.json."""

import copy
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.support import contract
from tests.support.http.operations import Operation, document, operations
from todoproject.api import query_parameters
from todoproject.http.problems import CATALOGUE, MEDIA_TYPE
from todoproject.openapi.document import ADDRESS, UNKEYED

OPERATIONS = [pytest.param(operation, id=operation.id) for operation in operations()]


# --- Complete -------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_says_what_it_is_and_all_that_it_answers(operation: Operation) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation.id)
    assert operation.details["summary"]
    statuses = {*operation.responses}
    assert any(status < "300" for status in statuses)
    assert {"400", "408", "413", "422", "429", "431", "500", "503"} <= statuses
    assert ("401" in statuses) or not operation.needs_token
    assert ("404" in statuses) or "{" not in operation.path or operation.method == "PUT"
    assert ("415" in statuses) == ("requestBody" in operation.details)
    assert ("Idempotency-Key" in operation.parameters("header")) == (
        operation.needs_token and operation.method in ("POST", "PATCH") and operation.id not in UNKEYED
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_has_a_description_and_says_what_its_token_needs(operation: Operation) -> None:
    """`security: []` is what no token is called; the scopes are held to what the API asks for by test_matrix.py."""
    assert re.fullmatch(r"[A-Z`].*[.]", operation.details["description"], re.DOTALL)
    for scheme in operation.details["security"]:
        for scope in next(iter(scheme.values())):
            assert f"`{scope}`" in operation.details["description"]


def test_the_server_knows_the_query_parameters_of_the_document_and_no_others() -> None:
    """They are read without the document, which a start would have to wait for."""
    known = {(path, method): of for path, methods in query_parameters().items() for method, of in methods.items()}
    documented = {
        (operation.path, operation.method): {
            name: any(
                choice.get("type") == "array" for choice in parameter["schema"].get("anyOf", [parameter["schema"]])
            )
            for name, parameter in operation.parameters("query").items()
        }
        for operation in operations()
    }

    assert known == documented | {("/v1/openapi.json", "GET"): {}, ("/metrics", "GET"): {}}
    assert known["/v1/tasks", "GET"]["label"] is True
    assert known["/v1/tasks", "GET"]["limit"] is False


def test_answers_are_open_and_input_is_closed() -> None:
    schemas = document()["components"]["schemas"]

    for name in ("Task", "TaskPage", "Token", "User", "BatchResults", "ProblemDocument"):
        assert "additionalProperties" not in schemas[name]
    for name in ("TaskCreate", "TaskPatch", "Batch", "BatchCreate", "TokenCreate", "Login"):
        assert schemas[name]["additionalProperties"] is False


def test_words_of_answers_are_named_and_may_grow() -> None:
    schemas = document()["components"]["schemas"]

    known, other = schemas["ProblemDocument"]["properties"]["code"]["anyOf"]
    assert (set(known["enum"]), other) == (set(CATALOGUE), {"type": "string"})
    kind = schemas["Token"]["properties"]["kind"]
    words = schemas["Kind"] if "$ref" in str(kind) else kind["anyOf"][0]
    assert set(words["enum"]) == {"session", "personal", "todos", "events", "backend"}


def test_example_of_a_batch_is_one_that_somebody_would_send() -> None:
    (batch,) = [operation for operation in operations() if operation.id == "batch_tasks"]

    assert [operation["op"] for operation in batch.body["operations"]] == ["create", "update", "complete"]
    answer = batch.responses["200"]["content"]["application/json"]["example"]
    assert [result["status"] for result in answer["results"]] == [201, 200, 200]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_errors_are_problems_of_the_catalogue(operation: Operation) -> None:
    for status, response in operation.responses.items():
        if status >= "400":
            (media_type, content), *others = response["content"].items()
            assert (media_type, others) == (MEDIA_TYPE, [])
            assert content["examples"]
            assert {str(CATALOGUE[code].status) for code in content["examples"]} == {status}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_optional_headers_start_empty_in_the_reference(operation: Operation) -> None:
    """Swagger UI fills an example in: one key for each write, a version that is no more, both preconditions."""
    for header in operation.parameters("header").values():
        filled = [place for place in (header, header["schema"]) if {"example", "examples", "default"} & place.keys()]
        assert not filled, header["name"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_must_be_given_has_an_example_that_the_reference_fills_in(operation: Operation) -> None:
    for place in ("path", "query"):
        for name, parameter in operation.parameters(place).items():
            assert ("example" in parameter) == bool(parameter.get("required")), name
            if "example" in parameter:
                schema = {**parameter["schema"], "components": document()["components"]}
                jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(parameter["example"])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_examples_are_there_and_fit_their_schemas(operation: Operation) -> None:
    holders = [operation.details.get("requestBody", {}), *operation.responses.values()]
    for content in (content for holder in holders for content in holder.get("content", {}).values()):
        examples = [operation.resolve(example) for example in content.get("examples", {}).values()]
        values = [content["example"]] if "example" in content else [example["value"] for example in examples]
        schema = {**content["schema"], "components": document()["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        assert values, f"{operation.id} shows no example of {content['schema']}"
        for value in values:
            validator.validate(value)


def _references(node: Any) -> Iterator[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and "$ref" in node:
        yield node["$ref"]
    for child in children:
        yield from _references(child)


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    raw = contract.live()
    there = {f"#/components/{kind}/{name}" for kind, parts in raw["components"].items() for name in parts}
    used = {*_references(raw)} | {
        f"#/components/securitySchemes/{name}" for name in raw["components"]["securitySchemes"]
    }
    assert there == used


def test_schemas_are_json_schema() -> None:
    for name, schema in contract.live()["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}), name


def test_document_introduces_itself() -> None:
    raw = contract.live()
    assert raw["info"].keys() >= {"title", "version", "description", "license", "contact"}
    assert all(tag["description"] for tag in raw["tags"]), "describe the new tag in todoproject/openapi/document.py"
    assert all(scheme["description"] for scheme in raw["components"]["securitySchemes"].values())
    ids = [operation.id for operation in operations()]
    assert len(ids) == len({*ids})


async def test_served_document_is_this_one(client: httpx.AsyncClient) -> None:
    text = (await client.get("/v1/openapi.json")).text
    assert json.loads(text.replace("http://testserver", ADDRESS)) == contract.live()


@pytest.mark.parametrize("host", ["localhost:9123", "127.0.0.1"])
async def test_examples_ask_the_server_that_the_document_is_read_from(client: httpx.AsyncClient, host: str) -> None:
    description = (await client.get("/v1/openapi.json", headers={"Host": host})).json()["info"]["description"]
    assert f"SERVER=http://{host}\n" in description
    assert ADDRESS not in description


async def test_whoever_names_no_host_gets_the_document_all_the_same(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", "/v1/openapi.json")
    del request.headers["Host"]
    assert (await client.send(request)).json() == contract.live()


def test_no_patch_has_a_default_that_a_client_would_send() -> None:
    for operation in operations():
        if operation.method == "PATCH":
            for content in operation.details["requestBody"]["content"].values():
                members = operation.resolve(content["schema"])["properties"].values()
                assert not [member for member in members if "default" in member]


# --- The promise ----------------------------------------------------------------------------------


def test_copy_in_the_tree_is_kept_and_up_to_date() -> None:
    kept = contract.COPY.read_text("utf-8")
    assert contract.unannounced(json.loads(kept), contract.live()) == [], (
        "this breaks clients: see tests/support/contract.py"
    )
    assert kept == contract.text(contract.live()), (
        "the document has changed: `make openapi`, and commit tests/openapi.json"
    )


def _git(*arguments: str) -> str | None:
    finished = subprocess.run(["git", *arguments], cwd=contract.ROOT, capture_output=True, text=True, check=False)
    return finished.stdout.strip() if finished.returncode == 0 else None


def _on_main() -> str | None:
    """Return the copy as main had it before this change, as far as this clone knows."""
    main = next((found for name in ("origin/main", "main") if (found := _git("merge-base", name, "HEAD"))), None)
    if main and main == _git("rev-parse", "HEAD"):
        main = _git("rev-parse", "HEAD~1")  # on main itself: what its last commit, or its last merge, came upon
    return _git("show", f"{main}:tests/openapi.json") if main else None


def test_copy_breaks_nothing_that_main_has_promised() -> None:
    """The second net: whoever edits the copy by hand is caught here."""
    if before := _on_main():
        assert contract.unannounced(json.loads(before), json.loads(contract.COPY.read_text("utf-8"))) == []


def _operation(raw: dict[str, Any], id: str) -> dict[str, Any]:
    return next(o for path in raw["paths"].values() for o in path.values() if o["operationId"] == id)


def _schema(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda raw: raw["components"]["schemas"][name]


def _change(name: str, member: str, **words: Any) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw["components"]["schemas"][name]["properties"][member].update(words)


def _drop_path(raw: dict[str, Any]) -> None:
    del raw["paths"]["/v1/tasks/{task_id}"]


def _drop_status(raw: dict[str, Any]) -> None:
    del _operation(raw, "get_task")["responses"]["404"]


def _rename(raw: dict[str, Any]) -> None:
    _operation(raw, "get_task")["operationId"] = "read_task"


def _require_parameter(raw: dict[str, Any]) -> None:
    schema = {"type": "string"}
    _operation(raw, "list_tasks")["parameters"].append(
        {"in": "query", "name": "new", "required": True, "schema": schema}
    )


def _drop_parameter(raw: dict[str, Any]) -> None:
    parameters = _operation(raw, "list_tasks")["parameters"]
    parameters[:] = [parameter for parameter in parameters if parameter.get("name") != "cursor"]


def _drop_header(raw: dict[str, Any]) -> None:
    del _operation(raw, "get_task")["responses"]["200"]["headers"]["ETag"]


def _drop_media_type(raw: dict[str, Any]) -> None:
    del _operation(raw, "patch_task")["requestBody"]["content"]["application/merge-patch+json"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_drop_path, "get_task: removed"),
        (_drop_status, "get_task: 404 removed"),
        (_rename, "get_task: renamed to read_task"),
        (_require_parameter, "list_tasks: parameter new is required"),
        (_drop_parameter, "list_tasks: parameter cursor removed"),
        (_drop_header, "get_task: 200 header ETag removed"),
        (_drop_media_type, "patch_task: bodies of application/merge-patch+json refused"),
        (lambda raw: _schema("Task")(raw)["properties"].pop("due_on"), "get_task: 200: due_on removed"),
        (
            lambda raw: _schema("Task")(raw)["required"].remove("due_on"),
            "list_tasks: 200.items[]: due_on may be missing",
        ),
        (lambda raw: _schema("TaskCreate")(raw)["properties"].pop("due_on"), "create_task: body: due_on removed"),
        (lambda raw: _schema("TaskCreate")(raw)["required"].append("due_on"), "create_task: body: due_on required"),
        (_change("TaskCreate", "title", maxLength=200), "create_task: body.title: maxLength changed"),
        (_change("TaskCreate", "title", minLength=2), "create_task: body.title: minLength changed"),
        (_change("TaskCreate", "title", pattern="^x"), "create_task: body.title: pattern changed"),
        (_change("TaskCreate", "due_on", type="string"), "create_task: body.due_on: type changed"),
        (_change("Task", "version", type=["integer", "null"]), "get_task: 200.version: type changed"),
        (_change("Task", "version", type="string"), "get_task: 200.version: type changed"),
        (_change("Task", "id", format="ulid"), "get_task: 200.id: format changed"),
        (lambda raw: _schema("Priority")(raw)["enum"].remove("low"), "create_task: body.priority: enum changed"),
        (lambda raw: _schema("Priority")(raw)["enum"].append("odd"), "get_task: 200.priority: enum changed"),
    ],
)
def test_breaking_change_is_found(change: Callable[[dict[str, Any]], None], found: str) -> None:
    old = contract.live()
    new = copy.deepcopy(old)
    change(new)

    # What a task and the copy in it share is told once, of either.
    assert found in [told.replace(".completed.", ".") for told in contract.breaking(old, new)]


def _add(raw: dict[str, Any]) -> None:
    """Do all that is allowed at once."""
    raw["paths"]["/v1/new"] = raw["paths"]["/v1/me"]
    _operation(raw, "get_task")["responses"]["451"] = _operation(raw, "get_task")["responses"]["404"]
    _operation(raw, "list_tasks")["parameters"].append({"in": "query", "name": "new", "schema": {"type": "string"}})
    _schema("Task")(raw)["properties"]["new"] = {"type": "string"}
    _schema("Task")(raw)["required"].append("new")
    _schema("TaskCreate")(raw)["properties"]["new"] = {"type": "string"}
    _change("TaskCreate", "title", maxLength=500)(raw)
    _change("TaskCreate", "title", type=["string", "null"])(raw)


def test_addition_is_no_break() -> None:
    old = contract.live()
    new = copy.deepcopy(old)
    _add(new)

    assert contract.breaking(old, new) == []


def test_break_has_to_be_announced_by_name() -> None:
    changelog = (
        "## [Unreleased]\n\n- **Breaking**: `get_task` is gone.\n- `logout`\n\n## [0.1]\n- **Breaking**: `login`\n"
    )

    assert contract.announced(changelog) == {"get_task"}


def test_refresh_refuses_what_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    promised = contract.live()
    monkeypatch.setattr(contract, "COPY", tmp_path / "openapi.json")
    assert contract.main() == 0
    _schema("Task")(promised)["properties"]["lost"] = {"type": "string"}
    (tmp_path / "openapi.json").write_text(json.dumps(promised))

    assert contract.main() == 1
    assert json.loads((tmp_path / "openapi.json").read_text()) == promised
    assert os.listdir(tmp_path) == ["openapi.json"]
