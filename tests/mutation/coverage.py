"""Which tests reach a line: coverage counts them once, test by test, and every mutant is tried with its own."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path

from coverage import CoverageData

from tests.mutation import ROOT

# A migration runs before the first test, in nobody's name. These are the ones that what it makes must answer to, the
# quick and telling ones first.
MIGRATIONS_TESTS = (
    "product/test_rights_of_roles.py",
    "product/test_fence.py",
    "accounts/test_audit.py",
    "accounts/test_races.py",
    "product/test_held_rows.py",
    "product/test_change_numbers.py",
    "product/test_owner_first.py",
    "product/test_matrix.py",
    "accounts/test_tokens.py",
    "accounts/test_reset.py",
    "accounts/test_passwords.py",
    "accounts/test_idempotency.py",
    "product/test_erase.py",
    "http/test_limits.py",
    "accounts/test_throttling.py",
    "tasks/test_tasks.py",
    "tasks/test_lists.py",
    "tasks/test_search.py",
    "tasks/test_input.py",
    "tasks/test_trash.py",
    "database/test_migrations.py",
)
# Of the tests that reach a file at all, besides those about it: enough to notice, few enough to end.
_MOST_OF_A_FILE = 200
_MOST_LONG_FILES = 6
_DOCUMENT = "tests/openapi/test_openapi.py"


class Coverage:
    """The tests of each line of each file."""

    def __init__(self, data: CoverageData) -> None:
        self._data = data
        self._files = {Path(name).as_posix(): name for name in data.measured_files()}

    @classmethod
    def read(cls, path: Path) -> "Coverage":
        """Read what was measured before."""
        data = CoverageData(str(path))
        data.read()
        return cls(data)

    @classmethod
    def measure(cls, project: Path, tests: Sequence[str], kept: Path) -> "Coverage":
        """Run what will be run, on the unbroken copy, where it must pass: else each break would seem noticed."""
        print("First the tests without any break, to see that they pass and which reach what.", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", "-m", "not long"]
        counted = ["-p", "tests.support.progress", "--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"]
        if subprocess.run([*command, *counted, *tests], cwd=project, check=False).returncode:
            raise SystemExit("The tests fail without any break. Mend that first.")
        kept.write_bytes((project / ".coverage").read_bytes())
        return cls.read(kept)

    def tests_of(self, file: str, line: int) -> list[str]:
        """Return the tests that may notice a break of a line, the likeliest first; none where there is no such test.

        Coverage says who reaches a line inside a function. A line outside runs in the name of whoever imports the file
        first, and a line that only other processes or a table's later cases reach seems to run in nobody's: these two
        get the tests of their whole file, or of its room where the whole file runs before the first test.
        """
        if "migrations" in file:
            return [f"tests/{name}" for name in MIGRATIONS_TESTS]
        lines = self._data.contexts_by_lineno(self._files.get(file, file))
        statement = _statement(ROOT / file, line)
        reaching = {_test(context) for part in statement for context in lines.get(part, []) if context}
        return self._ranked(reaching, file) if reaching else self._tests_of_file(file, lines)

    def _tests_of_file(self, file: str, lines: dict[int, list[str]]) -> list[str]:
        """Return the files of tests that name the file, whole, then the tests that reach any of its lines.

        Where there are neither, the files of tests in its room.
        """
        named = [test for test, text in _texts().items() if _names(text, file) or _is_about_module(test, file)]
        reaching = {_test(context) for contexts in lines.values() for context in contexts if context}
        others = {test for test in reaching if test.partition("::")[0] not in named}
        # What stands around an operation, and what it takes and gives, is what the API's document tells.
        told = [_DOCUMENT] if "/api/" in file or file.endswith("schemas.py") else []
        if not named and not others:
            return told + [test for test in _texts() if _is_about(test, file) and test not in told]
        named.sort(key=lambda test: (not _is_about_module(test, file), test))
        return told + [test for test in named if test not in told] + self._ranked(others, file)[:_MOST_OF_A_FILE]

    def long_tests_of(self, file: str) -> list[str]:
        """Return a few files of tests that have the file's name or name it: they may hold what plays long.

        Also those that have its package's name and name that: they look at all of it by one door. Which of these reach
        a line is not counted: they look at servers, whose processes run in nobody's name.
        """
        package = str(Path(file).parent)
        named = [
            test
            for test, text in _texts().items()
            if _is_about_module(test, file)
            or _names(text, file)
            or (_is_about_module(test, package) and _names(text, package))
        ]
        return sorted(named, key=lambda test: (not _is_about_module(test, file), test))[:_MOST_LONG_FILES]

    def _ranked(self, tests: set[str], file: str) -> list[str]:
        return sorted(tests, key=lambda test: (not _is_about(test, file), self._reach[test], test))

    @cached_property
    def _reach(self) -> Counter[str]:
        """How many lines each test reaches: one that reaches few is about what it reaches."""
        reach: Counter[str] = Counter()
        for file in self._data.measured_files():
            for contexts in self._data.contexts_by_lineno(file).values():
                reach.update({_test(context) for context in contexts})
        return reach


def _test(context: str) -> str:
    """Return the test's function: a context names its parameters, which may hold anything, and its phase, too."""
    return context.partition("[")[0].partition("|")[0]


def _is_about(test: str, file: str) -> bool:
    """Tell whether a test has a module's name, or lies in its room."""
    path = Path(file)
    room = next((part for part in path.parts if part not in ("todoproject", "queries", "api", "client")), "")
    return _is_about_module(test, file) or test.startswith(f"tests/{room}/")


def _is_about_module(test: str, file: str) -> bool:
    return Path(file).stem.rstrip("s") in Path(test.partition("::")[0]).stem


def _names(text: str, file: str) -> bool:
    """Tell whether a file of tests imports a module, or runs the command that it is."""
    module = Path(file).with_suffix("")
    package, name = ".".join(module.parts[:-1]), module.name
    if module.parent.name == "commands":
        return re.search(rf'["\s]{name}["\s]', text) is not None
    if name == "__init__":
        return f"from {package} import" in text
    return f"{package}.{name}" in text or re.search(rf"from {re.escape(package)} import .*\b{name}\b", text) is not None


@cache
def _texts() -> dict[str, str]:
    """Return the text of every file of tests, by its path."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files}


def _statement(path: Path, line: int) -> range:
    """Return the lines up to this one of the statement that it is in; none outside of every function.

    The lines of a text that spans several are reached with its first.
    """
    inside = [it for it in _statements(path) if it.lineno <= line <= (it.end_lineno or it.lineno)]
    return range(max(it.lineno for it in inside), line + 1) if inside else range(0)


@cache
def _statements(path: Path) -> list[ast.stmt]:
    """Return every statement of the functions of a file; what is not there has none."""
    if not path.exists():
        return []
    return list(_inside(ast.parse(path.read_text("utf-8")), in_function=False))


def _inside(node: ast.AST, *, in_function: bool) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        inside = in_function or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and child in node.body)
        if inside and isinstance(child, ast.stmt):
            yield child
        yield from _inside(child, in_function=inside)
