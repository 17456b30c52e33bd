"""What the API has promised: the copy of its document in the tree, and what a change to it would break.

`python -m tests.support.contract` (`make openapi`) writes the copy anew. It refuses what breaks clients, unless
CHANGELOG.md says so: a line under [Unreleased] with **Breaking** that names the operation, such as `get_task`.

The comparison knows the words of JSON Schema that our document uses. It errs on the side of alarm.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
COPY = ROOT / "tests" / "openapi.json"

Document = dict[str, Any]
Schema = dict[str, Any]

_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
_LEAST = ("minimum", "minLength", "minItems", "minProperties")


def live() -> Document:
    """Return the document that this source tree serves."""
    from todoproject import asgi  # noqa: F401 -- sets Django up
    from todoproject.api import document

    found: Document = json.loads(document())
    return found


def text(document: Document) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def announced(changelog: str) -> set[str]:
    """Return the operations that the changelog says are broken by the next release."""
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    lines = [line for line in (unreleased[1] if unreleased else "").splitlines() if "**Breaking**" in line]
    return {name for line in lines for name in re.findall(r"`(\w+)`", line)}


def unannounced(old: Document, new: Document) -> list[str]:
    """Return what `new` breaks for a client of `old`, less what the changelog announces."""
    expected = announced((ROOT / "CHANGELOG.md").read_text("utf-8"))
    return [finding for finding in breaking(old, new) if finding.split(":")[0] not in expected]


def breaking(old: Document, new: Document) -> list[str]:
    """Return what `new` breaks for a client of `old`, each as `operation: what`."""
    return [
        f"{was['operationId']}: {why}" for was, now in _pairs(old, new) for why in Comparison(old, new).of(was, now)
    ]


def _pairs(old: Document, new: Document) -> Iterator[tuple[Document, Document | None]]:
    for path, operations in old["paths"].items():
        for method, operation in operations.items():
            yield operation, new["paths"].get(path, {}).get(method)


class Comparison:
    """An operation as it was against the same as it is. Each method yields what would break a client."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def of(self, was: Document, now: Document | None) -> Iterator[str]:
        if now is None:
            yield "removed"
            return
        if was["operationId"] != now["operationId"]:
            yield f"renamed to {now['operationId']}"
        if not was.get("security") and now.get("security"):
            yield "needs a token"
        yield from self._parameters(was, now)
        yield from self._body(was.get("requestBody"), now.get("requestBody"))
        yield from self._responses(was["responses"], now["responses"])

    def _parameters(self, was: Document, now: Document) -> Iterator[str]:
        before = {(p["in"], p["name"]): p for p in (_resolve(p, self._old) for p in was.get("parameters", []))}
        after = {(p["in"], p["name"]): p for p in (_resolve(p, self._new) for p in now.get("parameters", []))}
        for key in before.keys() - after.keys():
            yield f"parameter {key[1]} removed"
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"parameter {key[1]} is required"
            if key in before:
                yield from self._input(before[key]["schema"], parameter["schema"], f"parameter {key[1]}")

    def _body(self, was: Document | None, now: Document | None) -> Iterator[str]:
        if now and now.get("required") and not (was and was.get("required")):
            yield "a body is required"
        for kind, content in (was or {"content": {}})["content"].items():
            if now is None or kind not in now["content"]:
                yield f"bodies of {kind} refused"
            else:
                yield from self._input(content["schema"], now["content"][kind]["schema"], "body")

    def _responses(self, was: Document, now: Document) -> Iterator[str]:
        for status, response in was.items():
            if status not in now:
                yield f"{status} removed"
                continue
            for name in response.get("headers", {}).keys() - now[status].get("headers", {}).keys():
                yield f"{status} header {name} removed"
            for kind, content in response.get("content", {}).items():
                if kind not in now[status].get("content", {}):
                    yield f"{status} is no longer {kind}"
                else:
                    yield from self._output(content["schema"], now[status]["content"][kind]["schema"], status)

    def _input(self, was: Schema, now: Schema, where: str) -> Iterator[str]:
        """What was taken must be taken still."""
        yield from self._excess((was, self._old), (now, self._new), where, is_output=False)

    def _output(self, was: Schema, now: Schema, where: str) -> Iterator[str]:
        """What is given must be what could be given before; new members may join."""
        yield from self._excess((now, self._new), (was, self._old), where, is_output=True)

    def _excess(
        self, inner: tuple[Schema, Document], outer: tuple[Schema, Document], where: str, *, is_output: bool
    ) -> Iterator[str]:
        """Yield why a value of the inner schema may be none of the outer one."""
        references = (inner[0].get("$ref", ""), outer[0].get("$ref", ""), is_output)
        if all(references[:2]) and references in self._seen:
            return
        self._seen.add(references)
        outers = list(_variants(*outer))
        for variant in _variants(*inner):
            reasons = [
                [*self._simple((variant, inner[1]), (choice, outer[1]), where, is_output=is_output)]
                for choice in outers
            ]
            yield from min(reasons, key=len)

    def _simple(
        self, inner: tuple[Schema, Document], outer: tuple[Schema, Document], where: str, *, is_output: bool
    ) -> Iterator[str]:
        (mine, _), (theirs, _) = inner, outer
        yield from (f"{where}: {word} changed" for word in _stricter(mine, theirs))
        yield from (f"{where}: {name} required" for name in _missing(mine, theirs) if not is_output)
        yield from (f"{where}: {name} may be missing" for name in _missing(mine, theirs) if is_output)
        own, known = mine.get("properties", {}), theirs.get("properties", {})
        gone = known.keys() - own.keys() if is_output else own.keys() - known.keys()
        yield from (f"{where}: {name} removed" for name in sorted(gone))
        for name in own.keys() & known.keys():
            yield from self._excess(
                (own[name], inner[1]), (known[name], outer[1]), f"{where}.{name}", is_output=is_output
            )
        if "items" in mine and "items" in theirs:
            items = (mine["items"], inner[1]), (theirs["items"], outer[1])
            yield from self._excess(*items, f"{where}[]", is_output=is_output)


def _missing(inner: Schema, outer: Schema) -> list[str]:
    return sorted({*outer.get("required", [])} - {*inner.get("required", [])})


def _stricter(inner: Schema, outer: Schema) -> Iterator[str]:
    """Yield the words by which the outer schema refuses values of the inner one."""
    if (
        "type" in outer
        and inner.get("type") != outer["type"]
        and (inner.get("type"), outer["type"]) != ("integer", "number")
    ):
        yield "type"
    values = outer.get("enum", [outer["const"]] if "const" in outer else None)
    own = inner.get("enum", [inner["const"]] if "const" in inner else None)
    if values is not None and (own is None or not {*map(repr, own)} <= {*map(repr, values)}):
        yield "enum"
    yield from (word for word in _MOST if word in outer and inner.get(word, float("inf")) > outer[word])
    yield from (word for word in _LEAST if word in outer and inner.get(word, float("-inf")) < outer[word])
    yield from (word for word in ("pattern", "format") if word in outer and inner.get(word) != outer[word])


def _variants(schema: Schema, document: Document) -> Iterator[Schema]:
    """Yield a schema's alternatives. Beside `properties`, `anyOf` is a rule about several members: not compared."""
    schema = _resolve(schema, document)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices and "properties" not in schema:
        for choice in choices:
            yield from _variants(choice, document)
    elif isinstance(schema.get("type"), list):
        yield from ({**schema, "type": kind} if kind != "null" else {"type": "null"} for kind in schema["type"])
    else:
        yield schema


def _resolve(node: Any, document: Document) -> Any:
    while "$ref" in node:
        _, _, kind, name = node["$ref"].split("/")
        node = {**document["components"][kind][name], **{key: node[key] for key in node if key != "$ref"}}
    return node


def main() -> int:
    """Write the copy anew, or say why not."""
    new = live()
    findings = unannounced(json.loads(COPY.read_text("utf-8")), new) if COPY.exists() else []
    if findings:
        print("Clients would break:", *findings, sep="\n- ", file=sys.stderr)
        print("If it must be, announce it: see tests/support/contract.py.", file=sys.stderr)
        return 1
    COPY.write_text(text(new), "utf-8")
    return 0


if __name__ == "__main__":
    import tests.environment  # noqa: F401 -- settings of its own, not the developer's

    sys.exit(main())
