"""Meaningful breaks of Python: edits of its text where the syntax tree says so, so that a diff shows one line."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One break: `old` at `start` of the file's text becomes `new`."""

    path: Path
    start: int
    old: str
    new: str
    rule: str
    line: int

    def apply(self, text: str) -> str:
        assert text.startswith(self.old, self.start)
        return text[: self.start] + self.new + text[self.start + len(self.old) :]


class Source:
    """The text of a file, and where its nodes are in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")
        self.tree = ast.parse(self.text)
        self._lines = self.text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        """Return the place of a node's position; its column counts bytes of UTF-8."""
        before = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(before)

    def edit(self, node: ast.expr | ast.stmt, new: str, rule: str) -> Mutant:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.offset(node.lineno, node.col_offset)
        end = self.offset(node.end_lineno, node.end_col_offset)
        return Mutant(self.path, start, self.text[start:end], new, rule, node.lineno)

    def code(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.text, node) or ""


def mutants(path: Path) -> list[Mutant]:
    """Return every break of a file that the rules know."""
    source = Source(path)
    return [mutant for node in _walk(source.tree) for mutant in _of_node(source, node)]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Walk as ast.walk does, but not into f-strings, whose parts have no true place before Python 3.12."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _walk(child)


def _of_node(source: Source, node: ast.AST) -> Iterator[Mutant]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _of_comparison(source, node)
    elif isinstance(node, ast.BoolOp):
        for left_out in node.values:
            rest = [f"({source.code(value)})" for value in node.values if value is not left_out]
            word = " and " if isinstance(node.op, ast.And) else " or "
            yield source.edit(node, f"({word.join(rest)})", "condition left out")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield source.edit(node, f"({source.code(node.operand)})", "not left out")
    elif isinstance(node, ast.If | ast.IfExp):
        yield source.edit(node.test, "False", "branch never taken")
    elif isinstance(node, ast.Constant):
        yield from _of_constant(source, node)
    elif isinstance(node, ast.Raise | ast.Expr):
        yield from _of_statement(source, node)


def _of_comparison(source: Source, node: ast.Compare) -> Iterator[Mutant]:
    new = _COMPARISONS.get(type(node.ops[0]))
    if new is not None:
        left, right = source.code(node.left), source.code(node.comparators[0])
        yield source.edit(node, f"({left} {new} {right})", "limit or comparison shifted")


def _of_constant(source: Source, node: ast.Constant) -> Iterator[Mutant]:
    if isinstance(node.value, bool):
        yield source.edit(node, str(not node.value), "flag turned")
    elif isinstance(node.value, int) and node.value > 1:
        yield source.edit(node, str(node.value + 1), "number one higher")


def _of_statement(source: Source, node: ast.Raise | ast.Expr) -> Iterator[Mutant]:
    """Leave out what is done for its effect; a docstring and a bare name have none."""
    if isinstance(node, ast.Raise):
        yield source.edit(node, "pass", "refusal left out")
    elif isinstance(node.value, ast.Call | ast.Await):
        yield source.edit(node, "pass", "call left out")
