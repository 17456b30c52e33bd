"""Everything that can be asked behind the doors, as it is mounted: tests that loop over these cover new ones unasked.

An operation is a method of a path. A command of Todoist's sync counts as one, and so do a method and a tool of MCP.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from doors.mcp.tools import TOOLS
from doors.mounting import DOORS
from doors.todobackend.routes import OPERATIONS as OF_TODOBACKEND
from doors.todoist.commands import KINDS as COMMANDS
from doors.todoist.documents import label_id, label_name
from doors.todoist.routes import OPERATIONS as OF_TODOIST
from doors.todoist.routes import ROOT as TODOIST
from tests.doors.addresses import backend, calendar
from tests.support.doors.examples import EXAMPLES, METHODS, Example
from tests.support.people import Person
from tests.support.things import KINDS
from todoproject.http.routing import template

_PLACE = re.compile(r"\{(\w+)\}")
_SYNC, _MCP, _TOOL = f"/{TODOIST}/sync", "/mcp", "tools/call "
# What an example names, as the kind of thing that it is. Other names in paths are of what nobody has here.
_KINDS = {
    **dict.fromkeys(("task_id", "other_id"), "task_id"),
    **dict.fromkeys(("list_id", "project_id"), "list_id"),
    **dict.fromkeys(("label", "label_id"), "name"),
    "change_no": "change_no",
}
# What there is none of.
_OF_NOBODY = {"section_id": "1", "id": "1"}


@dataclass(frozen=True)
class Operation:
    """One of them. `part` is the command, the method or the tool, of those that share a path."""

    door: str
    method: str
    path: str
    part: str = ""

    @property
    def id(self) -> str:
        return f"{self.method} {self.path} {self.part}".rstrip()

    @property
    def examples(self) -> tuple[Example, ...]:
        return EXAMPLES.get(self.id, ())  # that none is missing, a test of its own says

    @property
    def has_secret(self) -> bool:
        """Tell whether its address says who asks."""
        return "{secret}" in self.path

    @property
    def is_refused(self) -> bool:
        """Tell whether Todoist has it and this server has nothing that would do for it."""
        theirs = _of_todoist().get((self.method, self.path))
        return self.path.endswith("sections/{section_id}") or (theirs is not None and theirs.refuses)

    @property
    def models(self) -> dict[str, type[BaseModel]]:
        """Return what it reads, by where that stands: `query`, `body`; of a part its arguments are the body."""
        if self.path == _SYNC and self.part:
            return {"body": COMMANDS[self.part].arguments}
        if self.part.startswith(_TOOL):
            return {"body": TOOLS[self.part.removeprefix(_TOOL)].takes}
        if (theirs := _of_todoist().get((self.method, self.path))) is not None:
            return {place: model for place in ("query", "body") if (model := getattr(theirs, place)) is not None}
        body = _of_todobackend().get((self.method, self.path))
        return {} if body is None else {"body": body}

    @property
    def places(self) -> list[str]:
        """Return the names in its path."""
        return _PLACE.findall(self.path)

    def members(self, place: str) -> dict[str, Any]:
        """Return the schemas of the members that mean something there; others are refused whatever they are."""
        model = self.models.get(place)
        properties = {} if model is None else model.model_json_schema(by_alias=True)["properties"]
        return {name: schema for name, schema in properties.items() if schema.get("type") != "null"}

    def message(self, body: Any) -> Any:
        """Return what is sent: a command and a tool stand in a message."""
        if self.path == _SYNC and self.part:
            return {"commands": [{"type": self.part, "uuid": str(uuid.uuid4()), "args": body}]}
        if self.path == _MCP and self.part:
            asked = {"name": self.part.removeprefix(_TOOL), "arguments": body}
            method, params = ("tools/call", asked) if self.part.startswith(_TOOL) else (self.part, body)
            return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return body

    def names(self, example: Example) -> set[str]:
        """Return the names of the things that stand in its path and in an example."""
        return {*_PLACE.findall(f"{self.path} {example.query} {example.body}")} & _KINDS.keys()

    def url(self, ids: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda match: (_OF_NOBODY | {**ids})[match[1]], self.path)


def _of_todoist() -> Mapping[tuple[str, str], Any]:
    return {
        (method, template(f"{TODOIST}/{route}")): operation
        for route, operations in OF_TODOIST.items()
        for method, operation in operations.items()
    }


def _of_todobackend() -> Mapping[tuple[str, str], type[BaseModel] | None]:
    return {
        (method, template(route)): operation.body
        for route, operations in OF_TODOBACKEND.items()
        for method, operation in operations.items()
    }


def operations() -> list[Operation]:
    """Return all operations of all doors, in the order in which they are mounted."""
    return [operation for name in DOORS for operation in _behind(name)]


def _behind(name: str) -> Iterator[Operation]:
    for path, methods in DOORS[name].parameters.items():
        for method in methods:
            yield Operation(name, method, path)
            parts = {_SYNC: [*COMMANDS], _MCP: [*METHODS, *(_TOOL + tool for tool in TOOLS)]}.get(path, [])
            yield from (Operation(name, method, path, part) for part in parts)


def each(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.id) for operation in operations])


# --- Asking ---------------------------------------------------------------------------------------


async def things(person: Person, names: set[str]) -> dict[str, str]:
    """Make things of somebody; return what is to stand for each name."""
    return {name: _spelt(name, await KINDS[_KINDS[name]].make(person)) for name in sorted(names)}


def nobodys(ids: Mapping[str, str]) -> dict[str, str]:
    """Return what is of the same form, and stands for nothing."""
    raw = {name: str(label_name(identity)) if name == "label_id" else identity for name, identity in ids.items()}
    return {name: _spelt(name, f"{identity[:-4]}0000") for name, identity in raw.items()}


def _spelt(name: str, identity: str) -> str:
    return label_id(identity) if name == "label_id" else identity


async def address(person: Person, operation: Operation, *scopes: str) -> dict[str, str]:
    """Return the secret that stands in an operation's path and says that this person asks, where it holds one."""
    if operation.door == "calendar":
        return {"secret": (await calendar(person)).rsplit("/", 1)[1].removesuffix(".ics")}
    return {"secret": (await backend(person, *scopes)).rsplit("/", 1)[1]} if operation.has_secret else {}


async def send(
    http: httpx.AsyncClient, operation: Operation, example: Example, ids: Mapping[str, str], **headers: str
) -> httpx.Response:
    """Send an example, with what its names stand for, the secret too."""
    query, body = filled(dict(example.query), ids), filled(example.body, ids)
    content = {} if body is None else {"json": operation.message(body)}
    return await http.request(operation.method, operation.url(ids), params=query, headers=headers, **content)


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """Return a query or a body with what its names stand for."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    if value == "{change_no}":
        return int(ids["change_no"])
    return _PLACE.sub(lambda match: ids[match[1]], value) if isinstance(value, str) else value


def has_worked(operation: Operation, response: httpx.Response) -> bool:
    """Tell whether it was done; a command and a tool tell of their failure in an answer that is none."""
    if not response.is_success or response.status_code == 204 or operation.door not in ("todoist", "mcp"):
        return response.is_success
    document = response.json() if response.content else {}
    if operation.door == "mcp":
        return not document.get("result", {}).get("isError", False)
    return all(status == "ok" for status in document.get("sync_status", {}).values())
