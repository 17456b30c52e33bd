"""Examples for the OpenAPI document, made from its schemas and from what each noun of the domain looks like.

The same noun means the same thing everywhere, so one example for it serves every operation, those to come included.
A schema's own `examples` come first.
"""

from typing import Any

ID = "01991f3e-7c00-7000-8000-0000000000a1"
_PAST = "2026-11-22T08:00:00.000000Z"
_NOUNS: dict[str, Any] = {
    "id": ID,
    "title": "Buy milk",
    "description": "Two bottles, the blue ones",
    "priority": "high",
    "due_on": "2026-12-24",
    "labels": ["errand"],
    "name": "backup script",
    "kind": "personal",
    "scopes": ["tasks:read"],
    "email": "alice@example.com",
    "timezone": "Europe/Berlin",
    "token": "todo_" + "x" * 46,
    "expires_at": "2099-12-31T00:00:00.000000Z",
    "created_at": _PAST,
    "updated_at": _PAST,
    "last_used_at": _PAST,
    "version": 1,
    "latency_ms": 0.42,
    "connected": True,
}
# In a path or a query, where the same words mean other things than in a body.
_PARAMETERS: dict[str, Any] = {"name": "errand", "external_id": "crm-4711"}
_BY_FORMAT = {"uuid": ID, "date-time": _PAST, "date": "2026-12-24", "email": "alice@example.com"}
_BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": False, "null": None, "object": {}}

Schema = dict[str, Any]


def resolve(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    """Return what a schema refers to, with what stands beside the reference."""
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        schema = schemas[name] | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def answer(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """Return an example of what the API gives: with all members that are always there."""
    return _value(schema, schemas, "", is_patch=False)


def request(schema: Schema, schemas: dict[str, Schema], *, is_patch: bool) -> Any:
    """Return an example of what the API takes; of a patch, only what has an example of its own."""
    return _value(schema, schemas, "", is_patch=is_patch)


def parameter(name: str, schema: Schema, schemas: dict[str, Schema]) -> Any:
    """Return an example of a parameter that has to be given."""
    return _PARAMETERS.get(name) or _value(schema, schemas, name, is_patch=False)


def _value(schema: Schema, schemas: dict[str, Schema], noun: str, *, is_patch: bool) -> Any:
    schema = resolve(schema, schemas)
    if "example" in schema:
        return schema["example"]
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if noun in _NOUNS and _fits(_NOUNS[noun], schema, schemas):
        return _NOUNS[noun]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return _object(schema, schemas, is_patch=is_patch)
    return _other(schema, schemas)


def _fits(example: Any, schema: Schema, schemas: dict[str, Schema]) -> bool:
    """Whether an example of a noun is one of this schema, too: the noun may mean something else here."""
    schema = resolve(schema, schemas)
    if "enum" in schema or "const" in schema:
        return example in schema.get("enum", [schema.get("const")])
    if "anyOf" in schema:
        return any(_fits(example, choice, schemas) for choice in schema["anyOf"])
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    types = schema.get("type", [])
    return names[type(example)] in ([types] if isinstance(types, str) else types)


def _object(schema: Schema, schemas: dict[str, Schema], *, is_patch: bool) -> dict[str, Any]:
    properties, required = schema["properties"], schema.get("required", [])
    own = {name for name in properties if "examples" in properties[name]}
    shown = (
        own if is_patch and own else {name for name in properties if name in required or name in own | _NOUNS.keys()}
    )
    if not required and not shown:
        shown = set(properties)
    return {name: _value(part, schemas, name, is_patch=False) for name, part in properties.items() if name in shown}


def _other(schema: Schema, schemas: dict[str, Schema]) -> Any:
    for word in ("oneOf", "anyOf"):
        if word in schema:
            choices = schema[word]
            is_nullable = {"type": "null"} in choices
            return None if is_nullable else _value(choices[0], schemas, "", is_patch=False)
    types = schema.get("type", "object")
    if not isinstance(types, str):
        return None if "null" in types else _BY_TYPE[types[0]]
    if types == "array":
        return [_value(schema["items"], schemas, "", is_patch=False)]
    if types == "integer":
        return schema.get("minimum", 1)
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE[types])
