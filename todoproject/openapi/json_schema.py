"""Pydantic's schemas, put in the words of JSON Schema that generators of clients understand best."""

import copy
import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_NULL = {"type": "null"}


def schemas(document: dict[str, Any]) -> None:
    """Tidy every schema of an OpenAPI document in place."""
    components = document["components"]["schemas"]
    for schema in [*_of_operations(document), *components.values()]:
        for part in _parts(schema):
            _tidy(part)
    _name_enumerations(document)
    for path in document["paths"].values():
        for operation in path.values():
            _tidy_parameters(operation)
        if "requestBody" in path.get("patch", {}):
            _drop_defaults(path["patch"]["requestBody"], components)


def open_answers(document: dict[str, Any]) -> None:
    """Allow members that nobody knows yet in what only answers hold; in what is sent each is refused."""
    sent = [operation.get("requestBody") for path in document["paths"].values() for operation in path.values()]
    closed = _reachable(sent, document["components"]["schemas"])
    for name, schema in document["components"]["schemas"].items():
        for part in _parts(schema) if name not in closed else ():
            if part.get("additionalProperties") is False:
                del part["additionalProperties"]


def _reachable(node: Any, schemas: dict[str, Schema]) -> set[str]:
    """Return the names of the schemas that a part of the document leads to."""
    found: set[str] = set()
    waiting = _references(node)
    while waiting:
        name = waiting.pop().rsplit("/", 1)[-1]
        if name not in found:
            found.add(name)
            waiting |= _references(schemas[name])
    return found


def drop_unused(document: dict[str, Any]) -> None:
    """Drop the components that no operation leads to."""
    used: set[str] = set()
    waiting = _references(document["paths"])
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            kind, key = name.split("/")[2:]
            waiting |= _references(document["components"][kind][key])
    for kind, parts in document["components"].items():
        if kind != "securitySchemes":
            document["components"][kind] = {key: parts[key] for key in parts if f"#/components/{kind}/{key}" in used}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for child in node for name in _references(child)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own | {name for child in node.values() for name in _references(child)}


def _of_operations(document: dict[str, Any]) -> Iterator[Schema]:
    for path in document["paths"].values():
        for operation in path.values():
            yield from (parameter["schema"] for parameter in operation["parameters"])
            for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from (content["schema"] for content in holder.get("content", {}).values())


def _parts(schema: Schema) -> Iterator[Schema]:
    """Yield a schema and all schemas inside it."""
    yield schema
    children = [*schema.get("properties", {}).values()]
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        children += schema.get(word, [])
    children += [
        schema[word] for word in ("items", "not", "additionalProperties") if isinstance(schema.get(word), dict)
    ]
    for child in children:
        yield from _parts(child)


def _tidy(schema: Schema) -> None:
    if "properties" in schema:
        # A rule about several members; generators take it for a choice of types, and lose the members.
        schema.pop("anyOf", None)
    else:
        schema.pop("title", None)  # "Due On" tells nobody more than `due_on`
    if "default" in schema and schema["default"] is None:
        del schema["default"]  # absent and null are the same then
    if isinstance(schema.get("default"), dict):
        del schema["default"]  # of an object: generators cannot read it
    _tell_range(schema)
    choices = schema.get("anyOf", [])
    if _NULL in choices and len(choices) == 2:
        _merge_null(schema, next(choice for choice in choices if choice != _NULL))


def _tidy_parameters(operation: dict[str, Any]) -> None:
    for parameter in operation["parameters"]:
        parameter.pop("examples", None)  # Ninja's is a list, as in a schema; a parameter's is an object
        # A copy: the same schema may be a member's of a body, where null can be said.
        schema = parameter["schema"] = copy.deepcopy(parameter["schema"])
        # What Python calls None is a parameter that is not there: no URL can say null.
        if _NULL in schema.get("anyOf", []):
            schema["anyOf"].remove(_NULL)
            if len(schema["anyOf"]) == 1:
                schema |= schema.pop("anyOf")[0]
        elif "null" in schema.get("type", []):
            schema["type"] = schema["type"][0]


def _tell_range(schema: Schema) -> None:
    """Put the range of a time into words: JSON Schema has none for it, and pydantic makes some up."""
    first, last = schema.pop("ge", None), schema.pop("le", None)
    if first or last:
        sentence = f"From {first} to {last}." if first and last else f"{first} or later." if first else f"Up to {last}."
        schema["description"] = " ".join(filter(None, [schema.get("description"), sentence]))


def _merge_null(schema: Schema, other: Schema) -> None:
    """Turn `anyOf: [string, null]` into `type: [string, null]`, so that a `format` beside it belongs to the string."""
    if isinstance(other.get("type"), str) and not {"enum", "const", "properties"} & other.keys():
        del schema["anyOf"]
        _tell_range(other)
        schema |= {**other, **schema, "type": [other["type"], "null"]}


def _name_enumerations(document: dict[str, Any]) -> None:
    """Make one component of an enumeration that several schemas have under one name: one type in a client, not four."""
    components = document["components"]["schemas"]
    places: dict[str, list[Schema]] = {}
    for schema in [*components.values()]:
        for part in _parts(schema):
            for name, member in part.get("properties", {}).items():
                places.setdefault(name, []).append(member)
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                places.setdefault(parameter["name"], []).append(parameter["schema"])
    for name, members in places.items():
        # By identity: Ninja's parameters are the very members of a schema that goes unused.
        found = {id(part): part for member in members for part in _parts(member) if {"enum", "type"} <= part.keys()}
        _name_enumeration(name, [*found.values()], components)


def _name_enumeration(name: str, found: list[Schema], components: dict[str, Schema]) -> None:
    component = re.sub(r"(?:^|_)(\w)", lambda match: match[1].upper(), name)
    same = len(found) > 1 and all(part["enum"] == found[0]["enum"] for part in found)
    if same and component not in components:
        components[component] = {"type": found[0]["type"], "enum": found[0]["enum"]}
        for part in found:
            del part["type"], part["enum"]
            part["$ref"] = f"#/components/schemas/{component}"


def _drop_defaults(body: dict[str, Any], components: dict[str, Schema]) -> None:
    """A member that a patch leaves out is unchanged: a client must not fill in a default."""
    for name in _references(body):
        for member in components[name.rsplit("/", 1)[-1]].get("properties", {}).values():
            member.pop("default", None)
