"""An OpenAPI document of all that is behind the doors, for the fuzzer: made of what is mounted and of its schemas.

It promises nothing to anybody: what a door takes is the other system's matter, and this is what the server reads of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from doors.mcp.tools import TOOLS
from doors.todoist.commands import KINDS as COMMANDS
from doors.todoist.sync import SyncRequest
from tests.support.doors.operations import Operation, operations
from todoproject.http.field_types import ProblemDocument
from todoproject.http.problems import MEDIA_TYPE

Schema = dict[str, Any]
_REF = "#/components/schemas/{model}"
_JSON, _BEARER = "application/json", [{"bearer": []}]
_ID = {"type": "string", "format": "uuid"}
_WORD = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]+$"}
_TODOISTS = {
    "type": "object",
    "required": ["error", "error_code", "error_extra", "error_tag", "http_code"],
    "properties": {"error": {"type": "string"}, "http_code": {"type": "integer"}, "error_extra": {"type": "object"}},
    "additionalProperties": True,
}
_RPC = {
    "type": "object",
    "required": ["jsonrpc", "id", "error"],
    "properties": {"error": {"type": "object", "required": ["code", "message"]}},
}
# What each door answers where all is well, and where it is not: by which media types.
_GOOD = {
    "todoist": {200: [_JSON], 204: []},
    "mcp": {200: [_JSON], 202: []},
    "calendar": {200: ["text/calendar"], 304: []},
    "todo-backend": {200: [_JSON], 201: [_JSON], 204: []},
}
_BAD = {
    "todoist": (400, 401, 403, 404, 405, 409, 413, 415, 429, 503),
    "mcp": (400, 401, 403, 404, 405, 413, 415, 422, 429, 503),
    "calendar": (400, 404, 405, 413, 422, 429, 503),
    "todo-backend": (400, 403, 404, 405, 409, 413, 415, 422, 429, 503),
}


def document(secrets: Mapping[str, str]) -> Schema:
    """Return the document; `secrets` are those that stand in addresses, by the names of their doors."""
    components: Schema = {"Todoists": _TODOISTS, "RPC": _RPC}
    components["Problem"] = _schema(ProblemDocument, components)
    paths: Schema = {}
    for operation in operations():
        if not operation.part:
            details = _operation(operation, secrets, components)
            paths.setdefault(operation.path, {})[operation.method.lower()] = details
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Doors", "version": "1"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes},
    }


def _operation(operation: Operation, secrets: Mapping[str, str], components: Schema) -> Schema:
    details: Schema = {
        "operationId": operation.id,
        "tags": [operation.door],
        "parameters": [*_in_path(operation, secrets), *_in_query(operation, components)],
        "responses": _responses(operation.door),
        "security": [] if operation.has_secret else _BEARER,
    }
    if (body := _body(operation, components)) is not None:
        details["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    return details


def _in_path(operation: Operation, secrets: Mapping[str, str]) -> Iterator[Schema]:
    for name in operation.places:
        known = {"secret": {"enum": [secrets.get(operation.door)]}, "task_id": _ID}
        schema = known.get(name, {"type": "string", "minLength": 1})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(operation: Operation, components: Schema) -> Iterator[Schema]:
    model = operation.models.get("query")
    required = [] if model is None else _schema(model, components).get("required", [])
    for name, schema in operation.members("query").items():
        yield {"name": name, "in": "query", "required": name in required, "schema": _without_null(schema)}


def _without_null(schema: Schema) -> Schema:
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _body(operation: Operation, components: Schema) -> Schema | None:
    if operation.door == "mcp":
        return {"oneOf": [_tool(name, components) for name in TOOLS]}
    model = operation.models.get("body")
    if model is None:
        return None
    schema = _schema(model, components)
    if model is SyncRequest:
        commands = {"oneOf": [_command(name, components) for name in COMMANDS]}
        schema["properties"]["commands"] = {"type": "array", "maxItems": 5, "items": commands}
    return schema


def _command(name: str, components: Schema) -> Schema:
    members = {"type": {"const": name}, "uuid": _WORD, "args": _schema(COMMANDS[name].arguments, components)}
    return _object(members)


def _tool(name: str, components: Schema) -> Schema:
    params = _object({"name": {"const": name}, "arguments": _schema(TOOLS[name].takes, components)})
    return _object(
        {
            "jsonrpc": {"const": "2.0"},
            "id": {"type": "integer", "minimum": 0, "maximum": 2**31},
            "method": {"const": "tools/call"},
            "params": params,
        }
    )


def _object(members: Schema) -> Schema:
    return {"type": "object", "required": [*members], "properties": members, "additionalProperties": False}


def _schema(model: type[BaseModel], components: Schema) -> Schema:
    """Return the schema of a model, whose parts become components."""
    schema = model.model_json_schema(by_alias=True, ref_template=_REF)
    components.update(schema.pop("$defs", {}))
    return schema


def _responses(door: str) -> Schema:
    problem, words = {"$ref": _REF.format(model="Problem")}, {"todoist": "Todoists", "mcp": "RPC"}
    found: Schema = {}
    for status, media_types in _GOOD[door].items():
        found[str(status)] = {"description": "Done.", "content": {each: {"schema": {}} for each in media_types}}
    for status in (*_BAD[door], 431):
        # A head that cannot be read is told by the server itself, before anybody knows whose path it has.
        content = {MEDIA_TYPE: {"schema": problem}} if door != "todoist" or status in (400, 431) else {}
        if door in words:
            content[_JSON] = {"schema": {"$ref": _REF.format(model=words[door])}}
        found[str(status)] = {"description": "Refused.", "content": content}
    return found
