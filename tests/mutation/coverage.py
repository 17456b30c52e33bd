"""Which tests reach a line: coverage counts them once, test by test, and every mutant is tried with its own."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from coverage import CoverageData

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
    "tasks/test_tasks.py",
    "tasks/test_lists.py",
    "tasks/test_search.py",
    "tasks/test_input.py",
    "tasks/test_trash.py",
    "database/test_migrations.py",
)


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
        """Return the tests that reach a line, those first that most likely notice it; none where no test does."""
        if "migrations" in file:
            return [f"tests/{name}" for name in MIGRATIONS_TESTS]
        lines = self._data.contexts_by_lineno(self._files.get(file, file))
        tests = {_test(context) for context in lines.get(line, []) if context}
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
    return path.stem.rstrip("s") in Path(test.partition("::")[0]).stem or test.startswith(f"tests/{room}/")
