"""Every operation of the API, read from its own document: tests that loop over these cover new ones unasked."""

import copy
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema_rs

from tests.support import contract

# A problem has members of its type, an export those of each app.
_OPEN = {"ProblemDocument", "Export"}
# Headers that belong to the contract. Others, such as Cache-Control, are the business of HTTP.
_PROMISED = {"etag", "location", "retry-after", "ratelimit", "ratelimit-policy", "idempotency-replayed", "x-request-id"}
_PROMISED |= {"affected", "change-no"}


@functools.cache
def document() -> dict[str, Any]:
    return contract.live()


@dataclass(frozen=True)
class Operation:
    """One operation: how to call it, and what it says it answers."""

    method: str
    path: str
    details: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.details["operationId"])

    @property
    def responses(self) -> Mapping[str, Any]:
        responses: Mapping[str, Any] = self.details["responses"]
        return responses

    @property
    def needs_token(self) -> bool:
        return bool(self.details.get("security"))

    @property
    def body(self) -> Any:
        """The example of a body; None where it takes none."""
        content = self.details.get("requestBody", {}).get("content", {})
        return next(iter(content.values()))["example"] if content else None

    @property
    def content(self) -> bytes:
        """The same as it is sent: JSON, or the text of a file."""
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    def parameters(self, place: str) -> dict[str, Any]:
        """Return the parameters in `path`, `query` or `header`, by name."""
        found = [self.resolve(parameter) for parameter in self.details.get("parameters", [])]
        return {parameter["name"]: parameter for parameter in found if parameter["in"] == place}

    @property
    def required_query(self) -> list[str]:
        """The names of the query parameters that it cannot do without."""
        return [name for name, parameter in self.parameters("query").items() if parameter.get("required")]

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a reference leads to, or the node itself."""
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        target: Mapping[str, Any] = document()["components"][kind][name]
        return target

    def conforms(self, response: httpx.Response) -> bool:
        """Whether an answer is one that the document declares: status, headers and body. Explains by failing."""
        declared = self.responses.get(str(response.status_code))
        assert declared is not None, f"{self.id} does not declare {response.status_code}: {response.text}"
        headers = {name.lower(): self.resolve(header) for name, header in declared["headers"].items()}
        sent = {name.lower() for name in response.headers}
        assert sent & _PROMISED <= headers.keys(), f"{self.id} {response.status_code}"
        assert {name for name, of in headers.items() if of["required"]} <= sent, f"{self.id} {response.status_code}"
        if response.content and response.request.method != "HEAD":
            schema = declared["content"][response.headers["Content-Type"]]["schema"]
            if response.headers["Content-Type"] == "text/event-stream":
                return True
            whole = {**schema, "components": _closed()}
            jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(response.json())
        return True


@functools.cache
def _closed() -> dict[str, Any]:
    """Return the components, in which answers hold no more members than the document names: it leaves them open."""
    components: dict[str, Any] = copy.deepcopy(document()["components"])
    for name, schema in components["schemas"].items():
        if "properties" in schema and name not in _OPEN:
            schema["additionalProperties"] = False
    return components


def operations() -> list[Operation]:
    """Return all operations, in the document's order."""
    return [
        Operation(method.upper(), path, details)
        for path, methods in document()["paths"].items()
        for method, details in methods.items()
    ]
